"""Targets that are class indices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import tiny
from support.runs import assert_bit_equal, assert_same_but_for_sums, final_state

from pix2pix_jax import InputError, load_generator, train_and_evaluate, translate
from pix2pix_jax.core.config import default_config
from pix2pix_jax.data.augment import Examples
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.deployment.export import export
from pix2pix_jax.evaluation.metrics.labels import confusion_of_classes, pixel_accuracy
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.models.blocks import ClassShares
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.training.judging import regression_loss
from pix2pix_jax.training.losses import cross_entropy_loss
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.run import prepare_run


def test_shares_add_up_to_one():
    logits = jnp.array([[[[0.0, 0.0, np.log(2)]]]])
    shares = ClassShares().apply({}, logits)
    np.testing.assert_allclose((shares + 1) / 2, [[[[0.25, 0.25, 0.5]]]], rtol=1e-6)


def test_cross_entropy_by_hand():
    fake = 2 * jnp.array([[[[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]]]]) - 1
    target = jnp.array([[[[-1.0, 1.0], [-1.0, -1.0], [-1.0, 1.0]]]])  # the second has no class
    expected = (-np.log(0.75) - np.log(1e-6)) / 3
    np.testing.assert_allclose(cross_entropy_loss(fake, target), expected, rtol=1e-5)
    weight = jnp.array([[[[0.5], [1.0], [0.0]]]])
    np.testing.assert_allclose(
        cross_entropy_loss(fake, target, weight), -np.log(0.75) / 2 / 3, rtol=1e-4
    )


def test_the_gradient_of_the_logits_is_share_minus_label():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(1, 2, 2, 3)), jnp.float32)
    target = 2 * jax.nn.one_hot(jnp.array([[[0, 1], [2, 2]]]), 3) - 1
    gradient = jax.grad(lambda x: cross_entropy_loss(ClassShares().apply({}, x), target))(logits)
    expected = (jax.nn.softmax(logits) - (target + 1) / 2) / 4
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_the_class_with_the_largest_share_is_written():
    shares = jnp.array([[[0.1, 0.7, 0.2], [0.4, 0.3, 0.3]]]) * 2 - 1
    found = Encoding(1, classes=3).from_network(shares)
    np.testing.assert_array_equal(found, [[[1], [0]]])


def test_pixels_without_a_class_are_void():
    target = np.array([[[[-1, 1], [-1, -1]], [[1, -1], [1, -1]]]], np.float32)
    fake = np.array([[[[-0.5, 0.5], [1, -1]], [[0.2, -0.2], [-0.2, 0.2]]]], np.float32)
    matrices = confusion_of_classes(fake, target)
    np.testing.assert_array_equal(matrices[0], [[1, 1, 0], [0, 1, 0]])
    np.testing.assert_allclose(pixel_accuracy(matrices), 2 / 3)


@pytest.fixture
def config(tmp_path):
    """Four blobs of colour, and their classes; 255 is no class."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2)):
        for number in range(count):
            classes = rng.integers(0, 3, (4, 4, 1), np.uint8).repeat(8, 0).repeat(8, 1)
            photo = np.concatenate([classes * 100, 255 - classes * 100, classes * 50], -1)
            classes[: 4 * (number % 3)] = 255  # no class
            for side, pixels in (("A", photo), ("B", classes)):
                folder = tmp_path / "data" / side / split
                folder.mkdir(parents=True, exist_ok=True)
                image_files.write(folder / f"{number}.png", pixels)
    return tiny.tiny_config(
        {
            "data.source": "folders",
            "data.root": str(tmp_path / "data"),
            "data.resize": "resize",
            "data.target_classes": 3,
            "loss.reconstruction": "cross_entropy",
            "eval.metrics": ("class_iou", "pixel_accuracy"),
            "checkpoint.best_metric": "class_iou",
            "lr.schedule": "constant",
        }
    )


@pytest.mark.usefixtures("one_device")
def test_a_run_trains_goes_on_and_answers_with_classes(config, tmp_path):
    for name, lengths in (("parts", (2, 4)), ("whole", (4,))):
        for steps in lengths:
            config.train.steps = steps
            result = train_and_evaluate(config, tmp_path / name)
    iou = result.summary["val"]["class_iou"]
    assert 0 <= iou <= 1
    with Checkpoints(tmp_path / "whole", read_only=True) as kept:
        assert kept.metas[4]["metrics"]["score"] == pytest.approx(-iou)  # the least is the best
    assert_bit_equal(final_state(tmp_path / "parts"), final_state(tmp_path / "whole"))
    generator = load_generator(tmp_path / "whole")
    (found,) = translate(generator, [np.zeros((40, 24, 3), np.uint8)])
    assert found.shape == (40, 24, 1)
    assert found.dtype == np.uint8
    assert set(np.unique(found)) <= {0, 1, 2}
    for format, name in (("onnx", "run.onnx"), ("stablehlo", "run.stablehlo")):
        compared = export(RunFolder(tmp_path / "whole"), generator, tmp_path / name, format)
        assert compared.difference <= 1e-3


def test_one_device_sees_what_eight_see(config, tmp_path, monkeypatch):
    config.loss.reconstruction, config.loss.cross_entropy_weight = "l1", 10.0
    config.train.global_batch_size = 8
    config.train.steps = 2
    train_and_evaluate(config, tmp_path / "eight")
    tiny.see_one_device(monkeypatch)
    train_and_evaluate(config, tmp_path / "one")
    assert_same_but_for_sums(final_state(tmp_path / "one"), final_state(tmp_path / "eight"))


def test_pixels_of_no_class_do_not_count():
    target = np.array([[[0], [2]], [[255], [1]]], np.uint8)
    form = PairFormat(target=Encoding(1, classes=3))
    source = np.zeros((2, 2, 3), np.uint8)
    np.testing.assert_array_equal(form.weight(source, target)[..., 0], [[1, 1], [0, 1]])
    seen = jnp.asarray(form.target.to_network(target))
    np.testing.assert_array_equal(form.class_weight(seen)[..., 0], [[1, 1], [0, 1]])
    void = np.full((1, 2, 2, 1), 255, np.uint8)  # scores of pixels need some
    np.testing.assert_array_equal(form.scored_weight(source[None], void), np.ones((1, 2, 2, 1)))
    assert form.data_weight(source, void[0]) is None  # such a pair is no error
    many = PairFormat(target=Encoding(1, "uint16", classes=300))  # 255 is one of them
    assert many.weight(source, target.astype(np.uint16)) is None


def test_cross_entropy_can_stand_beside_l1():
    settings = {"reconstruction_weight": 3.0, "cross_entropy_weight": 10.0}
    losses = build_losses(**{**default_config().loss, **settings})
    fake = 2 * jnp.array([[[[0.25, 0.75], [0.5, 0.5]]]]) - 1
    target = jnp.array([[[[-1.0, 1.0], [-1.0, -1.0]]]])
    weight = jnp.array([[[[1.0], [0.0]]]])
    loss, metrics = regression_loss(losses, Examples(fake, target, weight), fake)
    l1, entropy = 0.5 / 2, -np.log(0.75) / 2
    np.testing.assert_allclose(metrics["g_loss_l1"], l1, rtol=1e-5)
    np.testing.assert_allclose(metrics["g_loss_cross_entropy"], entropy, rtol=1e-5)
    np.testing.assert_allclose(loss, 3 * l1 + 10 * entropy, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.target_classes": 0}, "loss.reconstruction='cross_entropy' with data.target_cl"),
        (
            {"data.target_classes": 0, "loss.reconstruction": "l1", "loss.cross_entropy_weight": 1},
            "loss.cross_entropy_weight=1 with data.target_classes=0: it compares classes",
        ),
        ({"loss.cross_entropy_weight": 2}, "cross_entropy_weight=2 with .* the same loss twice"),
        (
            {
                "loss.reconstruction": "l1",
                "loss.cross_entropy_weight": 2,
                "loss.shift_tolerance": 1,
            },
            "cross_entropy_weight=2 with loss.shift_tolerance=1: each loss would choose another",
        ),
        ({"data.target_classes": 2}, r"holds class 2; data.target_classes=2 has 0 to 1"),
    ],
)
@pytest.mark.usefixtures("one_device")
def test_what_does_not_fit_is_one_line(config, tmp_path, changes, message):
    config.update_from_flattened_dict(changes)
    with pytest.raises(InputError, match=message):
        prepare_run(config, tmp_path / "run")


def test_pixels_of_no_class_are_hatched():
    form = PairFormat(target=Encoding(1, "uint8", classes=3))
    source = np.zeros((8, 8, 3), np.uint8)
    target = np.zeros((8, 8, 1), np.uint8)
    plain = form.show(source, target)[1]
    target[:, 4:] = 255
    shown = form.show(source, target)[1]
    np.testing.assert_array_equal(shown[:, :4], plain[:, :4])
    assert {64, 192} == set(np.unique(shown[:, 4:]))
