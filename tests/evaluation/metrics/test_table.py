import inspect

import jax.numpy as jnp
import numpy as np
import pytest
from support.pictures import smooth, spoiled

from pix2pix_jax.core import errors
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics.palettes import load_palette
from pix2pix_jax.evaluation.metrics.table import METRICS, best_of, choose_metrics, names_per

NOISE = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5, 3)).astype(np.float32)
NEED_OPENCV = ("keypoint_ratio", "lab_l", "lab_a", "lab_b")
OF_IMAGES = sorted(names_per("image"))


def choose(name):
    if name in NEED_OPENCV:
        pytest.importorskip("cv2")
    return choose_metrics([name], load_palette("cityscapes"))[name]


@pytest.mark.parametrize("name", OF_IMAGES)
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


@pytest.mark.parametrize("name", OF_IMAGES)
def test_nothing_is_better_than_identical_images(name):
    target = smooth(0, 2, 176, 176, detail=40)
    metric = choose(name)
    best = np.asarray(metric.function(target, target))
    others = np.asarray(metric.function(spoiled(target), target))
    assert (best > others).all() if metric.best == "high" else (best < others).all()


@pytest.mark.parametrize("name", OF_IMAGES)
def test_images_on_the_device_have_the_same_value(name):
    target = smooth(0, 1, 176, 176, detail=30)
    fake = spoiled(target)
    metric = choose(name)
    on_device = metric.function(jnp.asarray(fake), jnp.asarray(target))
    np.testing.assert_allclose(on_device, metric.function(fake, target), rtol=1e-6)


@pytest.mark.parametrize("name", OF_IMAGES)
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


@pytest.mark.parametrize("name", OF_IMAGES)
def test_shapes_that_would_broadcast_are_refused(name):
    metric = METRICS[name]
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


@pytest.mark.parametrize("name", sorted(names_per("set")))
def test_metrics_of_sets_are_not_chosen_for_images(name):
    with pytest.raises(InputError, match=f"metric '{name}': choose from class_accuracy"):
        choose_metrics([name])


def test_metrics_of_labels_want_a_palette():
    with pytest.raises(InputError, match=r"'class_iou' needs a palette: .*cityscapes.*JSON"):
        choose_metrics(["l1", "class_iou"])


def test_metrics_are_chosen_in_the_order_of_their_names():
    names = ["ssim", "class_iou", "l1"]
    chosen = choose_metrics(names, load_palette("cityscapes"))
    assert list(chosen) == names == [metric.name for metric in chosen.values()]


def test_each_metric_says_what_it_is():
    kinds = {"pixel", "structural", "matching", "labels", "color", "distribution"}
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.kind in kinds
        assert metric.best == ("low" if name in ("l1", "l2", "fid", "kid") else "high")
        assert (metric.per == "set") == (metric.kind == "distribution")
    assert set(names_per("set")) == {"fid", "kid", "inception_score"}


def test_the_best_side_of_an_unknown_metric_is_unknown():
    assert [best_of(name) for name in ("fid", "ssim", "lpips")] == ["low", "high", None]


@pytest.mark.parametrize("name", NEED_OPENCV)
def test_a_missing_opencv_is_named_with_the_extra_that_brings_it(monkeypatch, name):
    def import_module(module):
        raise ModuleNotFoundError(name=module)

    metric = choose(name)
    monkeypatch.setattr(errors.importlib, "import_module", import_module)
    with pytest.raises(InputError, match=r"cv2 is missing.*\[opencv\]"):
        metric.function(NOISE, NOISE)
