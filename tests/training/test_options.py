"""The steps beyond the paper's: other objectives, accumulation, moving average, initialisers."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.networks import variables_of

from pix2pix_jax import InputError, load_generator, train_and_evaluate
from pix2pix_jax.data.augment import Examples
from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.discriminators import MultiscaleGAN, PatchGAN
from pix2pix_jax.models.initial import INITIALIZERS, KERNEL
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.training.accumulation import make_accumulating_step
from pix2pix_jax.training.judging import discriminator_loss
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.run import prepare_run
from pix2pix_jax.training.state import create_train_state
from pix2pix_jax.training.step import make_regression_step, make_train_step
from pix2pix_jax.training.step_parts import StepParts

SGD = optax.sgd(1e-3, momentum=0.0)
SHAPE = (32, 32, 3)
# As small as they can be, since compiling is what costs; the inner level drops out.
GENERATOR = UNet(base_features=4, levels=2, dropout_placement="paper")
PATCH = PatchGAN(base_features=4, layers=1)


def losses_of(gan="vanilla", **weights):
    return build_losses(gan, "l1", 0.0, **weights)


def to_float(keys, source, target):
    return Examples(source / 127.5 - 1, target / 127.5 - 1)


def new_state(discriminator=PATCH, **options):
    networks = Networks(GENERATOR, discriminator, SHAPE, SHAPE)
    return create_train_state(networks, SGD, SGD, seed=3, **options)


def parts_of(losses, discriminator=PATCH, generator=GENERATOR, **options):
    return StepParts(generator, discriminator, SGD, SGD, losses, to_float, **options)


def make_batch(count=4):
    rng = np.random.default_rng(0)
    source, target = rng.integers(0, 256, (2, count, *SHAPE)).astype(np.float32)
    return {
        "source": jnp.asarray(source),
        "target": jnp.asarray(target),
        "example": jnp.arange(count),
    }


def distance(ours, theirs):
    """Return the norm of the whole difference over the norm; by NumPy, which compiles nothing."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    one, other = (
        np.concatenate([np.ravel(leaf).astype(float) for leaf in jax.tree.leaves(tree)])
        for tree in (ours, theirs)
    )
    return np.linalg.norm(one - other) / np.linalg.norm(other)


@pytest.fixture(scope="module")
def whole_step():
    return jax.jit(make_train_step(parts_of(losses_of("lsgan"))))(new_state(), make_batch())


@pytest.mark.parametrize("count", [2, 4])
def test_accumulation_takes_the_step_of_the_whole_batch(whole_step, count):
    whole, metrics = whole_step
    step = jax.jit(make_accumulating_step(parts_of(losses_of("lsgan")), count))
    split, split_metrics = step(new_state(), make_batch())
    for name in ("g_opt_state", "d_opt_state"):
        ours, theirs = (getattr(after, name)[0].trace for after in (split, whole))
        assert distance(ours, theirs) < 1e-5
    assert distance(split_metrics, metrics) < 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.norm": "batch"}, "train.accumulate=2 with batch norm"),
        ({"loss.gan": "none"}, "train.accumulate=2 with loss.gan='none'"),
        ({"train.batch_size": 3}, "train.accumulate=2: does not divide the 3 pairs"),
    ],
)
@pytest.mark.usefixtures("one_device")
def test_accumulation_refuses_what_it_cannot_do(tiny_config, tmp_path, changes, message):
    tiny_config.train.accumulate = 2
    tiny_config.train.batch_size = 2
    for key, value in changes.items():
        section, name = key.split(".")
        tiny_config[section][name] = value
    with pytest.raises(InputError, match=message):
        prepare_run(tiny_config, tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("r1_weight", 0.1, r"loss\.r1_weight=0\.1 .*no discriminator; set loss\.r1_weight=0"),
        ("feature_matching_weight", 10.0, r"loss\.feature_matching_weight=10\.0 with loss\.gan"),
        ("diffaugment", ("color",), r"loss\.diffaugment=\('color',\) with .*diffaugment=\(\)"),
    ],
)
def test_what_only_a_discriminator_can_use_is_refused_without_one(
    tiny_config, tmp_path, key, value, message
):
    tiny_config.loss.gan = "none"
    tiny_config.loss[key] = value
    with pytest.raises(InputError, match=message):
        prepare_run(tiny_config, tmp_path)


def test_an_adaptive_share_of_changes_needs_a_discriminator_that_decides(tiny_config, tmp_path):
    tiny_config.loss.gan = "wgangp"
    tiny_config.loss.diffaugment, tiny_config.loss.diffaugment_target = ("color",), 0.6
    with pytest.raises(InputError, match=r"loss\.diffaugment_target=0\.6 with loss\.gan='wgangp'"):
        prepare_run(tiny_config, tmp_path)


def test_the_gradient_penalty_is_on_what_the_critic_sees():
    """The gradient of half a square is the image: its norm is less where pixels are cut out."""

    class Critic(nn.Module):
        @nn.compact
        def __call__(self, source, image, *, train):
            return (((image**2).sum((1, 2, 3), keepdims=True) / 2, ()),)

    rng = np.random.default_rng(0)
    source, target = (jnp.asarray(rng.uniform(-1, 1, (3, 8, 8, 1))) for _ in range(2))
    keys = jax.random.split(jax.random.key(1), 3)
    found = []
    for kinds in ((), ("cutout",)):
        losses = losses_of("wgangp", gradient_penalty_weight=1.0, diffaugment=kinds)
        # Fakes are the targets, so that all mixtures of both are the same.
        _, (_, metrics) = discriminator_loss(
            Critic(), losses, {}, {}, Examples(source, target), target, keys
        )
        found.append(float(metrics["d_loss_penalty"]))
    norms = np.sqrt(np.square(target).sum((1, 2, 3)))
    assert found[0] == pytest.approx(np.mean((norms - 1) ** 2), rel=1e-5)
    assert found[1] < found[0]


@pytest.mark.parametrize("gan", ["hinge", "wgangp"])
def test_other_objectives_move_both_networks(gan):
    step = jax.jit(make_train_step(parts_of(losses_of(gan))))
    state = new_state()
    after, metrics = step(state, make_batch(2))
    assert all(np.isfinite(value) for value in metrics.values())
    assert ("d_loss_penalty" in metrics) == (gan == "wgangp")
    for name in ("g_params", "d_params"):
        assert distance(getattr(after, name), getattr(state, name)) > 0


@pytest.mark.parametrize("norm", ["none", "instance"])
def test_the_gradient_penalty_reaches_the_discriminators_gradient(norm):
    """Compare with finite differences of the whole loss along a random direction, in float64."""
    with jax.enable_x64(True):
        discriminator = PatchGAN(base_features=2, layers=1, norm=norm, dtype=jnp.float64)
        rng = np.random.default_rng(1)
        images = [jnp.asarray(rng.uniform(-1, 1, (2, 16, 16, 1))) for _ in range(3)]
        params = variables_of(discriminator, *images[:2])["params"]
        params = jax.tree.map(lambda p: 5 * np.asarray(p, float), params)
        keys = jax.random.split(jax.random.key(1), 2)
        losses = losses_of("wgangp", discriminator_weight=0.0, gradient_penalty_weight=1.0)

        @jax.jit
        @jax.value_and_grad
        def loss_and_gradient(params):
            return discriminator_loss(
                discriminator, losses, params, {}, Examples(*images[:2]), images[2], keys
            )[0]

        direction = jax.tree.map(lambda p: rng.standard_normal(p.shape), params)
        gradient = loss_and_gradient(params)[1]
        slope = sum(jax.tree.leaves(jax.tree.map(np.vdot, gradient, direction)))
        step = 1e-5
        ahead, back = (
            loss_and_gradient(jax.tree.map(lambda p, d: p + move * d, params, direction))[0]  # noqa: B023
            for move in (step, -step)
        )
        assert abs(float(slope)) > 1e-3
        # The logits are float32 by contract: finite differences see their rounding.
        assert float(slope) == pytest.approx(float((ahead - back) / (2 * step)), rel=2e-2)


def test_feature_matching_is_part_of_the_generators_loss():
    small = MultiscaleGAN(2, partial(PatchGAN, base_features=4, layers=1))
    losses = losses_of(feature_matching_weight=10.0)
    step = jax.jit(make_train_step(parts_of(losses, small)))
    _, metrics = step(new_state(small), make_batch(2))
    total = metrics["g_loss_gan"] + 100 * metrics["g_loss_l1"] + 10 * metrics["g_loss_features"]
    assert float(metrics["g_loss"]) == pytest.approx(float(total), rel=1e-5)
    assert float(metrics["g_loss_features"]) > 0


@pytest.fixture(scope="module")
def regression_step():
    """The state before and after a step without a discriminator, and its metrics."""
    generator, state = GENERATOR.clone(dropout=0.0), new_state(None, with_ema=True)
    losses = losses_of("none")
    step = jax.jit(make_regression_step(parts_of(losses, None, generator, ema_decay=0.75)))
    return state, *step(state, make_batch(2))


def test_regression_alone_is_the_gradient_of_the_reconstruction_loss(regression_step):
    (state, after, metrics), batch = regression_step, make_batch(2)
    source, target, *_ = to_float(None, batch["source"], batch["target"])

    def loss(params):
        fake = GENERATOR.apply({"params": params}, source, train=True)
        return 100 * jnp.mean(jnp.abs(fake - target))

    value, gradient = jax.jit(jax.value_and_grad(loss))(state.g_params)
    assert distance(after.g_opt_state[0].trace, gradient) < 1e-5
    assert float(metrics["g_loss"]) == pytest.approx(float(value), rel=1e-5)
    assert metrics.keys() == {"g_loss", "g_loss_l1"}
    assert after.d_params == {}


@pytest.fixture
def shallow_config(tiny_config):
    tiny_config.model.update(levels=2, discriminator_layers=1)
    tiny_config.lr.schedule = "constant"  # one step for any number of epochs: compiled once
    return tiny_config


@pytest.mark.usefixtures("one_device")
def test_a_run_without_a_discriminator_trains_and_resumes(shallow_config, tmp_path):
    shallow_config.loss.gan = "none"
    shallow_config.train.epochs = 1
    train_and_evaluate(shallow_config, tmp_path)
    shallow_config.train.epochs = 2
    assert train_and_evaluate(shallow_config, tmp_path).step == 6
    shallow_config.loss.gan = "vanilla"
    with pytest.raises(InputError, match=r"another network: loss.gan: 'none' -> 'vanilla'"):
        train_and_evaluate(shallow_config, tmp_path)


@pytest.mark.usefixtures("one_device")
def test_sampling_uses_the_moving_average_where_there_is_one(shallow_config, tmp_path):
    shallow_config.train.ema_decay = 0.5
    train_and_evaluate(shallow_config, tmp_path)
    run = prepare_run(shallow_config, tmp_path)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        items = checkpoints.restore(6, jax.eval_shape(run.create_state).items())
    loaded = load_generator(tmp_path, "latest").variables["params"]
    assert distance(loaded, items["generator"]["g_ema"]) == 0
    assert distance(loaded, items["generator"]["g_params"]) > 0


def test_a_step_moves_the_average(regression_step):
    state, after, _ = regression_step
    expected = jax.tree.map(lambda old, new: 0.1 * old + 0.9 * new, state.g_params, after.g_params)
    assert distance(after.g_ema, expected) < 1e-6


@pytest.mark.parametrize("kind", INITIALIZERS)
def test_initialisers_have_the_spread_they_promise(kind):
    kernel = KERNEL.draw(np.random.default_rng(0), (4, 4, 32, 64), kind)
    matrix = kernel.reshape(-1, 64)
    if kind == "orthogonal":
        np.testing.assert_allclose(matrix.T @ matrix, np.eye(64), atol=1e-5)
        return
    spread = {"normal": 0.02, "xavier": (2 / (16 * 96)) ** 0.5, "kaiming": (2 / (16 * 32)) ** 0.5}
    assert kernel.std() == pytest.approx(spread[kind], rel=0.02)
    assert abs(kernel.mean()) < 0.1 * spread[kind]


@pytest.mark.usefixtures("one_device")
def test_wgangp_with_batch_norm_in_the_discriminator_warns(tiny_config, tmp_path, caplog):
    tiny_config.loss.gan = "wgangp"
    tiny_config.model.norm = "batch"
    prepare_run(tiny_config, tmp_path)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "loss.gan='wgangp' with batch norm in the discriminator" in caplog.text
    caplog.clear()
    tiny_config.model.discriminator_norm = "instance"
    prepare_run(tiny_config, tmp_path)
    assert not caplog.records
