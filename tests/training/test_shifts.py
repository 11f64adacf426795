"""The reconstruction loss that takes the best shift of a target."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.training.losses import l1_loss, l2_loss
from pix2pix_jax.training.run import prepare_run
from pix2pix_jax.training.shifts import tolerate_shifts


def images(count=2, size=(9, 8), channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.uniform(-1, 1, (count, *size, channels)), jnp.float32)


def by_loops(fake, target, weight, tolerance):
    """The smallest mean absolute difference where fake and shifted target overlap."""
    height, width = fake.shape[:2]
    found = []
    for down in range(-tolerance, tolerance + 1):
        for right in range(-tolerance, tolerance + 1):
            differences, weights = [], []
            for row in range(max(down, 0), min(height + down, height)):
                for column in range(max(right, 0), min(width + right, width)):
                    there = row - down, column - right
                    differences.append(np.abs(fake[row, column] - target[there]).mean())
                    weights.append(weight[there][0] * weight[row, column][0])
            found.append(np.average(differences, weights=weights))
    return min(found) * weight.mean()


@pytest.mark.parametrize("weighted", [False, True])
def test_the_best_shift_is_the_one_that_loops_find(weighted):
    fake, target = images(seed=1), images(seed=2)
    weight = (images(channels=1, seed=3) + 1) / 2 if weighted else None
    expected = [
        by_loops(*each, 2)
        for each in zip(
            *map(np.asarray, (fake, target, jnp.ones_like(fake) if weight is None else weight)),
            strict=True,
        )
    ]
    found = tolerate_shifts(l1_loss, 2)(fake, target, weight)
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-5)


def test_a_target_that_is_off_by_the_tolerance_costs_nothing_and_one_pixel_more_does():
    fake = images()
    target = jnp.roll(fake, (2, -1), axis=(1, 2))
    assert tolerate_shifts(l1_loss, 2)(fake, target) == 0
    assert tolerate_shifts(l1_loss, 1)(fake, target) > 0.1


def test_each_example_has_a_shift_of_its_own():
    fake = images(count=3)
    moved = [
        jnp.roll(each, shift, axis=(0, 1))
        for each, shift in zip(fake, [(0, 0), (1, 2), (-2, 1)], strict=True)
    ]
    assert tolerate_shifts(l2_loss, 2)(fake, jnp.stack(moved)) == 0


def test_without_a_better_shift_it_is_the_loss_itself():
    flat = jnp.full((1, 6, 6, 1), 0.25)
    fake = images(1, (6, 6), 1)
    value, gradient = jax.value_and_grad(tolerate_shifts(l1_loss, 2))(flat, flat + 0.5)
    assert value == 0.5
    np.testing.assert_array_equal(gradient, jax.grad(l1_loss)(flat, flat + 0.5))  # the tie is: none
    assert tolerate_shifts(l1_loss, 1)(fake, fake) == 0


def test_the_gradient_is_that_of_finite_differences():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        fake, target, direction = (jnp.asarray(rng.uniform(-1, 1, (2, 8, 8, 1))) for _ in range(3))
        loss = tolerate_shifts(l2_loss, 2)
        gradient = jax.grad(loss)(fake, target)
        step = 1e-6
        difference = loss(fake + step * direction, target) - loss(fake - step * direction, target)
        np.testing.assert_allclose(
            jnp.sum(gradient * direction), difference / (2 * step), rtol=1e-6
        )
    assert np.abs(gradient).max() > 0


def test_an_image_without_any_weight_costs_nothing():
    value, gradient = jax.value_and_grad(tolerate_shifts(l1_loss, 1))(
        images(), images(seed=1), jnp.zeros((2, 9, 8, 1))
    )
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_a_tolerance_as_large_as_the_image_is_refused(tiny_config, tmp_path):
    tiny_config.loss.shift_tolerance = min(tiny_config.data.image_size)
    with pytest.raises(InputError, match=r"loss.shift_tolerance=\d+: .* data.image_size"):
        prepare_run(tiny_config, tmp_path)
