import inspect

import jax.numpy as jnp
import numpy as np
import pytest
from support.pictures import smooth, spoiled

from pix2pix_jax.core import errors
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.palettes import load_palette
from pix2pix_jax.evaluation.metrics.pixel import check_finite, check_pair, l1, l2, psnr
from pix2pix_jax.evaluation.scoring import Tally
from pix2pix_jax.evaluation.metrics.table import METRICS, choose_metrics

NOISE = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5, 3)).astype(np.float32)
NEED_OPENCV = ("keypoint_ratio", "lab_l", "lab_a", "lab_b")


def choose(name):
    if name in NEED_OPENCV:
        pytest.importorskip("cv2")
    return choose_metrics([name], load_palette("cityscapes"))[name]


@pytest.mark.parametrize(
    ("difference", "mean_absolute", "mean_squared", "decibels"),
    [
        (2.0, 2.0, 4.0, 0.0),
        (0.2, 0.2, 0.04, 20.0),  # ten times the error below the peak of 2: 20 dB
        (0.02, 0.02, 0.0004, 40.0),
        (0.0, 0.0, 0.0, 106.0206),
    ],
)
def test_constant_difference_by_hand(difference, mean_absolute, mean_squared, decibels):
    target = np.full((2, 4, 4, 3), -1, np.float32)
    fake = target + np.float32(difference)
    np.testing.assert_allclose(l1(fake, target), [mean_absolute] * 2, rtol=1e-5)
    np.testing.assert_allclose(l2(fake, target), [mean_squared] * 2, rtol=1e-5)
    np.testing.assert_allclose(psnr(fake, target), [decibels] * 2, atol=1e-3)


def test_errors_are_averaged_over_pixels_and_channels_by_hand():
    target = np.zeros((1, 1, 2, 2), np.float32)
    fake = np.array([[[[1.0, 0.0], [-0.5, 0.0]]]], np.float32)
    np.testing.assert_allclose(l1(fake, target), [1.5 / 4], rtol=1e-6)
    np.testing.assert_allclose(l2(fake, target), [1.25 / 4], rtol=1e-6)
    np.testing.assert_allclose(psnr(fake, target), [10 * np.log10(4 / (1.25 / 4))], rtol=1e-6)


def test_psnr_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    target = smooth(0)
    fake = spoiled(target)
    expected = [
        metrics.peak_signal_noise_ratio(*pair, data_range=2)
        for pair in zip(target, fake, strict=True)
    ]
    np.testing.assert_allclose(psnr(fake, target), expected, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_each_image_has_its_own_value_whatever_its_batch(name):
    target = smooth(0, 3, 176, 180, detail=30)
    share = np.float32([0.1, 0.4, 0.8])[:, None, None, None]
    fake = (1 - share) * target + share * smooth(1, *target.shape, detail=30)
    metric = choose(name)
    together = np.asarray(metric.function(fake, target))
    assert together.shape == (3,)
    alone = [metric.function(fake[i : i + 1], target[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(together, alone, rtol=1e-6)
    assert len(set(together.tolist())) == 3


@pytest.mark.parametrize("name", sorted(METRICS))
def test_nothing_is_better_than_equal_images(name):
    target = smooth(0, 2, 176, 176, detail=40)
    metric = choose(name)
    best = np.asarray(metric.function(target, target))
    others = np.asarray(metric.function(spoiled(target), target))
    assert (best > others).all() if metric.best == "high" else (best < others).all()


@pytest.mark.parametrize("name", sorted(METRICS))
def test_images_on_the_device_have_the_same_value(name):
    target = smooth(0, 1, 176, 176, detail=30)
    fake = spoiled(target)
    metric = choose(name)
    on_device = metric.function(jnp.asarray(fake), jnp.asarray(target))
    np.testing.assert_allclose(on_device, metric.function(fake, target), rtol=1e-6)


@pytest.mark.parametrize("name", ["l1", "psnr"])
def test_metric_is_symmetric(name):
    metric = METRICS[name].function
    np.testing.assert_array_equal(metric(NOISE, NOISE[::-1]), metric(NOISE[::-1], NOISE))


@pytest.mark.parametrize("name", sorted(METRICS))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_have_no_score(name, value):
    target = smooth(0, 2, 176, 176)
    fake = target.copy()
    fake[1, 100, 90, 1] = value
    metric = choose(name)
    if metric.kind in ("pixel", "structural"):  # these run on the device, where nothing can raise
        values = np.asarray(metric.function(fake, target))
        assert np.isfinite(values[0])
        assert not (np.isfinite(values[1]) and values[1] > 0)
    else:
        with pytest.raises(InputError, match="image 1 of the batch: 1 of 92928 values are nan or"):
            metric.function(fake, target)


def test_check_finite_names_the_image():
    images = NOISE.copy()
    check_finite(images, ["a", "b", "c"])
    images[1:, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"^b: 3 of 90 values are nan or infinite"):
        check_finite(images, ["a", "b", "c"])


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(InputError, match=r"\(3, 6, 5, 3\) and targets of shape \(3, 6, 5, 1\)"):
        check_pair(NOISE, NOISE[..., :1])
    for metric in METRICS.values():
        measure = inspect.unwrap(metric.measure)  # the annotations would refuse them first
        palette = (load_palette("cityscapes"),) if metric.kind == "labels" else ()
        with pytest.raises(InputError, match="equal shape"):
            measure(NOISE, NOISE[..., :1], *palette)


@pytest.mark.parametrize("names", [["l3"], ["l1", "FID"], [""]])
def test_an_unknown_name_is_refused_with_the_choices(names):
    with pytest.raises(
        InputError, match=f"metric {names[-1]!r}: choose from class_acc.*, template"
    ):
        choose_metrics(names)


def test_metrics_of_labels_want_a_palette():
    with pytest.raises(InputError, match=r"'class_iou' needs a palette: .*cityscapes.*JSON"):
        choose_metrics(["l1", "class_iou"])


def test_metrics_are_chosen_in_the_order_of_their_names():
    names = ["ssim", "class_iou", "l1"]
    chosen = choose_metrics(names, load_palette("cityscapes"))
    assert list(chosen) == names == [metric.name for metric in chosen.values()]


def test_each_metric_says_what_it_is():
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.kind in ("pixel", "structural", "matching", "labels", "color")
        assert metric.best == ("low" if name in ("l1", "l2") else "high")


@pytest.mark.parametrize("name", NEED_OPENCV)
def test_a_missing_opencv_is_named_with_the_extra_that_brings_it(monkeypatch, name):
    def import_module(module):
        raise ModuleNotFoundError(name=module)

    metric = choose(name)
    monkeypatch.setattr(errors.importlib, "import_module", import_module)
    with pytest.raises(InputError, match=r"cv2 is missing.*\[opencv\]"):
        metric.function(NOISE, NOISE)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_scores_of_a_set_do_not_depend_on_its_batches(batch_size):
    pytest.importorskip("cv2")
    names = [name for name in METRICS if name != "ms_ssim"]
    target = smooth(0, 3, 40, 40)
    fake = spoiled(target)
    tallies = [Tally(choose_metrics(names, load_palette("cityscapes"))) for _ in range(2)]
    values = tallies[0].add(fake, target)
    parts = []
    for start in range(0, 3, batch_size):
        chunk = slice(start, start + batch_size)
        parts.append(tallies[1].add(fake[chunk], target[chunk]))
    whole, pieces = (tally.scores() for tally in tallies)
    assert list(whole) == names
    for name in names:
        assert pieces[name] == pytest.approx(whole[name], rel=1e-6)
        together = np.concatenate([part[name] for part in parts])
        np.testing.assert_allclose(together, values[name], rtol=1e-6)
    assert whole["l1"] == pytest.approx(values["l1"].mean())
    assert whole["ssim"] == pytest.approx(values["ssim"].mean())


def test_what_several_metrics_measure_alike_is_measured_once(monkeypatch):
    calls = []

    def measure(fake, target):
        calls.append(len(fake))
        return np.ones((len(fake), 2, 3), np.int64)

    metrics = choose_metrics(["class_iou", "pixel_accuracy"], load_palette("cityscapes"))
    assert metrics["class_iou"].measure is metrics["pixel_accuracy"].measure
    for metric in metrics.values():
        object.__setattr__(metric, "measure", measure)
    Tally(metrics).add(NOISE, NOISE)
    assert calls == [3]


def test_a_set_without_images_has_no_score():
    with pytest.raises(InputError, match="no images"):
        Tally(choose_metrics(["l1"])).scores()
