import numpy as np
import pytest
from PIL import Image
from support.networks import variables_of

from pix2pix_jax import load_generator, train_and_evaluate, translate
from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import save_json
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.configured_format import build_format
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.models.build import build_generator
from pix2pix_jax.models.sizes import size_multiple
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.image_folders import plan_outputs, translate_folder, translate_split

pytestmark = pytest.mark.usefixtures("one_device")
SIZE = (16, 16)


def photo(size=SIZE, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, channels), np.uint8)


def make_generator(form=PHOTOS, fit="resize"):
    """Build a generator of random weights: two levels, 4 features."""
    model = default_config().model
    model.base_features, model.levels = 4, 2
    module = build_generator(model, image_size=SIZE, out_channels=form.target.channels)
    variables = variables_of(module, np.zeros((1, *SIZE, form.source.depth), np.float32))
    multiple = size_multiple(model, SIZE)
    return Generator(module, variables, SIZE, form, fit=fit, multiple=multiple)


@pytest.fixture(scope="module")
def generator():
    return make_generator()


def form_of(kind, **data):
    config = default_config()
    config.derive.kind = kind
    for key, value in data.items():
        config.data[key] = value
    return build_format(config.data, config.derive)


def write_config(folder, **data):
    """Write the config of a run whose data is in `folder/data`."""
    config = default_config()
    config.data.root = str(folder / "data")
    config.data.image_size, config.data.resize = (16,), "resize"
    for key, value in data.items():
        config.data[key] = value
    save_json(config, folder / "config.json")


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    image_files.write(path, image)
    return path


def test_a_folder_keeps_its_names_and_gives_the_same_bytes_again(generator, tmp_path):
    photos = tmp_path / "photos"
    for number, name in enumerate(("a.jpg", "b.PNG", "more/a.jpeg")):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo(seed=number)).save(photos / name, format="PNG")
    (photos / "notes.txt").write_text("not an image")
    first = translate_folder(generator, photos, tmp_path / "out", batch_size=2)
    names = [path.relative_to(tmp_path / "out").as_posix() for path in first]
    assert names == ["a.png", "b.png", "more/a.png"]
    second = translate_folder(generator, photos, tmp_path / "again", batch_size=2)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    (single,) = translate_folder(generator, photos / "a.jpg", tmp_path / "one", batch_size=2)
    assert single.read_bytes() == first[0].read_bytes()


@pytest.mark.parametrize("fit", ["resize", "pad"])
def test_files_of_any_size_come_back_in_their_own(tmp_path, fit):
    sizes = [(16, 16), (9, 30), (40, 12)]
    for number, size in enumerate(sizes):
        save(tmp_path / "in" / f"{number}.png", photo(size))
    written = translate_folder(make_generator(fit=fit), tmp_path / "in", tmp_path / "out")
    assert [image_files.size_of(path) for path in written] == sizes


@pytest.mark.parametrize(
    ("target", "suffix"),
    [
        (Encoding(1, "uint16", 0.0, 65535.0), ".png"),
        (Encoding(3, "uint16", 0.0, 65535.0), ".tif"),
        (Encoding(1, "uint16", 0.0, 1000.0), ".png"),
        (Encoding(4), ".png"),
        (Encoding(2), ".tif"),
        (Encoding(5, "float32", -10.0, 10.0), ".tif"),
    ],
)
def test_results_are_written_as_targets_are_stored(tmp_path, target, suffix):
    generator = make_generator(PairFormat(PHOTO, target))
    save(tmp_path / "in" / "a.png", photo())
    (path,) = translate_folder(generator, tmp_path / "in", tmp_path / "out")
    assert path == tmp_path / "out" / f"a{suffix}"
    found = image_files.read_stored(path)
    (expected,) = translate(generator, [photo()], names=["a.png"])
    assert found.dtype == target.dtype
    assert found.shape == (*SIZE, target.channels)
    np.testing.assert_array_equal(found, expected)
    assert found.min() >= target.low
    assert found.max() <= target.high
    assert len(np.unique(found)) > 5


def test_sources_of_16_bits_are_seen_with_all_their_bits(tmp_path):
    generator = make_generator(PairFormat(Encoding(1, "uint16", 0.0, 65535.0), PHOTO))
    deep = photo(channels=1).astype(np.uint16) * 257
    save(tmp_path / "in" / "a.png", deep)
    (path,) = translate_folder(generator, tmp_path / "in", tmp_path / "out")
    same = make_generator(PairFormat(Encoding(1), PHOTO))
    (expected,) = translate(same, [photo(channels=1)], names=["a.png"])
    np.testing.assert_allclose(image_files.read(path).astype(int), expected, atol=1)
    save(tmp_path / "in" / "b.png", photo())
    with pytest.raises(InputError, match=r"b\.png: holds uint8 values, expected uint16"):
        translate_folder(generator, tmp_path / "in", tmp_path / "more")


def test_label_maps_are_sources_too(tmp_path):
    generator = make_generator(PairFormat(Encoding(1, "uint8", classes=3), PHOTO))
    labels = np.random.default_rng(0).choice(np.array([0, 1, 2, 255], np.uint8), (20, 30))
    picture = Image.fromarray(labels).convert("P")
    picture.putdata(labels.ravel().tolist())
    (tmp_path / "in").mkdir()
    picture.save(tmp_path / "in" / "a.png")
    (path,) = translate_folder(generator, tmp_path / "in", tmp_path / "out")
    (expected,) = translate(generator, [labels[..., None]], names=["a.png"])
    assert expected.shape == (20, 30, 3)
    np.testing.assert_array_equal(image_files.read(path), expected)


@pytest.mark.parametrize("fit", ["resize", "pad"])
@pytest.mark.parametrize("size", [SIZE, (21, 10)])
def test_a_colour_photo_is_colourised_from_its_gray(tmp_path, fit, size):
    generator = make_generator(form_of("gray", source_channels=1), fit)
    colour = save(tmp_path / "in" / "a.png", photo(size))
    gray = images.as_channels(photo(size), 1, "a.png")
    (path,) = translate_folder(generator, colour, tmp_path / "out")
    (expected,) = translate(generator, [gray], names=["a.png"])
    np.testing.assert_array_equal(image_files.read(path), expected)
    (same,) = translate_folder(
        generator, save(tmp_path / "gray" / "a.png", gray), tmp_path / "other"
    )
    assert same.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("fit", ["resize", "pad"])
def test_lab_is_put_together_with_the_lightness_of_the_photo(tmp_path, fit):
    generator = make_generator(form_of("lab", source_channels=1, target_channels=2), fit)
    smooth = images.resize(photo((3, 4)) // 4 + 96, (21, 10))
    (path,) = translate_folder(generator, save(tmp_path / "a.png", smooth), tmp_path / "out")
    assert path.suffix == ".png"
    answer = image_files.read(path)
    assert answer.shape == (21, 10, 3)
    lightness = [generator.form.derivation(image, "a.png")[0] for image in (smooth, answer)]
    # The colours of an untrained network are near gray, and within the gamut.
    np.testing.assert_allclose(lightness[1], lightness[0], atol=1.5)
    assert (answer != smooth).any()


def test_a_lab_run_trains_on_photos_and_colours_others(tiny_config, tmp_path):
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            save(tmp_path / "data" / split / f"{number}.png", photo((40, 36), seed=number))
    tiny_config.data.source, tiny_config.data.root = "single", str(tmp_path / "data")
    tiny_config.train.epochs, tiny_config.derive.kind = 1, "lab"
    tiny_config.data.source_channels, tiny_config.data.target_channels = 1, 2
    result = train_and_evaluate(tiny_config, tmp_path / "lab")
    assert 0 < result.summary["val"]["l1"] < 2
    with Image.open(tmp_path / "lab" / "samples" / "epoch_0001.png") as sample:
        assert sample.size == (3 * 32 + 8, 2 * 32 + 4)
    generator = load_generator(tmp_path / "lab")
    (path,) = translate_folder(generator, tmp_path / "data" / "val" / "0.png", tmp_path / "out")
    assert image_files.read(path).shape == (40, 36, 3)
    written = translate_split(generator, RunFolder(tmp_path / "lab"), "val", tmp_path / "val")
    assert [image_files.read(path).shape for path in written] == [(32, 32, 3)] * 2


@pytest.mark.parametrize("derive", [True, False])
def test_reduced_sources_are_made_where_that_is_asked_for(tmp_path, derive):
    generator = make_generator(form_of("downscale"))
    image = photo((20, 30))
    path = save(tmp_path / "a.png", image)
    (path,) = translate_folder(generator, path, tmp_path / "out", derive=derive)
    source = image
    if derive:
        source, _ = generator.form.derivation(images.resize(image, SIZE), "a.png")
    (expected,) = translate(generator, [source], names=["a.png"])
    assert image_files.size_of(path) == (20, 30)
    np.testing.assert_array_equal(image_files.read(path), images.resize(expected, (20, 30)))


def test_a_split_is_translated_under_its_own_names(generator, tmp_path):
    write_config(tmp_path, source="synthetic", synthetic_pairs=(2, 2, 3))
    written = translate_split(
        generator, RunFolder(tmp_path), "test", tmp_path / "out", batch_size=2
    )
    assert [path.name for path in written] == [f"test_0000{n}.png" for n in range(3)]
    assert image_files.read(written[0]).shape == (16, 16, 3)
    with pytest.raises(InputError, match="split 'tset': choose from train, val, test"):
        translate_split(generator, RunFolder(tmp_path), "tset", tmp_path / "out")


def test_a_split_keeps_sub_folders_and_never_writes_into_the_data(generator, tmp_path):
    write_config(tmp_path, source="side_by_side")
    for name in ("a/0.png", "b/0.png"):
        save(tmp_path / "data" / "val" / name, photo((16, 32)))
    written = translate_split(generator, RunFolder(tmp_path), "val", tmp_path / "out")
    names = [path.relative_to(tmp_path / "out").as_posix() for path in written]
    assert names == ["a/0.png", "b/0.png"]
    with pytest.raises(InputError, match="is inside the run's data set"):
        translate_split(generator, RunFolder(tmp_path), "val", tmp_path / "data" / "val" / "a")
    Image.fromarray(photo((16, 32))).save(tmp_path / "data" / "val" / "a" / "0.jpg")
    with pytest.raises(InputError, match="would both be written to"):
        translate_split(generator, RunFolder(tmp_path), "val", tmp_path / "out")


def test_a_split_of_patches_has_a_file_for_each(generator, tmp_path):
    write_config(tmp_path, source="side_by_side", patch_size=(16,))
    save(tmp_path / "data" / "val" / "7.png", photo((20, 80)))
    written = translate_split(generator, RunFolder(tmp_path), "val", tmp_path / "out")
    assert [path.name for path in written] == ["7_0_0.png", "7_0_24.png"]


def test_a_split_of_16_bit_targets_is_written_with_16_bits(tmp_path):
    write_config(tmp_path, source="folders", target_channels=1, target_dtype="uint16")
    save(tmp_path / "data" / "A" / "val" / "x.png", photo())
    save(tmp_path / "data" / "B" / "val" / "x.png", photo(channels=1).astype(np.uint16))
    generator = make_generator(PairFormat(PHOTO, Encoding(1, "uint16", 0.0, 65535.0)))
    (path,) = translate_split(generator, RunFolder(tmp_path), "val", tmp_path / "out")
    assert path.name == "x.png"
    assert image_files.read_stored(path).dtype == np.uint16


@pytest.mark.parametrize(
    ("names", "source", "output", "message"),
    [
        ([], "nowhere", "out", "nowhere: there is no such file or folder"),
        ([], ".", "out", "no images"),
        (["a.jpg", "a.png"], ".", "out", "a.jpg and .*a.png would both be written to .*a.png"),
        (["a.png"], ".", ".", "would replace an input"),
    ],
)
def test_folders_that_would_lose_something_are_refused(
    generator, tmp_path, names, source, output, message
):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in names:
        Image.fromarray(photo()).save(folder / name)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=message):
        translate_folder(generator, folder / source, folder / output)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_result_in_another_format_replaces_no_input(tmp_path):
    path = save(tmp_path / "a.png", photo())
    assert plan_outputs(tmp_path, tmp_path, lambda _: ".tif") == [(path, tmp_path / "a.tif")]


def test_an_unknown_mode_is_refused_before_anything_is_read(generator, tmp_path):
    with pytest.raises(InputError, match="mode 'papr': choose from paper, deterministic"):
        translate_folder(generator, tmp_path / "nowhere", tmp_path, mode="papr")
    with pytest.raises(InputError, match="mode 'papr'"):
        translate_split(generator, RunFolder(tmp_path), "val", tmp_path, mode="papr")


def test_frames_are_blended_in_the_order_of_their_names_whatever_their_size(tmp_path):
    generator = make_generator(fit="pad")
    images = [photo((16, 16), seed=1), photo((32, 16), seed=2), photo((16, 16), seed=3)]
    for number, image in enumerate(images):
        save(tmp_path / "in" / f"{number}.png", image)
    options = {"same_dropout": True, "mode": "deterministic"}
    paths = translate_folder(generator, tmp_path / "in", tmp_path / "out", blend=0.5, **options)
    plain = translate_folder(generator, tmp_path / "in", tmp_path / "plain", **options)
    for ours, theirs in zip(paths, plain, strict=True):  # another size begins again
        assert ours.read_bytes() == theirs.read_bytes()
