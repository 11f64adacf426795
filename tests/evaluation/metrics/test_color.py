import numpy as np
import pytest
from support.pictures import real, smooth, spoiled

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.color import AXES, intersection, lab_histograms
from pix2pix_jax.evaluation.metrics.table import choose_metrics
from pix2pix_jax.evaluation.tally import Tally


def scores(fake, target):
    histograms = lab_histograms(fake, target)
    return np.stack([intersection(histograms, axis) for axis in AXES], axis=-1)


def skimage_scores(fake, target):
    """Intersections of histograms of scikit-image's Lab, one unit to a bin."""
    color = pytest.importorskip("skimage.color")
    shares = []
    for image in (fake, target):
        lab = color.rgb2lab(np.round((image + 1) * 127.5) / 255)
        edges = np.arange(-128.5, 128)
        shares.append([np.histogram(lab[..., i], edges)[0] / lab[..., i].size for i in range(3)])
    return np.minimum(*shares).sum(axis=-1)


def flat(*colour, n=1, size=8):
    return np.full((n, size, size, len(colour)), colour, np.float32) / 127.5 - 1


# Both compute Lab to a few thousandths of a unit, so few pixels fall into different bins.
@pytest.mark.parametrize("seed", range(3))
def test_intersections_are_those_of_scikit_image(seed):
    target = smooth(seed, 2, 80, 80, detail=20)
    for fake in (spoiled(target), target[::-1] * 0.5, -target):
        expected = [skimage_scores(*pair) for pair in zip(fake, target, strict=True)]
        np.testing.assert_allclose(scores(fake, target), expected, atol=2e-3)


@pytest.mark.parametrize("pattern", ["cityscapes/val/*.jpg", "facades/test/*.jpg"])
def test_intersections_are_those_of_scikit_image_on_real_images(pattern):
    photos, maps = real(pattern)
    for fake, target in ((photos[::-1], photos), (maps, photos)):
        expected = [skimage_scores(*pair) for pair in zip(fake, target, strict=True)]
        np.testing.assert_allclose(scores(fake, target), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("colour", "lab"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((255, 255, 255), (100, 0, 0)),
        ((119, 119, 119), (50, 0, 0)),
        # CIE Lab of sRGB's red and blue: 53.24, 80.09, 67.20 and 32.30, 79.19, -107.86
        ((255, 0, 0), (53, 80, 67)),
        ((0, 0, 255), (32, 79, -108)),
    ],
)
def test_known_colours_fall_into_the_bins_of_their_lab(colour, lab):
    (histograms,) = lab_histograms(flat(*colour), flat(*colour))
    for counts, value, least in zip(histograms, lab, (0, -128, -128), strict=True):
        assert counts[0].nonzero()[0].tolist() == [value - least]
        assert counts[0].sum() == 64
        np.testing.assert_array_equal(counts[0], counts[1])


def test_equal_images_have_1_and_black_on_white_nothing_in_common_but_its_hue():
    target = smooth(0)
    np.testing.assert_allclose(scores(target, target), np.ones((2, 3)))
    np.testing.assert_allclose(scores(flat(0, 0, 0), flat(255, 255, 255)), [[0, 1, 1]])
    np.testing.assert_allclose(scores(flat(255, 0, 0), flat(0, 0, 255))[0, [0, 2]], [0, 0])


def test_gray_fakes_of_coloured_targets_lose_colour_not_lightness():
    target = smooth(0, 2, 96, 96, detail=20)
    luma = np.repeat((target @ np.float32([0.299, 0.587, 0.114]))[..., None], 3, axis=-1)
    light, *colour = scores(luma, target).T
    assert light.min() > 0.8
    assert np.max(colour) < 0.1


def test_places_do_not_matter():
    target = smooth(0)
    np.testing.assert_allclose(scores(target[:, ::-1, ::-1], target), np.ones((2, 3)))


def test_gray_images_have_lightness_alone():
    target = smooth(0, channels=1)
    found = scores(target * 0.5, target)
    np.testing.assert_array_equal(found[:, 1:], np.ones((2, 2)))
    assert found[:, 0].max() < 0.9
    np.testing.assert_array_equal(
        lab_histograms(target, target), lab_histograms(*[np.repeat(target, 3, -1)] * 2)
    )


def test_the_score_of_a_set_is_that_of_its_histograms():
    fake = np.concatenate([flat(0, 0, 0), flat(255, 255, 255)])
    target = fake[::-1]  # as a set they have the same colours
    tally = Tally(choose_metrics(["lab_l", "lab_a"]))
    values = [tally.add(fake[i : i + 1], target[i : i + 1])["lab_l"] for i in range(2)]
    np.testing.assert_array_equal(values, [[0], [0]])
    assert tally.scores() == {"lab_l": 1.0, "lab_a": 1.0}


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_than_gray_or_rgb_are_refused(channels):
    images = smooth(0, channels=channels)
    with pytest.raises(InputError, match=f"images of {channels} channels; it needs RGB or gray"):
        lab_histograms(images, images)
