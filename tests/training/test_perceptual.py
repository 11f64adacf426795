"""The perceptual loss in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import small_alexnet
from support.runs import assert_bit_equal, final_state

from pix2pix_jax import InputError, train_and_evaluate
from pix2pix_jax.core.config import default_config
from pix2pix_jax.data.augment import Examples
from pix2pix_jax.models.perceptual import DISTANCES
from pix2pix_jax.models.perceptual_weights import load_perceptual
from pix2pix_jax.training.judging import regression_loss
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.run import prepare_run


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """Weights of an AlexNet of four features, in a file."""
    return small_alexnet(monkeypatch, tmp_path / "weights.npz")


@pytest.fixture
def config(tiny_config, weights):
    tiny_config.loss.perceptual_weight = 10.0
    tiny_config.loss.perceptual_file = tiny_config.eval.lpips_file = str(weights)
    tiny_config.lr.schedule = "constant"
    return tiny_config


@pytest.mark.usefixtures("one_device")
def test_a_run_goes_on_to_the_same_bits_and_keeps_the_weights_out_of_checkpoints(config, tmp_path):
    config.eval.metrics = ("lpips_alex",)
    for name, lengths in (("parts", (1, 2)), ("whole", (2,))):
        for steps in lengths:
            config.train.steps = steps
            train_and_evaluate(config, tmp_path / name)
    assert_bit_equal(final_state(tmp_path / "parts"), final_state(tmp_path / "whole"))
    saved = list((tmp_path / "whole" / "checkpoints").rglob("*"))
    assert saved
    assert not [path for path in saved if "perceptual" in path.name]
    assert "g_loss_perceptual" in (tmp_path / "whole" / "metrics.csv").read_text().splitlines()[0]
    with np.load(config.loss.perceptual_file) as arrays:
        other = {name: 2 * array for name, array in arrays.items()}
    np.savez(config.loss.perceptual_file, **other)
    config.train.steps = 3
    with pytest.raises(InputError, match=r"metric lpips_alex: .*weights of loss\.perceptual: "):
        prepare_run(config, tmp_path / "whole")


def test_the_loss_is_the_weighted_distance_and_its_gradient_is_finite(weights):
    loaded = load_perceptual("lpips_alex", weights).variables
    losses = build_losses(**{**default_config().loss, "gan": "none", "perceptual_weight": 10.0})
    rng = np.random.default_rng(1)
    target, fake = jnp.asarray(rng.uniform(-1, 1, (2, 2, 32, 32, 3)), jnp.float32)
    pair = Examples(target, target)

    @jax.jit
    def measure(fake):
        return regression_loss(losses, pair, fake, loaded)

    loss, metrics = measure(fake)
    expected = jnp.mean(jax.jit(DISTANCES["lpips_alex"])(loaded, fake, target))
    np.testing.assert_allclose(metrics["g_loss_perceptual"], expected, rtol=1e-6)
    np.testing.assert_allclose(loss, 100 * metrics["g_loss_l1"] + 10 * expected, rtol=1e-5)
    gradient = jax.jit(jax.grad(lambda fake: measure(fake)[0]))(target)
    assert np.isfinite(gradient).all()


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.image_size": 16}, "loss.perceptual_weight=10: images of 16x16 pixels"),
        ({"data.target_channels": 2, "data.source_channels": 2}, "loss.perceptual_weight=10: im"),
        ({"loss.perceptual_file": "nothing.npz"}, "nothing.npz"),
        ({"loss.perceptual": "vgg"}, "weights.npz"),
    ],
)
def test_what_does_not_suit_the_network_is_one_line_before_training(
    config, tmp_path, changes, message
):
    config.update_from_flattened_dict(changes)
    with pytest.raises(InputError, match=message) as error:
        prepare_run(config, tmp_path / "run")
    assert str(error.value).isprintable()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data.target_channels": 5}, r"metric lpips_alex: images of 5 channels"),
        (
            {"data.target_classes": 4, "loss.reconstruction": "cross_entropy"},
            r"metric lpips_alex: the targets are indices of 4 classes",
        ),
    ],
)
def test_a_metric_that_cannot_compare_the_targets_is_refused_before_training(
    config, tmp_path, changes, message
):
    config.loss.perceptual_weight = 0.0
    config.eval.metrics = ("lpips_alex",)
    config.data.source, config.data.root = "folders", str(tmp_path)
    config.update_from_flattened_dict(changes)
    with pytest.raises(InputError, match=message):
        prepare_run(config, tmp_path / "run")
