import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.training.optimizers import (
    SCHEDULES,
    build_optimizer,
    build_schedule,
    move_average,
)


@pytest.mark.parametrize(
    ("epochs", "decay", "epoch", "factor"),
    [
        # Epochs as the reference counts them, from 1.
        (200, 100, 1, 1),
        (200, 100, 100, 1),
        (200, 100, 101, 1 - 1 / 101),
        (200, 100, 150, 1 - 50 / 101),
        (200, 100, 200, 1 / 101),
        # The rate of epochs past the end stays at the last one's.
        (200, 100, 250, 1 / 101),
        # A decay longer than the run is one over the whole run.
        (4, 9, 1, 4 / 5),
        (4, 9, 4, 1 / 5),
        (4, 4, 1, 4 / 5),
        (1, 1, 1, 1 / 2),
        # No decay.
        (200, 0, 1, 1),
        (200, 0, 200, 1),
    ],
)
def test_rate_falls_as_the_references_does(epochs, decay, epoch, factor):
    rate = build_schedule("linear", 2e-4, lambda step: step // 7, epochs, decay)
    first, last = (epoch - 1) * 7, epoch * 7 - 1
    np.testing.assert_allclose([rate(first), rate(last)], 2e-4 * factor, rtol=1e-6)


@pytest.mark.parametrize("timeline", [Timeline(7, 2, 0), Timeline(7, 2, 0, 10, 1)])
def test_rate_follows_a_timeline_under_jit(timeline):
    rate = build_schedule("linear", 1.0, timeline.epoch, epochs=4, decay_epochs=2)
    steps = jnp.arange(timeline.first_step, timeline.end_of(4))
    expected = [[1, 1, 2 / 3, 1 / 3][timeline.epoch(int(step))] for step in steps]
    np.testing.assert_allclose(jax.jit(jax.vmap(rate))(steps), expected, rtol=1e-6)


def test_adam_makes_its_first_two_steps_by_hand():
    b1, b2, rate = 0.5, 0.999, 0.01
    gradients = np.array([[2.0, -1e-3, 0.0], [-1.0, 3e-3, 0.0]])
    tx = build_optimizer(lambda step: rate * (step + 1).astype(jnp.float32), b1, b2)
    params = jnp.array([1.0, 2.0, 3.0])
    state = tx.init(params)
    expected, mean, square = np.asarray(params, np.float64), 0.0, 0.0
    for number, gradient in enumerate(gradients, start=1):
        updates, state = tx.update(jnp.array(gradient), state, params)
        params = optax.apply_updates(params, updates)
        mean = b1 * mean + (1 - b1) * gradient
        square = b2 * square + (1 - b2) * gradient**2
        root = np.sqrt(square / (1 - b2**number))
        expected = expected - rate * number * mean / (1 - b1**number) / (root + 1e-8)
        np.testing.assert_allclose(params, expected, rtol=1e-6)
    assert params[2] == 3  # no gradient, no step


def test_adam_runs_with_a_timelines_schedule_under_jit():
    timeline = Timeline(4, 2, 0)
    tx = build_optimizer(build_schedule("linear", 0.1, timeline.epoch, 2, 1), 0.0, 0.0)

    @jax.jit
    def step(params, state):
        updates, state = tx.update(jnp.ones(()), state, params)
        return optax.apply_updates(params, updates), state

    params, state, moves = jnp.zeros(()), tx.init(jnp.zeros(())), []
    for _ in range(timeline.end_of(2)):
        before = params
        params, state = step(params, state)
        moves.append(before - params)
    # Without momentum each step is the rate itself.
    np.testing.assert_allclose(moves, [0.1, 0.1, 0.05, 0.05], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "epoch", "factor"),
    [
        ("constant", 0, 1.0),
        ("constant", 19, 1.0),
        ("cosine", 0, 1.0),
        ("cosine", 10, 0.5),
        ("cosine", 5, 0.5 + 0.5 * 0.5**0.5),
        ("step", 0, 1.0),
        ("step", 7, 1.0),
        ("step", 8, 0.1),
        ("step", 16, 0.01),
    ],
)
def test_other_schedules_by_hand(name, epoch, factor):
    rate = build_schedule(name, 0.2, lambda step: step // 3, epochs=20, decay_epochs=8)
    for step in (3 * epoch, 3 * epoch + 2):
        assert float(rate(step)) == pytest.approx(0.2 * factor, rel=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_have_the_same_rates_in_a_compiled_step(name):
    rate = build_schedule(name, 0.2, lambda step: step // 3, epochs=20, decay_epochs=8)
    steps = range(0, 60, 3)
    with jax.numpy_dtype_promotion("standard"):  # epochs are whole numbers, rates are not
        compiled = jax.jit(jax.vmap(rate))(jnp.arange(0, 60, 3))
    np.testing.assert_allclose(compiled, [float(rate(step)) for step in steps], atol=1e-7)


def test_a_step_schedule_without_a_period_never_falls():
    rate = build_schedule("step", 0.2, lambda step: step, epochs=20, decay_epochs=0)
    assert float(rate(19)) == pytest.approx(0.2)


def test_a_warm_up_rises_step_by_step_to_the_schedules_rate():
    rate = build_schedule("step", 0.2, lambda step: step // 3, 20, 2, warmup_steps=4)
    expected = [0.05, 0.1, 0.15, 0.2, 0.2, 0.2, 0.02]  # it drops after two epochs of three steps
    np.testing.assert_allclose([rate(step) for step in range(7)], expected, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(rate))(jnp.arange(7)), expected, rtol=1e-6)


def test_an_unknown_schedule_names_the_choices():
    with pytest.raises(InputError, match=r"lr.schedule='linaer': choose from constant, cosine"):
        build_schedule("linaer", 0.2, lambda step: step, 20, 8)


def test_clipping_bounds_the_norm_of_the_whole_gradient():
    clipped = build_optimizer(lambda step: 0.1, 0.0, 0.9, clip_norm=1.0)
    grads = {"a": jnp.array([3.0]), "b": jnp.array([4.0])}
    # The second moment shows which gradient Adam saw: (1 - b2) * g ** 2.
    _, state = clipped.update(grads, clipped.init(grads))
    np.testing.assert_allclose(state[0].nu["a"], [0.1 * 0.36], rtol=1e-5)
    np.testing.assert_allclose(state[0].nu["b"], [0.1 * 0.64], rtol=1e-5)
    free = build_optimizer(lambda step: 0.1, 0.0, 0.9)
    assert jax.tree.structure(free.init(grads)) == jax.tree.structure(state)


def test_adam_takes_the_steps_of_optax_with_its_state():
    ours = build_optimizer(lambda step: 1e-2, 0.5, 0.999)
    theirs = optax.adam(1e-2, b1=0.5, b2=0.999, eps=1e-8)
    params = [{"kernel": jnp.linspace(-1, 1, 12).reshape(3, 4)}] * 2
    states = [optimizer.init(params[0]) for optimizer in (ours, theirs)]
    assert jax.tree.structure(states[0][0]) == jax.tree.structure(states[1][0])
    for step in range(5):
        for n, optimizer in enumerate((ours, theirs)):
            grads = {"kernel": jnp.sin(7 * params[n]["kernel"] + step)}
            with jax.numpy_dtype_promotion("standard"):  # optax raises floats to whole powers
                updates, states[n] = optimizer.update(grads, states[n], params[n])
            params[n] = optax.apply_updates(params[n], updates)
    np.testing.assert_allclose(params[0]["kernel"], params[1]["kernel"], rtol=1e-5)
    for one, other in zip(*(jax.tree.leaves(state[0]) for state in states), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize(("step", "kept"), [(0, 0.1), (5, 0.4), (26, 0.75), (1000, 0.75)])
def test_a_moving_average_keeps_less_in_the_first_steps(step, kept):
    average = move_average({"a": jnp.ones(3)}, {"a": jnp.full(3, 2.0)}, 0.75, jnp.int32(step))
    np.testing.assert_allclose(average["a"], kept + 2 * (1 - kept), rtol=1e-6)


def test_a_moving_average_of_one_value_is_that_value_from_the_first_steps_on():
    average, value = jnp.float32(5), jnp.float32(1)
    for step in range(100):
        average = move_average(average, value, 0.999, jnp.int32(step))
    assert float(average) == pytest.approx(1, abs=1e-6)
