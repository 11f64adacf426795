"""What the discriminator sees of few pairs."""

import csv

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.runs import assert_bit_equal, final_state

from pix2pix_jax import InputError, train_and_evaluate
from pix2pix_jax.core.choices import DISCRIMINATOR_CHANGES
from pix2pix_jax.training.diffaugment import DiffAugment

SHAPE = (64, 16, 24, 3)
KEYS = jax.random.split(jax.random.key(0), SHAPE[0])


def images(seed=0, shape=SHAPE):
    return jnp.asarray(np.random.default_rng(seed).uniform(-1, 1, shape), jnp.float32)


def changed(kind, image, share=1.0, keys=KEYS):
    return jax.jit(lambda image: DiffAugment((kind,)).apply(keys, share, image, image))(image)


@pytest.mark.parametrize("kind", DISCRIMINATOR_CHANGES)
def test_source_and_image_are_changed_alike_and_each_example_by_its_own_key(kind):
    source, image = changed(kind, images())
    np.testing.assert_array_equal(source, image)
    alone = changed(kind, images()[5:6], keys=KEYS[5:6])[0]
    np.testing.assert_allclose(alone[0], image[5], atol=1e-6)
    assert len({np.asarray(each).tobytes() for each in image - images()}) > 50


@pytest.mark.parametrize("kind", DISCRIMINATOR_CHANGES)
def test_a_share_of_the_images_is_changed(kind):
    def count(share):
        differs = np.abs(changed(kind, images(), share)[1] - images()).max((1, 2, 3)) > 1e-5
        return np.count_nonzero(differs)

    assert count(0.0) == 0
    assert 15 < count(0.5) < 49
    assert count(1.0) > 55  # a draw may move nothing


def test_a_translation_moves_by_up_to_an_eighth_and_fills_with_gray():
    rows, columns = jnp.meshgrid(jnp.arange(1.0, 17), jnp.arange(1.0, 25), indexing="ij")
    image = jnp.broadcast_to(jnp.stack([rows, columns, rows], -1), SHAPE)
    moved = np.asarray(changed("translation", image)[1])
    found = set()
    for each in moved:
        inside = each[..., 0] > 0
        shift = each[inside][0][:2] - np.argwhere(inside)[0] - 1
        expected = np.argwhere(inside) + 1 + shift
        np.testing.assert_array_equal(each[inside][:, :2], expected)
        found.add(tuple(shift))
    assert {shift[0] for shift in found} == {-2, -1, 0, 1, 2}
    assert max(abs(shift[1]) for shift in found) == 3


def test_a_cutout_takes_half_of_each_side_unless_it_goes_over_the_border():
    hole = np.asarray(changed("cutout", jnp.ones(SHAPE))[1]) == 0
    sizes = hole[..., 0].sum((1, 2))
    assert sizes.max() == 8 * 12
    assert sizes.min() < 8 * 12


def test_colours_by_hand():
    """A gray image has no saturation, and one of one value no contrast: its brightness is left."""
    flat = jnp.full(SHAPE, 0.25)
    offsets = np.asarray(changed("color", flat)[1] - flat)
    assert np.ptp(offsets, axis=(1, 2, 3)).max() < 1e-6
    assert -0.5 < offsets.min() < -0.4
    assert 0.4 < offsets.max() < 0.5
    image = images()
    contrast = np.std(changed("color", image.mean(-1, keepdims=True))[1], axis=(1, 2, 3))
    factor = contrast / np.std(image.mean(-1), axis=(1, 2))
    assert 0.5 <= factor.min() < 0.6
    assert 1.4 < factor.max() <= 1.5


@pytest.mark.parametrize("kind", DISCRIMINATOR_CHANGES)
def test_gradients_pass_through(kind):
    """Each change is linear in the image, up to a constant: compare with a difference."""
    image, direction = images(shape=(4, 16, 24, 3)), images(1, (4, 16, 24, 3))

    def total(image):
        return jnp.sum(DiffAugment((kind,)).apply(KEYS[:4], 1.0, image, image)[1] ** 2)

    slope = jax.jvp(total, (image,), (direction,))[1]
    step = 1e-2
    difference = (total(image + step * direction) - total(image - step * direction)) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-3)
    assert np.any(jax.grad(total)(image) != 0)


def test_the_share_follows_the_discriminators_answers():
    """Karras et al., 2020: up while it knows the targets too well, down else; within its limits."""
    changes = DiffAugment(("color",), share=0.8, target=0.6, images=1000)
    move = lambda share, sign: float(changes.next_share(jnp.float32(share), jnp.float32(sign), 100))  # noqa: E731
    np.testing.assert_allclose(move(0.5, 0.9), 0.6, rtol=1e-6)
    np.testing.assert_allclose(move(0.5, 0.1), 0.4, rtol=1e-6)
    np.testing.assert_allclose(move(0.75, 1.0), 0.8, rtol=1e-6)
    assert move(0.05, -1.0) == 0
    assert not DiffAugment(("color",)).adaptive
    assert not DiffAugment((), target=0.6).adaptive


@pytest.mark.usefixtures("one_device")
def test_a_run_goes_on_with_the_share_that_it_has_reached(tiny_config, tmp_path):
    tiny_config.loss.diffaugment = ("color",)
    tiny_config.loss.diffaugment_target = 0.01
    tiny_config.loss.diffaugment_images = 10
    tiny_config.loss.r1_weight = 1.0
    tiny_config.loss.r1_every = 2  # before the stop, and after it
    tiny_config.lr.schedule = "constant"
    tiny_config.train.steps = 2
    train_and_evaluate(tiny_config, tmp_path / "parts")
    tiny_config.train.steps = 4
    for name in ("parts", "whole"):
        train_and_evaluate(tiny_config, tmp_path / name)
    assert_bit_equal(final_state(tmp_path / "parts"), final_state(tmp_path / "whole"))
    with (tmp_path / "parts" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(-1 <= float(row["d_sign_real"]) <= 1 for row in rows)


@pytest.mark.usefixtures("one_device")
def test_a_run_does_not_begin_to_adapt_in_the_middle(tiny_config, tmp_path):
    tiny_config.train.steps = 1
    train_and_evaluate(tiny_config, tmp_path)
    tiny_config.loss.diffaugment = ("cutout",)
    tiny_config.loss.diffaugment_target = 0.6
    tiny_config.train.steps = 2
    with pytest.raises(InputError, match=r"loss.diffaugment_target"):
        train_and_evaluate(tiny_config, tmp_path)
