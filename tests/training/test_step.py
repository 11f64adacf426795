import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from support.networks import SMALL_ALEXNET, initial

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.devices import DEVICES, hold
from pix2pix_jax.data.augment import Augmentation, augment
from pix2pix_jax.images.encoding import PHOTO
from pix2pix_jax.models import perceptual
from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.discriminators import PatchGAN
from pix2pix_jax.models.perceptual import Features
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.training import step as train_step_module
from pix2pix_jax.training.calls import compile_train_step
from pix2pix_jax.training.losses import l1_loss
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.state import create_train_state
from pix2pix_jax.training.step import make_train_step
from pix2pix_jax.training.step_parts import StepParts, example_keys

SIZE = 32  # compiling is what costs: three levels, of which two drop out
LOSSES = build_losses(**default_config().loss)
# What helps with few pairs, or with pairs that are not aligned; and numbers beside the images.
ADDITIONS = build_losses(
    **dict(default_config().loss)
    | {
        "diffaugment": ("color", "translation", "cutout"),
        "diffaugment_target": 0.6,
        "diffaugment_images": 20,
        "r1_weight": 1.0,
        "r1_every": 2,
        "shift_tolerance": 2,
        "perceptual_weight": 10.0,
    }
)
AUGMENT = functools.partial(
    augment,
    options=Augmentation((SIZE, SIZE)),
    encode_source=PHOTO.to_network,
    encode_target=PHOTO.to_network,
)
# Without decay its trace is the gradient itself.
SGD = optax.sgd(1e-3, momentum=0.0)


def networks(norm, axis_name, losses=LOSSES):
    shared = {"norm": norm, "axis_name": axis_name, "numbers": 2 if losses is ADDITIONS else 0}
    generator = UNet(base_features=4, levels=3, dropout_placement="paper", **shared)
    return generator, PatchGAN(base_features=4, layers=1 if losses is ADDITIONS else 2, **shared)


def make_parts(norm="instance", axis_name=None, d_tx=SGD, losses=LOSSES):
    both = networks(norm, axis_name, losses)
    decay = 0.5 if losses is ADDITIONS else 0.0
    return StepParts(*both, SGD, d_tx, losses, AUGMENT, axis_name=axis_name, ema_decay=decay)


def new_state(norm="instance", seed=1, losses=LOSSES):
    shape = (SIZE, SIZE, 3)
    both = Networks(*networks(norm, None, losses), shape, shape)
    if losses is not ADDITIONS:
        return create_train_state(both, SGD, SGD, seed=seed)
    state = create_train_state(both, SGD, SGD, seed=seed, adaptive=True, with_ema=True)
    return state.replace(perceptual=alexnet())


@functools.cache
def alexnet():
    """Draw weights for the perceptual loss."""
    params = initial(Features("alex"), np.zeros((1, SIZE, SIZE, 3), np.float32))["params"]
    heads = [jnp.full(4, 0.1)] * 5
    return jax.tree.map(np.asarray, {"params": params, "heads": heads})  # a step gives up its state


def make_batch(count=8, load=SIZE + 8, seed=0, losses=LOSSES):
    rng = np.random.default_rng(seed)
    source, target = rng.integers(0, 256, (2, count, load, load, 3), np.uint8)
    numbers = rng.normal(size=(count, 2)).astype(np.float32)
    return {
        "source": jnp.asarray(source),
        "target": jnp.asarray(target),
        "example": jnp.arange(count),
        **({"condition": jnp.asarray(numbers)} if losses is ADDITIONS else {}),
    }


def compiled_step(norm, device_count, losses=LOSSES):
    devices = jax.devices()[:device_count]
    axis_name = DEVICES if device_count > 1 else None
    step = make_train_step(make_parts(norm, axis_name, losses=losses))
    return compile_train_step(step, devices)


def take_steps(step, norm, device_count, seed, losses=LOSSES, steps=3):
    state = hold(new_state(norm, seed, losses), jax.devices()[:device_count])
    batch = make_batch(seed=seed, losses=losses)
    if device_count > 1:
        batch = {k: v.reshape(device_count, -1, *v.shape[1:]) for k, v in batch.items()}
    states, metrics = [], []
    for _ in range(steps):
        state, losses = step(state, batch)
        states.append(jax.device_get(state))
        metrics.append(jax.device_get(losses))
    return states, metrics


def distance(ours, theirs):
    """Return the norm of the whole difference over the norm."""
    difference = optax.tree.norm(jax.tree.map(np.subtract, ours, theirs))
    return float(difference / optax.tree.norm(theirs))


def parts(states, metrics):
    """List what must agree: losses, parameters, statistics, and gradients (as SGD's trace)."""
    for state in states:
        yield state.g_params
        yield state.d_params
        yield state.g_opt_state[0].trace
        yield state.d_opt_state[0].trace
        if state.g_batch_stats:
            yield state.g_batch_stats
            yield state.d_batch_stats
        if not isinstance(state.diffaugment_share, tuple):
            yield state.diffaugment_share
        if state.g_ema:
            yield state.g_ema
    yield metrics


def differences_over_devices(norm, seeds, losses=LOSSES):
    """Compare one device with eight; yield the worst relative difference for each seed."""
    compiled = {count: compiled_step(norm, count, losses) for count in (1, 8)}
    for seed in seeds:
        one, many = (
            list(parts(*take_steps(compiled[count], norm, count, seed, losses))) for count in (1, 8)
        )
        yield max(map(distance, many, one))


@pytest.mark.parametrize(
    ("norm", "losses"), [("instance", LOSSES), ("batch", LOSSES), ("instance", ADDITIONS)]
)
def test_eight_devices_take_the_same_steps_as_one(norm, losses, monkeypatch):
    monkeypatch.setitem(perceptual.BLOCKS, "alex", SMALL_ALEXNET)
    # Rounding can push a single activation over a ReLU's kink, which alone moves such small
    # gradients by 1e-3 or more, in about one seed of ten. Nothing but the same steps agrees so
    # closely in any of three.
    assert any(worst < 1e-5 for worst in differences_over_devices(norm, (0, 1, 2), losses))


def test_the_comparison_of_devices_sees_masks_that_depend_on_the_device(monkeypatch):
    def keys_by_device(rng, step, example):
        local = jnp.arange(example.shape[0]) if example.shape[0] == 1 else example
        return example_keys(rng, step, local)

    monkeypatch.setattr(train_step_module, "example_keys", keys_by_device)
    assert min(differences_over_devices("instance", seeds=(0, 1))) > 1e-3


def test_a_step_follows_the_reference_order():
    """Recompute the step plainly: D on the detached fake, then G against the updated D."""
    generator, discriminator = networks("instance", None)
    state, batch = new_state(), make_batch(2)
    after, metrics = jax.jit(make_train_step(make_parts()))(state, batch)

    @jax.jit  # operation by operation it would take two minutes
    def recompute(state, batch):
        keys = example_keys(state.rng, state.step, batch["example"])
        source, target, *_ = AUGMENT(keys[:, 0], batch["source"], batch["target"])

        def generate(params):
            return generator.apply({"params": params}, source, train=True, dropout_keys=keys[:, 1])

        def judge(params, image):
            return discriminator.apply({"params": params}, source, image, train=True)[0][0]

        def cross_entropy(logits, label):
            return -jnp.mean(
                label * jax.nn.log_sigmoid(logits) + (1 - label) * jax.nn.log_sigmoid(-logits)
            )

        def d_loss(params):
            fake = lax.stop_gradient(generate(state.g_params))
            return 0.5 * (
                cross_entropy(judge(params, fake), 0) + cross_entropy(judge(params, target), 1)
            )

        d_params = jax.tree.map(
            lambda p, g: p - 1e-3 * g, state.d_params, jax.grad(d_loss)(state.d_params)
        )

        def g_loss(params):
            fake = generate(params)
            return cross_entropy(judge(d_params, fake), 1) + 100 * jnp.mean(jnp.abs(target - fake))

        g_params = jax.tree.map(
            lambda p, g: p - 1e-3 * g, state.g_params, jax.grad(g_loss)(state.g_params)
        )
        l1 = l1_loss(generate(state.g_params), target)
        return d_params, g_params, d_loss(state.d_params), g_loss(state.g_params), l1

    d_params, g_params, d_value, g_value, l1 = recompute(state, batch)
    assert distance(after.d_params, d_params) < 1e-6
    assert distance(after.g_params, g_params) < 1e-6
    np.testing.assert_allclose(metrics["d_loss"], d_value, rtol=1e-5)
    np.testing.assert_allclose(metrics["g_loss"], g_value, rtol=1e-5)
    np.testing.assert_allclose(metrics["g_loss_l1"], l1, rtol=1e-5)
    assert after.step == 1


def test_discriminator_statistics_pass_through_all_three_of_its_passes():
    generator, discriminator = networks("batch", None)
    state, batch = new_state("batch"), make_batch(2)
    step = make_train_step(make_parts("batch", d_tx=optax.set_to_zero()))
    after, _ = jax.jit(step)(state.replace(d_opt_state=optax.EmptyState()), batch)

    @jax.jit
    def recompute(state, batch):
        keys = example_keys(state.rng, state.step, batch["example"])
        source, target, *_ = AUGMENT(keys[:, 0], batch["source"], batch["target"])
        fake, _ = generator.apply(
            {"params": state.g_params, "batch_stats": state.g_batch_stats},
            source,
            train=True,
            dropout_keys=keys[:, 1],
            mutable=["batch_stats"],
        )
        stats = state.d_batch_stats
        for image in (fake, target, fake):
            _, updates = discriminator.apply(
                {"params": state.d_params, "batch_stats": stats},
                source,
                image,
                train=True,
                mutable=["batch_stats"],
            )
            stats = updates["batch_stats"]
        return stats

    assert distance(after.d_batch_stats, recompute(state, batch)) < 1e-6


def test_a_step_is_compiled_once_and_gives_up_the_state_that_it_gets():
    devices = jax.devices()
    step, traced = make_train_step(make_parts(axis_name=DEVICES)), []

    def counted(state, batch):
        traced.append(1)
        return step(state, batch)

    compiled = compile_train_step(counted, devices)
    state = hold(new_state(), devices)
    batch = {k: v.reshape(8, 1, *v.shape[1:]) for k, v in make_batch().items()}
    for _ in range(3):
        before = state
        state, _ = compiled(before, batch)
        assert jax.tree.leaves(before.g_params)[0].is_deleted()
    assert len(traced) == 1


def test_initial_values_follow_the_reference():
    def deep_state():
        unet = UNet(base_features=4, levels=6, norm="batch")
        shape = (64, 64, 3)
        networks = Networks(unet, PatchGAN(base_features=4, norm="batch"), shape, shape)
        return create_train_state(networks, SGD, SGD, seed=1)

    state = deep_state()
    params = state.g_params
    kernel = np.asarray(params["down_4"]["conv"]["kernel"])
    assert abs(kernel.std() - 0.02) < 0.001
    assert abs(kernel.mean()) < 0.001
    scale = np.concatenate([leaf["norm"]["scale"] for leaf in params.values() if "norm" in leaf])
    assert abs(scale.mean() - 1) < 0.01
    assert 0.01 < scale.std() < 0.03
    assert not np.any(params["up_0"]["conv"]["bias"])
    assert np.all(state.g_batch_stats["up_1"]["norm"]["var"] == 1)
    other = deep_state().g_params["down_4"]["conv"]["kernel"]
    np.testing.assert_array_equal(kernel, other)
    assert not np.array_equal(kernel, params["down_5"]["conv"]["kernel"])
    assert not np.array_equal(
        params["down_1"]["conv"]["kernel"][:, :, :4], state.d_params["conv_1"]["conv"]["kernel"]
    )


def test_example_keys_depend_on_step_and_place_alone():
    rng = jax.random.key(0)
    whole = example_keys(rng, jnp.int32(3), jnp.arange(8))
    part = example_keys(rng, jnp.int32(3), jnp.arange(4, 8))
    other_step = example_keys(rng, jnp.int32(4), jnp.arange(8))
    data = jax.random.key_data
    np.testing.assert_array_equal(data(whole[4:]), data(part))
    both = np.concatenate([data(whole), data(other_step)]).reshape(-1, 2)
    assert len(np.unique(both, axis=0)) == 2 * 8 * 3
