import importlib.util
import sys

import numpy as np
import pytest
from support.tiny_tfds import RGB, Tiny, build, decoded, photo

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.sources import Source
from pix2pix_jax.images.encoding import Encoding

DEEP = Encoding(1, "uint16", 0.0, 65535.0)


def test_an_image_and_its_mask_are_a_pair(tmp_path):
    source = build(tmp_path)
    assert isinstance(source, Source)
    assert len(source) == 7
    assert source.names == tuple(f"train_{number:06d}" for number in range(7))
    for number in range(7):
        first, second = source[number]
        np.testing.assert_array_equal(first, decoded(number))
        np.testing.assert_array_equal(second, photo(number)[..., :1] % 4)
        assert source.size(number) == (6, 5)
    assert "tensorflow" not in sys.modules


def test_a_set_is_prepared_once(tmp_path, monkeypatch):
    build(tmp_path)
    assert list((tmp_path / "tiny_masks" / "1.2.0").glob("*array_record*"))

    def prepare_again(self, dl_manager):
        raise AssertionError("prepared again")

    monkeypatch.setattr(Tiny, "_split_generators", prepare_again)
    assert len(build(tmp_path)) == 7
    with pytest.raises(InputError, match="prepared again"):
        build(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ({}, ("photo", "depth")),
        ({"direction": "BtoA"}, ("depth", "photo")),
        ({"target_feature": "photo"}, ("depth", "photo")),
        ({"source_feature": "mask"}, ("mask", "photo")),
        ({"source_feature": "mask", "target_feature": "depth"}, ("mask", "depth")),
        ({"source_feature": "mask", "target_feature": "mask"}, ("mask", "mask")),
        ({"single": True}, ("photo", "photo")),
        ({"single": True, "source_feature": "mask"}, ("mask", "mask")),
        ({"single": True, "target_feature": "depth"}, ("depth", "depth")),
    ],
)
def test_features_are_those_of_the_config_or_the_next_in_their_order(tmp_path, options, features):
    for _ in range(2):  # prepared now, and read from the disk
        assert build(tmp_path, "tiny_three", **options).features == features


def test_a_single_image_is_given_twice_to_derive_the_other_side(tmp_path):
    first, second = build(tmp_path, "tiny_photos", single=True, target=RGB)[1]
    assert first is second
    np.testing.assert_array_equal(first, decoded(1))


def test_16_bit_images_keep_all_bits(tmp_path):
    _, depth = build(tmp_path, "tiny_three", target=DEEP)[2]
    assert depth.dtype == np.uint16
    np.testing.assert_array_equal(depth, photo(2)[..., :1].astype(np.uint16) * 256)


def test_masks_can_be_classes(tmp_path):
    options = {"direction": "BtoA", "target": RGB}
    mask, _ = build(tmp_path, source=Encoding(1, classes=4), **options)[3]
    np.testing.assert_array_equal(mask, photo(3)[..., :1] % 4)
    with pytest.raises(InputError, match=r"train_000003 \(mask\): holds class 3"):
        build(tmp_path, source=Encoding(1, classes=3), **options)[3]


def test_an_image_of_another_dtype_is_an_error_that_gives_its_name(tmp_path):
    with pytest.raises(
        InputError, match=r"train_000000 \(mask\): holds uint8 values, expected uin"
    ):
        build(tmp_path, target=DEEP)[0]


def test_a_set_without_its_code_can_be_read_if_the_features_are_given(tmp_path):
    class Unregistered(Tiny, skip_registration=True):
        name = "only_files"
        features = ("photo", "mask")

    Unregistered(data_dir=str(tmp_path)).download_and_prepare(file_format="array_record")
    for options in ({"source_feature": "photo"}, {"target_feature": "mask"}):
        source = build(tmp_path, "only_files", **options)
        assert source.features == ("photo", "mask")
        np.testing.assert_array_equal(source[4][0], decoded(4))
    message = r"do not keep the order of features; set data\.tfds_source and data\.tfds_target, out"
    for single in (False, True):
        with pytest.raises(InputError, match=message):
            build(tmp_path, "only_files", single=single)


def test_a_given_version_is_read_from_its_files(tmp_path):
    build(tmp_path, "tiny_photos", single=True)
    assert len(build(tmp_path, "tiny_photos:1.2.0", single=True)) == 7


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("oxford_iiit_pat", r"no such data set; did you mean oxford_iiit_pet.*catalog"),
        ("qqqqqqqqqqqq", r"no such data set; all are at"),
        ("tiny_masks/small", r"cannot be opened \(.*small.*catalog"),
        ("tiny_masks:9.9.9", r"cannot be opened \(.*9\.9\.9.*1\.2\.0"),
        ("../x", r"cannot be opened"),
        ("huggingface:mnist", r"only TFDS's own sets are read"),  # it would run a script
        ("", r"cannot be opened"),
    ],
)
def test_an_unknown_name_is_an_error_that_suggests_similar_ones(tmp_path, name, message):
    with pytest.raises(InputError, match=message) as error:
        build(tmp_path, name)
    assert str(error.value).startswith(f"data.source='tfds:{name}': ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tiny_masks", {"source_feature": "foto"}, r"tfds_source='foto'.*choose from photo, mask"),
        ("tiny_masks", {"target_feature": "label"}, r"tfds_target='label'.*from photo, mask"),
        ("tiny_numbers", {}, r"no images of 8 or 16 bits, only label \(ClassLabel\), number"),
        ("tiny_heat", {}, r"no images of 8 or 16 bits, only heat \(Image\)"),
        ("tiny_photos", {}, r"only one image feature \(photo\); set derive\.kind"),
        (
            "tiny_masks",
            {"single": True, "source_feature": "photo", "target_feature": "mask"},
            r"tfds_source='photo', data\.tfds_target='mask': derive\.kind needs one",
        ),
    ],
)
def test_wrong_features_are_an_error_before_anything_is_prepared(tmp_path, name, options, message):
    with pytest.raises(InputError, match=message):
        build(tmp_path, name, **options)
    assert not list(tmp_path.iterdir())


def no_network(self, dl_manager):
    raise ConnectionError("no route to host")


def download(self, dl_manager):
    return {"train": self._generate_examples(len(dl_manager.manual_dir.name))}


def extract(self, dl_manager):
    return {"train": self._generate_examples(len(dl_manager.extract("/nowhere/a.tar.gz").name))}


def arrays(self, dl_manager):
    example = {"photo": photo(0), "mask": photo(0)[..., :1], "label": 0}
    return {"train": iter([(0, example)])}


@pytest.mark.parametrize(
    ("generate", "message"),
    [
        (no_network, r"\(no route to host\); on a machine that can, run: tfds build tiny_masks"),
        (download, r"\(Manual dir.* does not exist.*; on a machine that can"),
        (extract, r"\(needs TensorFlow for this set\); pip install tensorflow, or on a machine"),
        (arrays, r"\(needs TensorFlow for this set\); pip install tensorflow, or on a machine"),
    ],
)
def test_a_set_that_cannot_be_prepared_here_is_an_error_that_says_what_to_do(
    tmp_path, monkeypatch, generate, message
):
    if "TensorFlow" in message and importlib.util.find_spec("tensorflow"):
        pytest.skip("TensorFlow is installed")
    monkeypatch.setattr(Tiny, "_split_generators", generate)
    monkeypatch.setattr(Tiny, "MANUAL_DOWNLOAD_INSTRUCTIONS", "get it\nby hand")
    with pytest.raises(InputError, match=message) as error:
        build(tmp_path)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(f"and copy the result to {tmp_path}/tiny_masks/1.2.0")
    assert not [path for path in (tmp_path / "tiny_masks").rglob("*") if path.is_file()]


def test_a_folder_without_a_prepared_set_is_an_error_that_gives_its_path(tmp_path):
    (tmp_path / "tiny_masks" / "1.2.0").mkdir(parents=True)
    with pytest.raises(InputError, match=r"1\.2\.0 holds no prepared set; delete"):
        build(tmp_path)


def test_a_broken_description_is_an_error(tmp_path):
    build(tmp_path)
    (tmp_path / "tiny_masks" / "1.2.0" / "dataset_info.json").write_text("{")
    with pytest.raises(InputError, match=r"tiny_masks': its description is broken .*delete"):
        build(tmp_path)
