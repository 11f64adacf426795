"""Targets at another scale than their sources, from files to what the networks see."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from support.augmenting import KEYS, as_float
from support.sources import format_of
from support.tiny import tiny_config

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import TARGET_SCALES, scaled
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.augment import Augmentation, augment
from pix2pix_jax.data.batches import mean_target
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.loading import build_pairs
from pix2pix_jax.data.mosaic import Mosaic, compose
from pix2pix_jax.data.order import Timeline, TrainingOrder
from pix2pix_jax.data.warps import Warp
from pix2pix_jax.images.scaling import at_size, nearest

SCALES = [scale for scale in TARGET_SCALES if scale != 1]


def coarse_and_fine(scale, size=(8, 12), channels=2, count=40):
    """Sources and targets, the finer of which repeats the pixels of the other."""
    height, width = (int(side * min(scale, 1)) for side in size)
    values = np.arange(height * width * channels, dtype=np.float32) + 1
    coarse = values.reshape(1, height, width, channels)
    factor = int(max(scale, 1 / scale))
    fine = coarse.repeat(factor, 1).repeat(factor, 2)
    pair = (coarse, fine) if scale > 1 else (fine, coarse)
    return [jnp.asarray(np.repeat(side, count, 0)) for side in pair]


def moved(scale, size=(6, 8), **options):
    source, target = coarse_and_fine(scale)
    shown = Augmentation(size, scale=scale, **options)
    found = jax.jit(
        lambda *pair: augment(*pair, options=shown, encode_source=as_float, encode_target=as_float)
    )(KEYS[: len(source)], source, target)
    return np.asarray(found.source), np.asarray(found.target), np.asarray(found.judged_source)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_crops_flips_and_turns_keep_both_sides_aligned_to_the_pixel(scale):
    source, target, judged = moved(scale, (6, 6), vertical_flip=True, rotate=True)
    assert source.shape[1:] == (6, 6, 2)
    assert target.shape[1:3] == scaled((6, 6), scale)
    np.testing.assert_array_equal(judged, target)  # as the finer side repeats the coarser one
    assert len({each.tobytes() for each in source}) > 20


def test_a_crop_by_hand():
    """With two columns to spare, a source begins at 0, 1 or 2, and its target at 0, 2 or 4."""
    source, target, _ = moved(2.0, (8, 10), flip=False)
    rows = np.arange(8 * 12, dtype=np.float32).reshape(8, 12) * 2 + 1
    for one, other in zip(source[..., 0], target[..., 0], strict=True):
        left = int(one[0, 0] - 1) // 2
        np.testing.assert_array_equal(one, rows[:, left : left + 10])
        fine = rows.repeat(2, 0).repeat(2, 1)[:, 2 * left : 2 * left + 20]
        np.testing.assert_array_equal(other, fine)
    assert {int(one[0, 0, 0] - 1) // 2 for one in source} == {0, 1, 2}


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_warps_move_both_sides_alike(scale):
    """A ramp stays a ramp: what is read between pixels does not depend on their size."""
    height, width = 16, 24
    warp = Warp((15.0, 0.1, 5.0, 0.05), (0.5, 8.0))

    def ramp(factor):
        rows, columns = ((np.arange(int(side * factor)) + 0.5) / factor for side in (height, width))
        return jnp.asarray(np.stack(np.meshgrid(rows, columns, indexing="ij"), -1), jnp.float32)

    for key in KEYS[:2]:
        one, other = (
            np.asarray(
                jax.jit(functools.partial(warp.apply, nearest=False, scale=factor))(
                    key, ramp(factor)
                )
            )
            for factor in (1.0, scale)
        )
        coarse = one if scale > 1 else other
        fine = other if scale > 1 else one
        means = np.asarray(at_size(fine, coarse.shape[:2]))
        middle = (slice(4, -4), slice(6, -6)) if scale > 1 else (slice(3, -3), slice(4, -4))
        # Where the image is mirrored at its border, the ramp has a bend; in the middle it has none
        # but those of the splines.
        np.testing.assert_allclose(means[middle], coarse[middle], atol=0.05)


@pytest.mark.parametrize("scale", SCALES)
def test_mosaics_meet_at_the_same_place_of_both_sides(scale):
    sources, targets = zip(
        *[[side[0] + 1000 * number for side in coarse_and_fine(scale)] for number in range(4)],
        strict=True,
    )
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(sources, targets, strict=True)]
    source, target = compose(Mosaic((1, 2, 3), (0.4, 0.6)), pairs)
    np.testing.assert_array_equal(np.asarray(at_size(source, target.shape[:2])), target)


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def load(root, *, training=True, size=8, **keys):
    config = tiny_config({"data.root": str(root), "data.image_size": size})
    config.update({name.replace("__", "."): value for name, value in keys.items()})
    config = resolve(config)
    form = format_of(config)
    source = build_source(config.data, form, "train", seed=0)
    options = {"split": "train", "training": training, "cache_gigabytes": 1.0, "label": "pairs"}
    pairs = build_pairs(config.data, source, form, **options)
    return pairs, source


FOLDERS = {"data__source": "folders", "data__resize": "crop"}


@pytest.mark.parametrize("scale", SCALES)
def test_pairs_of_files_are_cropped_at_the_same_place(tmp_path, scale):
    sizes = [(14, 18), (8, 10)]
    for number, size in enumerate(sizes):
        coarse = noise(*(int(side * min(scale, 1)) for side in size), seed=number)
        factor = int(max(scale, 1 / scale))
        fine = coarse.repeat(factor, 0).repeat(factor, 1)
        pair = (coarse, fine) if scale > 1 else (fine, coarse)
        for folder, side in zip("AB", pair, strict=True):
            write(tmp_path / folder / "train" / f"{number}.png", side)
    pairs, source = load(tmp_path, data__target_scale=scale, **FOLDERS)
    assert (pairs.size, pairs.target_size) == ((8, 8), scaled((8, 8), scale))
    assert [source.size(number) for number in range(2)] == sizes
    order = TrainingOrder(pairs, Timeline(2, 2, 0), range(2))
    held_out, _ = load(tmp_path, training=False, data__target_scale=scale, **FOLDERS)
    for one, other in [*(order.example(step, 0) for step in range(6)), held_out[0], held_out[1]]:
        assert one.shape[:2] == (8, 8)
        np.testing.assert_array_equal(np.asarray(at_size(one, other.shape[:2])), other)
    assert mean_target(pairs).shape == (*pairs.target_size, 3)


@pytest.mark.parametrize(
    ("sizes", "scale", "message"),
    [
        (((8, 8), (16, 15)), 2, "source has 8 x 8 .* target 16 x 15; data.target_scale=2 needs"),
        (
            ((8, 8), (8, 8)),
            3,
            "exactly 3 times that .*data.resize=resize_and_crop .*data.target_scale=1 fits",
        ),
        (((9, 8), (5, 4)), 0.5, "source has 9 x 8 .* target 5 x 4; data.target_scale=0.5 needs"),
    ],
)
def test_sizes_that_contradict_the_scale_are_refused_with_both(tmp_path, sizes, scale, message):
    for folder, size in zip("AB", sizes, strict=True):
        write(tmp_path / folder / "train" / "0.png", noise(*size))
    with pytest.raises(InputError, match=message) as error:
        load(tmp_path, size=4, data__target_scale=scale, **FOLDERS)
    assert "\n" not in str(error.value)
    pairs, _ = load(tmp_path, size=4, data__target_scale=scale, data__source="folders")
    assert [len(side) for side in pairs[0]] == [4, 4 * scale]  # resized each to its size


@pytest.mark.parametrize("scale", [2, 0.5])
def test_the_halves_of_a_file_and_single_images_give_the_smaller_side_too(tmp_path, scale):
    picture = noise(17, 13)
    write(tmp_path / "joined" / "train" / "0.png", np.hstack([picture, picture]))
    write(tmp_path / "single" / "train" / "0.png", picture)
    crop = {"data__resize": "crop", "data__target_scale": scale, "size": 4, "training": True}
    large = picture[:16, :12]
    small = np.asarray(Image.fromarray(large).resize((6, 8), Image.Resampling.BICUBIC))
    expected = (small, large) if scale > 1 else (large, small)
    joined, source = load(tmp_path / "joined", data__source="side_by_side", **crop)
    single, _ = load(tmp_path / "single", data__source="single", derive__kind="small", **crop)
    for pairs in (joined, single):
        for side, other in zip(pairs[0], expected, strict=True):
            np.testing.assert_array_equal(side, other)
    assert source.size(0) == expected[0].shape[:2]


@pytest.mark.parametrize("joined", [True, False])
def test_images_of_which_no_smaller_side_is_left_are_refused_in_one_line(joined, tmp_path):
    write(tmp_path / "train" / "0.png", noise(3, 24))
    keys = {"data__source": "side_by_side"} if joined else {"data__source": "single"}
    keys |= {} if joined else {"derive__kind": "small"}
    size = "3 x 12" if joined else "3 x 24"
    with pytest.raises(
        InputError, match=f"0.png: {size} pixels .*too small for data.target_scale=4"
    ):
        load(tmp_path, size=4, data__target_scale=4, **keys)


def test_patches_are_cut_at_the_same_place_of_both_sides(tmp_path):
    coarse = noise(9, 14)
    write(tmp_path / "A" / "train" / "0.png", coarse)
    write(tmp_path / "B" / "train" / "0.png", coarse.repeat(3, 0).repeat(3, 1))
    keys = {"data__patch_size": 4, "data__target_scale": 3, "data__source": "folders"}
    pairs, _ = load(tmp_path, size=4, data__resize="none", **keys)
    assert len(pairs) == 6
    for number in range(6):
        np.testing.assert_array_equal(nearest(pairs[number][0], (12, 12)), pairs[number][1])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"data.target_scale": 1.5}, "data.target_scale=1.5: choose from 0.5, 1, 2, 3, 4$"),
        ({"data.image_size": (32, 33), "data.target_scale": 0.5}, r"choose \(32, 34\)"),
        ({"data.load_size": 37, "data.target_scale": 0.5}, "data.load_size=.*no whole number"),
        ({"derive.kind": "lab", "data.target_scale": 2}, "derive.kind='lab'"),
        ({"derive.kind": "small"}, "both sides would be the same image"),
    ],
)
def test_settings_that_contradict_the_scale_are_refused_in_one_line(keys, message):
    with pytest.raises(InputError, match=message) as error:
        format_of(resolve(tiny_config(keys)))
    assert "\n" not in str(error.value)
