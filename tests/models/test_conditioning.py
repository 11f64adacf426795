"""Numbers beside the image: FiLM in the generators, projection in the discriminators."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import draw

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.models.conditioning import Embedding, Film
from pix2pix_jax.models.discriminators import MultiscaleGAN, PatchGAN, PixelGAN
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.initial import draw_variables, make_blueprint
from pix2pix_jax.models.resnet import ResNet
from pix2pix_jax.models.unet import UNet

GENERATORS = {
    "unet": partial(UNet, base_features=2, levels=2),
    "resnet": partial(ResNet, base_features=2, blocks=1),
    "hybrid": partial(Hybrid, base_features=2, blocks=1, downsamplings=1),
}
DISCRIMINATORS = {
    "patch": partial(PatchGAN, base_features=2, layers=1),
    "pixel": partial(PixelGAN, base_features=2),
    "multiscale": lambda **options: MultiscaleGAN(
        2, partial(PatchGAN, base_features=2, layers=1, **options)
    ),
}
SHAPE = (2, 16, 16, 3)
FIRST, SECOND = jnp.array([[0.5, -1.0]] * 2), jnp.array([[-1.5, 2.0]] * 2)


def variables_of(module, images):
    """Draw a network's variables as a run does: those of equal names have equal values."""
    blueprint = make_blueprint(module, *[SHAPE] * images)
    params, batch_stats = draw_variables({"net": blueprint}, seed=1)["net"]
    return jax.tree.map(jnp.asarray, {"params": params, "batch_stats": batch_stats})


def shaken(variables):
    """Add noise to all parameters, so that nothing is the identity any more."""
    leaves, structure = jax.tree.flatten(variables["params"])
    rng = np.random.default_rng(0)
    noisy = [leaf + 0.3 * rng.standard_normal(leaf.shape).astype(np.float32) for leaf in leaves]
    return variables | {"params": jax.tree.unflatten(structure, noisy)}


def directional(function, argument, seed=0):
    """Return a derivative along a direction by automatic and by central differences."""
    direction = np.random.default_rng(seed).standard_normal(argument.shape).astype(np.float32)
    step = 1e-2
    exact = jax.jvp(function, (argument,), (jnp.asarray(direction),))[1]
    ends = (function(argument + sign * step * direction) for sign in (1, -1))
    return float(exact), float((next(ends) - next(ends)) / (2 * step))


def test_film_scales_and_shifts_each_channel_of_each_example():
    x = jnp.arange(16.0).reshape(2, 2, 2, 2)
    embedded = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    kernel = jnp.array([[1.0, 0.0, 10.0, 0.0], [0.0, -1.0, 0.0, 20.0]])
    params = {"dense": {"kernel": kernel, "bias": jnp.zeros(4)}}
    y = Film().apply({"params": params}, x, embedded)
    np.testing.assert_array_equal(y[0, ..., 0], 2 * x[0, ..., 0] + 10)
    np.testing.assert_array_equal(y[0, ..., 1], x[0, ..., 1])
    np.testing.assert_array_equal(y[1, ..., 0], x[1, ..., 0])
    np.testing.assert_array_equal(y[1, ..., 1], jnp.full((2, 2), 20.0))


def test_an_embedding_is_two_layers_with_silu():
    variables = Embedding().init(jax.random.key(0), jnp.zeros((1, 2)))
    first, second = (variables["params"][f"dense_{number}"]["kernel"] for number in (0, 1))
    expected = nn.silu(nn.silu(FIRST @ first) @ second)
    # float32 sums of 64 products in another order
    np.testing.assert_allclose(Embedding().apply(variables, FIRST), expected, atol=1e-5)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_new_generator_with_numbers_is_the_one_without_until_film_has_learnt(name):
    without, with_numbers = GENERATORS[name](), GENERATORS[name](numbers=2)
    source = draw(0, *SHAPE)
    plain = without.apply(variables_of(without, 1), source, train=False)
    variables = variables_of(with_numbers, 1)
    apply = partial(with_numbers.apply, source=source, train=False)
    np.testing.assert_array_equal(apply(variables, condition=FIRST), plain)
    changed = shaken(variables)
    first, second = (apply(changed, condition=each) for each in (FIRST, SECOND))
    assert np.abs(first - second).max() > 1e-3
    mixed = apply(changed, condition=jnp.stack([FIRST[0], SECOND[0]]))
    # Each example has numbers of its own; the same program may still round a batch differently.
    np.testing.assert_allclose(mixed[0], first[0], atol=1e-5)
    np.testing.assert_allclose(mixed[1], second[1], atol=1e-5)


def test_the_gradient_of_film_is_that_of_finite_differences():
    module = GENERATORS["unet"](numbers=2, norm="none")
    variables = shaken(variables_of(module, 1))
    source, weights = draw(0, *SHAPE), draw(1, *SHAPE)

    def loss(condition):
        return jnp.sum(weights * module.apply(variables, source, train=True, condition=condition))

    exact, measured = directional(loss, FIRST)
    # Central differences in float32: the step squared, and sums of 1,536 values that are rounded.
    assert abs(exact) > 1e-2
    assert exact == pytest.approx(measured, rel=2e-2)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_judges_by_the_numbers_too(name):
    module = DISCRIMINATORS[name](numbers=2)
    variables, source, image = variables_of(module, 2), draw(0, *SHAPE), draw(1, *SHAPE)

    def judge(condition):
        return module.apply(variables, source, image, train=False, condition=condition)

    for (ours, _), (theirs, _) in zip(judge(FIRST), judge(SECOND), strict=True):
        assert np.abs(ours - theirs).max() > 1e-6

    def total(condition):
        return sum(jnp.sum(logits) for logits, _ in judge(condition))

    exact, measured = directional(total, FIRST)
    assert exact == pytest.approx(measured, rel=2e-2, abs=1e-3)


def test_the_projection_is_the_inner_product_with_the_last_features():
    module, plain = PixelGAN(base_features=2, numbers=2), PixelGAN(base_features=2)
    variables, source, image = variables_of(module, 2), draw(0, *SHAPE), draw(1, *SHAPE)
    embedding = {"params": variables["params"]["condition"]}
    kernel = variables["params"]["projection"]["kernel"][0, 0]
    projected = Embedding().apply(embedding, FIRST) @ kernel
    ((before, features),) = plain.apply(variables_of(plain, 2), source, image, train=False)
    ((after, _),) = module.apply(variables, source, image, train=False, condition=FIRST)
    expected = before[..., 0] + jnp.einsum("nhwc,nc->nhw", features[-1], projected)
    np.testing.assert_allclose(after[..., 0], expected, atol=1e-6)  # sums of float32


def test_a_patch_gets_the_mean_of_the_four_places_around_its_middle():
    module, plain = PatchGAN(base_features=2, layers=1, numbers=1), PatchGAN(2, 1)
    variables, source, image = variables_of(module, 2), draw(0, *SHAPE), draw(1, *SHAPE)
    condition = jnp.array([[1.0], [2.0]])
    kernel = variables["params"]["projection"]["kernel"][0, 0]
    projected = Embedding().apply({"params": variables["params"]["condition"]}, condition) @ kernel
    ((before, features),) = plain.apply(variables_of(plain, 2), source, image, train=False)
    ((after, _),) = module.apply(variables, source, image, train=False, condition=condition)
    products = jnp.einsum("nhwc,nc->nhw", features[-1], projected)
    four = products[:, :-1, :-1] + products[:, 1:, :-1] + products[:, :-1, 1:] + products[:, 1:, 1:]
    np.testing.assert_allclose(after[..., 0], before[..., 0] + four / 4, atol=1e-6)


def test_own_networks_take_no_numbers(tiny_config):
    for key in ("generator", "discriminator"):
        config = resolve(tiny_config)
        config = config.copy_and_resolve_references()
        config.model[key] = "mine.py:Own"
        config.data.condition_names = ("age",)
        with pytest.raises(InputError, match=f"model.{key}='mine.py:Own': own networks take no"):
            build_networks(config.model, config.data, adversarial=True)
