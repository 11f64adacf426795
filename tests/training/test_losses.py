import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.training.losses import (
    charbonnier_loss,
    feature_matching_loss,
    l1_loss,
    l2_loss,
    mean_over_scales,
    vanilla_gan_loss,
)
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.penalties import critic_value, gradient_penalty


def random_array(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("shape", [(), (1,), (2, 30, 30, 1)])
def test_vanilla_loss_of_zero_logits_is_log_2_for_any_shape(shape, real):
    loss = vanilla_gan_loss(jnp.zeros(shape), target_is_real=real)
    assert loss.shape == ()
    np.testing.assert_allclose(loss, math.log(2), rtol=2e-5)  # 1800 logits in float32: 8e-6


@pytest.mark.parametrize(
    ("logit", "real", "expected"),
    [
        (math.log(3), True, -math.log(3 / 4)),  # the sigmoid of log(3) is 3/4
        (math.log(3), False, -math.log(1 / 4)),
        (-math.log(3), True, -math.log(1 / 4)),
        (1000.0, True, 0.0),
        (1000.0, False, 1000.0),
        (-1000.0, True, 1000.0),
    ],
)
def test_vanilla_loss_by_hand(logit, real, expected):
    loss = vanilla_gan_loss(jnp.full((2, 3), logit), target_is_real=real)
    np.testing.assert_allclose(loss, expected, rtol=1e-6, atol=1e-7)


def test_vanilla_loss_is_the_mean_over_all_logits():
    logits = jnp.array([[0.0, math.log(3)]])
    expected = (math.log(2) + math.log(4 / 3)) / 2
    np.testing.assert_allclose(vanilla_gan_loss(logits, target_is_real=True), expected, rtol=1e-6)


def test_vanilla_loss_of_fakes_is_that_of_mirrored_reals():
    logits = random_array(0, 4, 5)
    real = vanilla_gan_loss(logits, target_is_real=True)
    assert real > 0
    np.testing.assert_allclose(vanilla_gan_loss(-logits, target_is_real=False), real, rtol=1e-6)


def test_vanilla_loss_pulls_logits_towards_their_label():
    gradient = jax.grad(lambda logits, real: vanilla_gan_loss(logits, target_is_real=real))
    logits = random_array(0, 4, 5)
    assert (gradient(logits, True) < 0).all()
    assert (gradient(logits, False) > 0).all()


def test_l1_loss_by_hand():
    fake, target = jnp.array([[1.0, -1.0], [0.5, 0.0]]), jnp.array([[-1.0, -1.0], [0.0, 0.5]])
    np.testing.assert_allclose(l1_loss(fake, target), (2 + 0 + 0.5 + 0.5) / 4, rtol=1e-6)


def test_l1_loss_is_symmetric_and_zero_for_equal_images():
    fake, target = random_array(0, 2, 4, 4, 3), random_array(1, 2, 4, 4, 3)
    assert l1_loss(fake, target) == l1_loss(target, fake) > 0
    assert l1_loss(fake, fake) == 0


@pytest.mark.parametrize("shape", [(2, 4, 4, 1), (1, 4, 4, 3), (4, 4, 3), (), (2, 4, 5, 3)])
def test_l1_loss_rejects_shapes_that_would_broadcast(shape):
    # Unwrapped: the annotations, which only tests check, would refuse them first.
    with pytest.raises(ValueError, match=r"shapes \(2, 4, 4, 3\) and .* differ"):
        inspect.unwrap(l1_loss)(jnp.zeros((2, 4, 4, 3)), jnp.zeros(shape))


def build(gan="vanilla", reconstruction="l1", label_smoothing=0.0, **weights):
    return build_losses(gan, reconstruction, label_smoothing, **weights)


def test_build_losses_takes_its_values_over():
    losses = build(reconstruction="l2", reconstruction_weight=10.0, discriminator_weight=0.25)
    assert (losses.reconstruction_weight, losses.discriminator_weight) == (10.0, 0.25)
    assert losses.reconstruction is l2_loss
    assert losses.reconstruction_name == "l2"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"gan": "vanila"}, "loss.gan='vanila': choose from hinge, lsgan, none, vanilla, wgangp"),
        (
            {"reconstruction": "l3"},
            "loss.reconstruction='l3': choose from charbonnier, cross_entropy, l1, l2",
        ),
        (
            {"gan": "hinge", "label_smoothing": 0.1},
            "'hinge' has no labels; choose lsgan or van",
        ),
    ],
)
def test_unknown_losses_name_the_choices(names, message):
    with pytest.raises(InputError, match=message):
        build(**names)


LOGITS = jnp.array([-2.0, 0.0, 0.5, 3.0])


@pytest.mark.parametrize(
    ("gan", "on_real", "on_fake", "generator"),
    [
        ("lsgan", (9 + 1 + 0.25 + 4) / 4, (4 + 0 + 0.25 + 9) / 4, (9 + 1 + 0.25 + 4) / 4),
        ("hinge", (3 + 1 + 0.5 + 0) / 4, (0 + 1 + 1.5 + 4) / 4, -1.5 / 4),
        ("wgangp", -1.5 / 4, 1.5 / 4, -1.5 / 4),
        ("none", 0.0, 0.0, 0.0),
    ],
)
def test_gan_losses_by_hand(gan, on_real, on_fake, generator):
    loss = build(gan).gan
    assert float(loss.on_real(LOGITS)) == pytest.approx(on_real)
    assert float(loss.on_fake(LOGITS)) == pytest.approx(on_fake)
    assert float(loss.generator(LOGITS)) == pytest.approx(generator)


@pytest.mark.parametrize("gan", ["vanilla", "lsgan"])
def test_label_smoothing_moves_the_label_of_real_images_only(gan):
    plain, smooth = build(gan).gan, build(gan, label_smoothing=0.1).gan
    assert float(smooth.on_fake(LOGITS)) == float(plain.on_fake(LOGITS))
    assert float(smooth.generator(LOGITS)) == float(plain.generator(LOGITS))
    # The best logit for a real image is where its label is.
    best = jnp.log(9.0) if gan == "vanilla" else jnp.array(0.9)
    assert abs(float(jax.grad(smooth.on_real)(best))) < 1e-6
    assert abs(float(jax.grad(plain.on_real)(best))) > 1e-2


def test_reconstruction_losses_by_hand():
    fake, target = jnp.array([0.0, 0.5]), jnp.array([0.0, -0.5])
    assert float(l2_loss(fake, target)) == pytest.approx(0.5)
    assert float(charbonnier_loss(fake, target, epsilon=0.1)) == pytest.approx(
        (0.1 + math.sqrt(1.01)) / 2
    )
    assert float(jax.grad(charbonnier_loss)(fake, fake)[0]) == 0
    for loss in (l2_loss, charbonnier_loss):
        with pytest.raises(ValueError, match=r"shapes \(2,\) and \(1,\) differ"):
            inspect.unwrap(loss)(fake, target[:1])


def test_feature_matching_is_the_mean_over_layers_and_scales_without_gradient_to_the_real():
    def scales(*values):
        return tuple((jnp.zeros((1, 1, 1, 1)), (jnp.full((2, 3), v),)) for v in values)

    on_fake, on_real = scales(1.0, 5.0), scales(0.0, 2.0)
    assert float(feature_matching_loss(on_fake, on_real)) == pytest.approx((1 + 3) / 2)
    gradient = jax.grad(feature_matching_loss, argnums=1)(on_fake, on_real)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))


def test_gradient_penalty_of_a_linear_critic_by_hand():
    source, real, fake = (random_array(seed, 2, 3, 3, 1) for seed in range(3))

    def critic(source, image):
        return 3.0 * source[:, 0, 0, 0] + 4.0 * image[:, 0, 0, 0]

    # The gradient is (3, 4) everywhere, of norm 5.
    penalty = gradient_penalty(critic, source, real, fake, jnp.array([0.2, 0.9]))
    assert float(penalty) == pytest.approx(16.0, rel=1e-5)


def test_gradient_penalty_looks_between_real_and_fake_at_each_examples_own_share():
    real, fake = jnp.full((2, 1, 1, 1), 3.0), jnp.full((2, 1, 1, 1), 1.0)

    def critic(source, image):
        return jnp.square(image[:, 0, 0, 0])  # gradient 2 * image

    penalty = gradient_penalty(critic, real, real, fake, jnp.array([0.0, 0.5]))
    assert float(penalty) == pytest.approx(((2 * 1 - 1) ** 2 + (2 * 2 - 1) ** 2) / 2, rel=1e-5)


def test_critic_value_is_one_number_for_each_example():
    scales = tuple((jnp.full((2, n, n, 1), float(n)), ()) for n in (1, 3))
    np.testing.assert_allclose(critic_value(scales), [2.0, 2.0])


@pytest.mark.parametrize(("levels", "expected"), [((3.0,), 3.0), ((1.0, 2.0, 6.0), 3.0)])
def test_mean_over_scales_weighs_scales_equally_whatever_their_size(levels, expected):
    scales = tuple((jnp.full((1, 2**i, 2**i, 1), x), ()) for i, x in enumerate(levels))
    np.testing.assert_allclose(mean_over_scales(jnp.mean, scales), expected, rtol=1e-6)


def test_features_of_half_precision_are_compared_in_float32():
    ones = jnp.ones((1, 4), jnp.bfloat16)
    loss = feature_matching_loss(((ones, (ones,)),), ((ones, (3 * ones,)),))
    assert loss.dtype == jnp.float32
    assert float(loss) == 2
