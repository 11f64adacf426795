import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pix2pix_jax.core.config import default_config
from pix2pix_jax.data.augment import Augmentation, augment
from pix2pix_jax.images.encoding import PHOTO
from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.discriminators import PatchGAN
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.training.calls import compile_train_step, make_looped_call, make_single_call
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.state import create_train_state
from pix2pix_jax.training.step import make_train_step
from pix2pix_jax.training.step_parts import StepParts

SIZE, PAIRS, STEPS, BATCH = 32, 6, 5, 2
NETWORKS = Networks(
    UNet(base_features=4, levels=3, numbers=2),
    PatchGAN(base_features=4, layers=1, numbers=2),
    *[(SIZE, SIZE, 3)] * 2,
)
SIDES = ("source", "target", "condition")
SGD = optax.sgd(1e-2)


def new_state():
    return create_train_state(NETWORKS, SGD, SGD, seed=1)


@functools.cache
def train_step():
    encode = {"encode_source": PHOTO.to_network, "encode_target": PHOTO.to_network}
    crop = functools.partial(augment, options=Augmentation((SIZE, SIZE)), **encode)
    losses = build_losses(**default_config().loss)
    parts = StepParts(NETWORKS.generator, NETWORKS.discriminator, SGD, SGD, losses, crop)
    return make_train_step(parts)


@functools.cache
def looped_call():
    step = compile_train_step(make_looped_call(train_step()), jax.devices()[:1])
    return step.lower(new_state(), arguments(0, STEPS)).compile()


def arguments(first, count, bad_pair=None):
    rng = np.random.default_rng(0)
    source, target = rng.integers(0, 256, (2, PAIRS, 36, 36, 3), np.uint8)
    indices = rng.integers(0, PAIRS, (STEPS, BATCH), np.int32)
    return {
        "source": jnp.asarray(source),
        "target": jnp.asarray(target),
        "condition": jnp.asarray(rng.normal(size=(PAIRS, 2)), jnp.float32),
        "indices": jnp.asarray(indices),
        "example": jnp.arange(BATCH, dtype=jnp.int32),
        "span": jnp.array([first, count], jnp.int32),
    }


def networks_of(state):
    return jax.tree.map(np.asarray, (state.g_params, state.d_params))


def distance(ours, theirs):
    flat = [np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(t)]) for t in (ours, theirs)]
    return np.linalg.norm(flat[0] - flat[1]) / np.linalg.norm(flat[1])


def test_calls_of_one_step_and_one_call_of_all_are_bit_equal():
    state = new_state()
    losses = []
    for first in range(STEPS):
        state, metrics = looped_call()(state, arguments(first, 1))
        losses.append(metrics.fetch()[0])
    together, metrics = looped_call()(new_state(), arguments(0, STEPS))
    for ours, theirs in zip(
        jax.tree.leaves(networks_of(together)), jax.tree.leaves(networks_of(state)), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert int(together.step) == int(state.step) == STEPS
    for name, mean in metrics.fetch()[0].items():
        np.testing.assert_allclose(mean, np.mean([each[name] for each in losses]), rtol=1e-6)


def test_a_call_of_many_steps_takes_the_steps_of_the_plain_step():
    single = compile_train_step(make_single_call(train_step()), jax.devices()[:1])
    given, state = arguments(0, STEPS), new_state()
    start = networks_of(state)
    for rows in given["indices"]:
        batch = {name: given[name][rows] for name in SIDES}
        state, metrics = single(state, {**batch, "example": given["example"]})
        assert metrics.fetch()[1] is None
    looped, many = looped_call()(new_state(), given)
    assert metrics.fetch()[0].keys() == many.fetch()[0].keys()
    change = jax.tree.map(np.subtract, networks_of(state), start)
    looped_change = jax.tree.map(np.subtract, networks_of(looped), start)
    assert distance(looped_change, change) < 1e-5


def loops_of_unknown_length(compiled):
    loops = [line for line in compiled.as_text().splitlines() if " while(" in line]
    return sum("known_trip_count" not in line for line in loops)


@pytest.mark.parametrize("flat", [False, True])
def test_a_loop_of_fixed_length_takes_the_steps_of_one_of_any_length(flat):
    shapes = dict(zip(SIDES, (*[(36, 36, 3)] * 2, (2,)), strict=True)) if flat else None
    call = make_looped_call(train_step(), steps=STEPS, shapes=shapes)
    fixed = compile_train_step(call, jax.devices()[:1])
    given, start = arguments(0, STEPS), networks_of(new_state())
    whole, many = looped_call()(new_state(), given)
    if flat:
        given |= {name: given[name].reshape(PAIRS, -1) for name in ("source", "target")}
    compiled = fixed.lower(new_state(), given).compile()
    state, metrics = compiled(new_state(), given)
    changes = [jax.tree.map(np.subtract, networks_of(each), start) for each in (state, whole)]
    assert distance(*changes) < 1e-5
    assert metrics.fetch()[0] == pytest.approx(many.fetch()[0], rel=1e-5)
    # The host need not ask the device whether there is another step.
    assert loops_of_unknown_length(compiled) == 0
    assert loops_of_unknown_length(looped_call()) == 1


def test_the_first_loss_that_is_not_finite_is_placed_in_its_call():
    state = new_state()
    kernel = state.d_params["conv_0"]["conv"]["kernel"]
    assert looped_call()(state, arguments(0, 3))[1].fetch()[1] is None
    broken = new_state()
    broken.d_params["conv_0"]["conv"]["kernel"] = jnp.full_like(kernel, jnp.nan)
    losses, first_bad = looped_call()(broken, arguments(1, 3))[1].fetch()
    assert first_bad == 0
    assert not np.isfinite(losses["d_loss"])


@pytest.mark.parametrize("bad", [0, 2, 3])
def test_the_place_of_the_first_bad_step_is_counted_in_the_loop(bad):
    def step(state, batch):
        loss = jnp.where(state.step >= bad, jnp.nan, state.step.astype(jnp.float32))
        return state.replace(step=state.step + 1), {"loss": loss}

    given = {
        **{name: jnp.zeros((PAIRS, 2, 2, 3), jnp.uint8) for name in ("source", "target")},
        "indices": jnp.zeros((4, 1), jnp.int32),
        "example": jnp.zeros(1, jnp.int32),
        "span": jnp.array([0, 4], jnp.int32),
    }
    state, metrics = jax.jit(make_looped_call(step))(new_state(), given)
    assert state.step == 4
    assert metrics.fetch()[1] == bad
