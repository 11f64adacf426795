"""How much each pixel of a pair counts, and what is made of the pixels that do."""

import dataclasses

import jax
import numpy as np
import pytest

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.augment import Augmentation, augment, build_augment
from pix2pix_jax.data.batches import mean_target
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.data.pairs import Pairs, read_pair
from pix2pix_jax.data.shaping import Shaping
from pix2pix_jax.data.values import say_values
from pix2pix_jax.data.warps import crisp_channels
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.stacked import StackedEncoding

NAN = np.nan
HEIGHTS = Encoding(1, "float32", 0.0, 10.0, side="source", no_data="nan")
DEPTHS = Encoding(1, "float32", 0.0, 10.0, side="target", no_data="-9999")
FORM = PairFormat(HEIGHTS, DEPTHS)
AS_IS = Shaping("resize", (1, 3), (1, 3), training=True)


def row(*values):
    return np.array(values, np.float32).reshape(1, -1, 1)


class Files(list):
    """Pairs in a list, as a source."""

    @property
    def names(self):
        return tuple(f"{number}.tif" for number in range(len(self)))

    def size(self, index):
        return self[index][0].shape[:2]


def pairs_of(*pairs, form=FORM):
    source, target = (np.stack(side) for side in zip(*pairs, strict=True))
    return Pairs(Files(pairs), form, AS_IS, tuple(range(len(pairs))), (source, target))


def test_a_pixel_counts_if_both_sides_hold_data():
    source, target = row(NAN, 2, 3)[None], row(1, -9999, 3)[None]
    for weigh in (FORM.weight, jax.jit(FORM.weight)):
        assert np.ravel(weigh(source, target)).tolist() == [0, 0, 1]
    assert isinstance(FORM.weight(source, target), np.ndarray)
    assert PHOTOS.weight(source, target) is None


def test_a_mask_weighs_and_does_so_only_where_there_is_data():
    masked = PairFormat(HEIGHTS, DEPTHS, masked=True)
    target = np.stack([row(-9999, 2, 3, 4), row(1, 1, 0.5, 0)], axis=-1)[..., 0, :]
    for weigh in (masked.weight, jax.jit(masked.weight)):
        assert np.ravel(weigh(row(1, NAN, 3, 4), target)).tolist() == [0, 0, 0.5, 0]
    assert masked.image_of(target).shape == (1, 4, 1)
    np.testing.assert_allclose(
        np.ravel(masked.compared_target(row(1, 2, 3, 4)[None], target[None])),
        [0, -0.6, -0.4, -0.2],
        atol=1e-6,
    )
    _, picture = masked.show(row(1, 2, 3, 4), target)
    assert picture.ravel().tolist() == [64, 51, 76, 192]


def test_the_mean_target_is_of_the_pixels_that_count():
    mean = mean_target(pairs_of((row(1, 1, NAN), row(0, -9999, 9)), (row(1, 1, NAN), row(5, 2, 9))))
    np.testing.assert_allclose(mean.ravel(), [-0.5, -0.6, 0], atol=1e-6)


def test_marks_are_no_values(caplog):
    caplog.set_level("INFO")
    say_values(pairs_of((row(0, NAN, 10), row(-9999, 4, 10))), 1)
    first, second, third = caplog.messages
    assert "source: 1 x float32, 0 to 10 (mean 5)" in first
    assert "target: 1 x float32, 4 to 10 (mean 7)" in second
    assert third == "pixels that count: 33.33%"


def test_what_is_under_black_is_no_value(caplog):
    caplog.set_level("INFO")
    form = PairFormat(Encoding(1, "float32"), Encoding(1, "float32", 0.0, 1.0), masked=True)
    target = np.stack([row(0.5, 100, 200), row(0, 1, 0.5)], axis=-1)[..., 0, :]
    say_values(pairs_of((row(0, 4, 100), target), form=form), 1)
    assert "source: 1 x float32, 0 to 100" in caplog.messages[0]
    assert "target: 1 x float32, 100 to 200 (mean 150)" in caplog.messages[1]
    assert caplog.messages[-1] == "pixels that count: 50.00%"


def test_weights_move_with_the_pixels_and_marks_are_never_mixed():
    options = Augmentation(image_size=(1, 3), flip=True)
    source, target = (
        np.broadcast_to(side, (8, 1, 3, 1)) for side in (row(NAN, 2, 4), row(1, 5, 9))
    )
    seen = augment(
        jax.random.split(jax.random.key(0), 8),
        jax.numpy.asarray(source),
        jax.numpy.asarray(target),
        options=options,
        encode_source=HEIGHTS.to_network,
        encode_target=DEPTHS.to_network,
        weigh=FORM.weight,
    )
    assert len(np.unique(np.asarray(seen.weight), axis=0)) == 2  # some are mirrored
    np.testing.assert_array_equal(seen.weight == 0, seen.source == 0)
    assert crisp_channels((HEIGHTS,))
    assert not crisp_channels((Encoding(),))


def test_missing_pixels_of_a_source_stay_0_if_its_colours_are_changed():
    config = default_config()
    config.augment.flip, config.augment.color_jitter = False, (0.5, 0.5, 0.0)
    plain = dataclasses.replace(HEIGHTS, dtype="uint8", high=255.0, no_data="0")
    both = StackedEncoding((plain, HEIGHTS), ("A1", "A2"))
    stored = np.stack([row(0, 20, 40), row(4, NAN, 2)], axis=-1)[..., 0, :]
    keys = jax.random.split(jax.random.key(0), 2)
    for form, source in ((PairFormat(plain, DEPTHS), stored[..., :1]), (PairFormat(both), stored)):
        change = build_augment(config.augment, form, (1, 3))
        target = np.zeros((1, 3, form.target.channels), form.target.dtype)
        pairs = (np.stack([side] * 2) for side in (source.astype(form.source.dtype), target))
        seen = change(keys, *map(jax.numpy.asarray, pairs))
        missing = (source == 0) | np.isnan(source)
        np.testing.assert_array_equal(seen.source == 0, np.stack([missing] * 2))


@pytest.mark.parametrize("training", [True, False])
def test_a_pair_of_which_nothing_counts_is_refused(training):
    shaping = Shaping("crop", (1, 1), (1, 1), training=training)
    source, target = row(1, NAN, 1), row(3, 3, 3)
    if training:
        source = row(NAN, NAN, NAN)
    with pytest.raises(InputError, match=r"^0\.tif: no pixel counts, so nothing"):
        read_pair(Files([(source, target)]), 0, FORM, shaping)


def test_pictures_are_hatched_where_there_is_no_data():
    form = PairFormat(HEIGHTS, DEPTHS)
    shown = form.show(row(NAN, 10, 0), row(10, -9999, 0))
    assert [picture.ravel().tolist() for picture in shown] == [[64, 255, 0], [255, 64, 0]]
    _, answer = form.show(row(NAN, 10, 0), row(10, -9999, 0), HEIGHTS.valid(row(NAN, 10, 0)))
    assert answer.ravel().tolist() == [64, 0, 0]
