import inspect

import jax
import numpy as np
import pytest
from scipy import ndimage
from support.pictures import real, smooth, spoiled

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.structural import ms_ssim, ssim


def skimage_ssim(fake, target):
    metrics = pytest.importorskip("skimage.metrics")
    return [
        metrics.structural_similarity(
            (one.astype(np.float64) + 1) / 2,
            (other.astype(np.float64) + 1) / 2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            channel_axis=-1,
        )
        for one, other in zip(fake, target, strict=True)
    ]


def scipy_similarity(x, y):
    """Mean of the whole similarity, and of contrast and structure alone, of planes in [0, 255]."""

    def blur(plane):
        return ndimage.gaussian_filter(plane, 1.5, radius=5)[5:-5, 5:-5]

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    both = blur(x * y) - mean_x * mean_y
    structure = (2 * both + 7.65**2) / (var_x + var_y + 7.65**2)
    light = (2 * mean_x * mean_y + 2.55**2) / (mean_x**2 + mean_y**2 + 2.55**2)
    return np.mean(light * structure), np.mean(structure)


def scipy_ms_ssim(fake, target):
    """Wang et al., 2003, plane by plane in double precision."""
    values = []
    for x, y in zip(np.moveaxis(fake, -1, 0), np.moveaxis(target, -1, 0), strict=True):
        x, y = ((plane.astype(np.float64) + 1) * 127.5 for plane in (x, y))
        product = 1.0
        for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
            whole, structure = scipy_similarity(x, y)
            product *= max(whole if scale == 4 else structure, 0) ** weight
            # A 2x2 mean ends at the odd pixels.
            x, y = (ndimage.uniform_filter(plane, 2, origin=-1) for plane in (x, y))
            x, y = (p[: p.shape[0] // 2 * 2 : 2, : p.shape[1] // 2 * 2 : 2] for p in (x, y))
        values.append(product)
    return np.mean(values)


CASES = {
    "spoiled": lambda target: spoiled(target),
    "others": lambda target: smooth(5, *target.shape),
    "inverted": lambda target: -target,
    "shifted": lambda target: np.roll(target, 5, axis=2),
    "darker": lambda target: target - 0.4,
    "constant": lambda target: np.zeros_like(target),
}


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("case", sorted(CASES))
def test_ssim_is_that_of_scikit_image(case, channels):
    target = smooth(0, 2, 40, 53, channels)
    fake = CASES[case](target)
    np.testing.assert_allclose(ssim(fake, target), skimage_ssim(fake, target), atol=1e-5)


@pytest.mark.parametrize("case", sorted(CASES))
def test_ms_ssim_is_that_of_scipy(case):
    target = smooth(0, 1, 181, 190, 2, detail=40)
    fake = CASES[case](target)
    expected = scipy_ms_ssim(fake[0], target[0])
    np.testing.assert_allclose(ms_ssim(fake, target), [expected], atol=1e-5)


@pytest.mark.parametrize("pattern", ["facades/test/*.jpg", "maps/val/*.jpg"])
def test_structural_metrics_agree_on_real_images(pattern):
    source, target = (side[:, :256, :256] for side in real(pattern, 2))
    np.testing.assert_allclose(ssim(source, target), skimage_ssim(source, target), atol=1e-5)
    for share in (0.05, 0.5):
        fake = spoiled(target, share=share)
        np.testing.assert_allclose(ssim(fake, target), skimage_ssim(fake, target), atol=1e-5)
        expected = [scipy_ms_ssim(*pair) for pair in zip(fake, target, strict=True)]
        np.testing.assert_allclose(ms_ssim(fake, target), expected, atol=1e-5)


@pytest.mark.parametrize(("metric", "size"), [(ssim, 11), (ms_ssim, 176)])
def test_equal_images_have_1_down_to_the_least_size(metric, size):
    target = smooth(1, 2, size, size)
    np.testing.assert_allclose(metric(target, target), [1, 1], atol=1e-6)


@pytest.mark.parametrize(("metric", "least"), [(ssim, 11), (ms_ssim, 176)])
@pytest.mark.parametrize("axis", [1, 2])
def test_images_that_are_too_small_are_refused_with_the_least_size(metric, least, axis):
    shape = [1, least, least, 3]
    shape[axis] -= 1
    images = np.zeros(shape, np.float32)
    message = f"{metric.__name__}: images of {shape[1]}x{shape[2]} pixels.* {least}x{least}"
    with pytest.raises(InputError, match=message):
        metric(images, images)


def test_ssim_of_constant_images_by_hand():
    fake, target = np.full((1, 12, 12, 1), 0.5), np.full((1, 12, 12, 1), -0.25)
    # 1.5 and 0.75 above black, of a range of 2; C1 = 0.02^2
    expected = (2 * 1.5 * 0.75 + 0.0004) / (1.5**2 + 0.75**2 + 0.0004)
    found = ssim(fake.astype(np.float32), target.astype(np.float32))
    np.testing.assert_allclose(found, [expected], rtol=1e-4)


def test_a_negative_is_worth_less_than_nothing_to_ssim_and_nothing_to_ms_ssim():
    target = smooth(3, 1, 176, 176, detail=100)
    assert ssim(-target, target)[0] < -0.5
    assert ms_ssim(-target, target)[0] == 0


def test_more_noise_scores_lower_and_ms_ssim_is_milder():
    target = smooth(4, 1, 192, 192, detail=60)
    noise = np.random.default_rng(0).normal(size=target.shape).astype(np.float32)
    fine = [float(ssim(target + level * noise, target)[0]) for level in (0.05, 0.2, 0.5)]
    coarse = [float(ms_ssim(target + level * noise, target)[0]) for level in (0.05, 0.2, 0.5)]
    assert fine == sorted(fine, reverse=True)
    assert coarse == sorted(coarse, reverse=True)
    assert all(a < b for a, b in zip(fine, coarse, strict=True))


def test_structural_metrics_run_within_jit_and_refuse_sizes_there():
    target = smooth(0)
    compiled = jax.jit(lambda *pair: ssim(*pair))
    fake = spoiled(target)
    np.testing.assert_allclose(compiled(fake, target), ssim(fake, target), rtol=1e-6)
    with pytest.raises(InputError, match="at least 176x176"):
        jax.jit(lambda *pair: ms_ssim(*pair))(fake, target)


def test_ssim_is_that_of_8_bit_files():
    metrics = pytest.importorskip("skimage.metrics")
    target = smooth(6, 1)
    files = [((one[0] + 1) * 127.5).round().astype(np.uint8) for one in (spoiled(target), target)]
    expected = metrics.structural_similarity(
        *files, gaussian_weights=True, use_sample_covariance=False, channel_axis=-1
    )
    found = ssim(*[(file[None] / 127.5 - 1).astype(np.float32) for file in files])
    np.testing.assert_allclose(found, [expected], atol=1e-5)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(InputError, match="equal shape"):
        inspect.unwrap(ssim)(smooth(0), smooth(0, channels=1))
