"""Several sources from folders to batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import tiny
from support.sources import format_of, source_of

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.augment import build_augment
from pix2pix_jax.data.layouts import find_sides
from pix2pix_jax.data.loading import load_pairs
from pix2pix_jax.data.preparation.check import check
from pix2pix_jax.data.preparation.table import format_result
from pix2pix_jax.data.shaping import Shaping
from pix2pix_jax.images import files as image_files

WHOLE = Shaping("none", (8, 8), (8, 8), training=True)
SMALL = Shaping("resize", (4, 4), (4, 4), training=True)


def draw(number, size=(8, 8)):
    rng = np.random.default_rng(number)
    return {
        "A1": rng.integers(0, 256, (*size, 3)).astype(np.uint8),
        "A2": rng.integers(0, 5, (*size, 1)).astype(np.uint8),
        "A3": rng.integers(0, 3000, (*size, 1)).astype(np.uint16),
        "B": rng.integers(0, 256, (*size, 3)).astype(np.uint8),
    }


@pytest.fixture
def root(tmp_path):
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            for folder, image in draw(number).items():
                (tmp_path / folder / split).mkdir(parents=True, exist_ok=True)
                image_files.write(tmp_path / folder / split / f"{number}.png", image)
    return tmp_path


def config_of(root, **changes):
    data = {
        "data.source": "folders",
        "data.root": str(root),
        "data.source_channels": (3, 1, 1),
        "data.source_dtype": ("uint8", "uint8", "uint16"),
        "data.source_classes": (0, 5, 0),
        "data.image_size": 8,
    }
    return tiny.tiny_config(data | {key.replace("__", "."): v for key, v in changes.items()})


def test_numbered_folders_are_read_and_stacked_in_their_order(root):
    config = config_of(root)
    source = source_of(config, "train")
    assert source.names == ("0.png", "1.png", "2.png")
    stacked, target = format_of(config).shape(source[1], WHOLE, "1.png")
    images = draw(1)
    assert stacked.dtype == np.uint16
    np.testing.assert_array_equal(stacked, np.dstack([images[f"A{n}"] for n in (1, 2, 3)]))
    np.testing.assert_array_equal(target, images["B"])
    assert source.size(1) == (8, 8)


def test_turned_round_the_other_side_may_be_several(root):
    for old, new in (("A1", "B1"), ("A2", "B2"), ("A3", "B3"), ("B", "A")):
        (root / old).rename(root / new)
    assert len(find_sides(root)["train"].folders) == 4
    config = config_of(root, data__direction="BtoA")
    stacked, target = format_of(config).shape(source_of(config, "val")[0], WHOLE, "0.png")
    np.testing.assert_array_equal(stacked[..., :3], draw(0)["A1"])
    np.testing.assert_array_equal(target, draw(0)["B"])


def test_folders_and_ends_of_names_can_be_given(root, tmp_path):
    for old, new in (("A1", "rgb"), ("A2", "land"), ("A3", "height"), ("B", "map")):
        (root / old).rename(root / new)
    named = {"data__folder_a": ("rgb", "land", "height"), "data__folder_b": "map"}
    first = source_of(config_of(root, **named), "train")[2][0]
    flat = tmp_path / "flat"
    flat.mkdir()
    for folder in ("rgb", "land", "height", "map"):
        (root / folder / "train" / "2.png").rename(flat / f"x_{folder}.png")
    ends = {"data__pair_by": ("_rgb", "_land", "_height", "_map"), "data__split": (1.0, 0.0, 0.0)}
    ((second, _),) = (source_of(config_of(flat, **ends), "train")[0],)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_missing_file_is_named_with_its_folder_or_skipped(root):
    (root / "A2" / "train" / "1.png").unlink()
    with pytest.raises(InputError, match=r"^no file 1\.\* in .*A2/train, but in the other folders"):
        source_of(config_of(root), "train")
    skipped = source_of(config_of(root, data__unpaired="skip"), "train")
    assert skipped.names == ("0.png", "2.png")


def test_more_folders_than_the_keys_say_are_one_line(root):
    config = tiny.tiny_config({"data.source": "folders", "data.root": str(root)})
    with pytest.raises(InputError, match="has 3 sources, and the keys speak of 1; `train --data`"):
        source_of(config, "train")


def test_sources_of_another_size_are_resized_from_their_own_where_data_resize_allows(root):
    large = draw(7, (16, 12))["A3"]
    image_files.write(root / "A3" / "train" / "0.png", large)
    config = config_of(root)
    form, pair = format_of(config), source_of(config, "train")[0]
    stacked, _ = form.shape(pair, SMALL, "0.png")
    part = form.source.parts[2]
    np.testing.assert_array_equal(stacked[..., 4:], part.resize(large, (4, 4)))
    with pytest.raises(InputError, match=r"0\.png: the sources have 8 x 8, 8 x 8, 16 x 12 pixels"):
        form.shape(pair, WHOLE, "0.png")
    cut = config_of(root, data__patch_size=4)
    with pytest.raises(
        InputError, match=r"the sources have .* all must have the same size, as data"
    ):
        source_of(cut, "train")[0]


def test_patches_are_cut_from_all_sources_at_the_same_place(root):
    patches = source_of(config_of(root, data__patch_size=4), "train")
    sources, target = patches[3]
    np.testing.assert_array_equal(sources[2], draw(0)["A3"][4:, 4:])
    np.testing.assert_array_equal(target, draw(0)["B"][4:, 4:])


def augmented(root, number, **changes):
    config = config_of(root, augment__flip=False, **changes)
    form = format_of(config)
    source, target = form.shape(source_of(config, "train")[number], WHOLE, "x")
    run = build_augment(config.augment, form, (8, 8))
    keys = jax.random.split(jax.random.key(0), 1)
    source, target = jnp.asarray(source[None]), jnp.asarray(target[None])
    return form.source.split_network(np.asarray(run(keys, source, target).source))


def test_colour_jitter_changes_pictures_and_no_classes_or_measurements(root):
    before = augmented(root, 0)
    after = augmented(root, 0, augment__color_jitter=(0.5, 0.5, 0.5))
    assert np.abs(before[0] - after[0]).max() > 0.05
    for one, other in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_warped_classes_stay_classes_and_heights_are_interpolated(root):
    land = augmented(root, 0, augment__affine=(20.0, 0.1, 5.0, 0.1))[1]
    assert set(np.unique(land)) == {-1.0, 1.0}
    height = augmented(root, 0, augment__affine=(20.0, 0.1, 5.0, 0.1))[2]
    levels = (height + 1) * 65535 / 2
    assert np.abs(levels - np.rint(levels)).max() > 0.01


def test_check_reads_every_source(root):
    (root / "A3" / "val" / "0.png").unlink()
    result = check(str(root))
    table = format_result(result, 5)
    assert result.layout.letters == ("A1", "A2", "A3", "B")
    assert "without a partner (1)" in table
    assert f"no file 0.* in {root}/A3/val" in table
    assert " 1 x uint16 " in table


def test_check_says_which_source_a_key_is_for(root):
    table = format_result(check(str(root)), 5)
    assert table.startswith("data.source=folders (`train --data`")
    assert "data.source_range=0,4095 for A3 (the key takes the values of all sources" in table


def test_a_source_of_another_dtype_is_an_error_that_keeps_the_dtypes_of_the_others(root):
    config = config_of(root, data__source_dtype=("uint8", "uint8", "uint8"))
    message = r"other files of A3: hold uint16 .*set data\.source_dtype=uint8,uint8,uint16, and in"
    with pytest.raises(InputError, match=message):
        load_pairs(
            source_of(config, "train"),
            format_of(config),
            WHOLE,
            cache_gigabytes=1.0,
            workers=1,
            on_error="fail",
            label="pairs",
        )
