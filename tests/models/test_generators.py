"""What all generators share: variants, dropout, recomputation, sizes."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import draw, equations, mask_shapes, trace, variables_of
from support.pairwise import cover

from pix2pix_jax.models.blocks import ACTIVATIONS, UPSAMPLINGS
from pix2pix_jax.models.build import GENERATORS, build_generator
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.models.layers import NORMS
from pix2pix_jax.models.resnet import ResNet
from pix2pix_jax.models.unet import UNet

SMALLEST = {
    "unet": partial(UNet, base_features=2, levels=2, dropout_placement="paper"),
    "resnet": partial(ResNet, base_features=2, blocks=1),
    "hybrid": partial(Hybrid, base_features=2, blocks=1, downsamplings=1),
}


@pytest.mark.parametrize("name", ["resnet", "hybrid"])
def test_residual_blocks_add_to_what_they_get(name):
    source = draw(0, 1, 16, 16, 3)
    two, one = (SMALLEST[name](blocks=blocks, norm="none") for blocks in (2, 1))
    # Larger kernels: with those drawn, next to nothing would arrive at the output.
    variables = jax.tree.map(lambda leaf: 10 * leaf, variables_of(two, source))
    variables["params"]["block_1_1"]["conv"]["kernel"] *= 0
    fake, expected = (
        jax.jit(partial(module.apply, train=True))(variables, source) for module in (two, one)
    )
    np.testing.assert_allclose(fake, expected, atol=1e-6)
    assert fake.std() > 0.01


@cache
def initial(module, channels):
    drawn = variables_of(module, jax.ShapeDtypeStruct((1, 8, 12, channels), jnp.float32))
    return jax.tree.map(lambda leaf: 30 * leaf, drawn)  # else nothing would come near -1 or 1


VARIANTS = {
    "generator": tuple(GENERATORS),
    "norm": tuple(NORMS),
    "activation": tuple(ACTIVATIONS),
    "upsample": tuple(UPSAMPLINGS),
}


@pytest.mark.parametrize(
    "variant", cover(VARIANTS), ids=lambda row: "-".join(row[key] for key in VARIANTS)
)
def test_generators_run_in_variants_in_which_every_two_choices_meet(tiny_config, variant):
    model = tiny_config.model
    model.update(variant)
    model.update(base_features=3, levels=2, blocks=1, downsamplings=1, dropout_placement="paper")
    module = build_generator(model, image_size=(8, 12), out_channels=5)
    source = 3 * draw(0, 2, 8, 12, 2)
    keys = jax.random.split(jax.random.key(0), 2)
    variables = initial(module.clone(activation="relu"), 2)  # activations have no parameters
    fake = jax.jit(partial(module.apply, train=True))(variables, source, dropout_keys=keys)
    assert fake.shape == (2, 8, 12, 5)
    assert fake.dtype == jnp.float32
    values = np.asarray(fake)
    assert np.abs(values).max() <= 1
    assert values.std() > 0


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize(
    ("key", "choices"), [("activation", ACTIVATIONS), ("upsample", UPSAMPLINGS)]
)
def test_every_choice_makes_another_network(name, key, choices):
    traces = {
        str([str(equation) for equation in trace(SMALLEST[name](**{key: choice}), 1, 8, 8, 3)])
        for choice in choices
    }
    assert len(traces) == len(choices)


@pytest.mark.parametrize("name", ["resnet", "hybrid"])
def test_residual_blocks_drop_out_once_each(name):
    module, keys = partial(SMALLEST[name], blocks=3), jax.random.split(jax.random.key(0), 1)
    shape = (1, 8, 8, 3)
    inner = {"resnet": (2, 2, 8), "hybrid": (4, 4, 4)}[name]
    assert mask_shapes(module(), *shape, dropout_keys=keys) == [inner] * 3
    assert mask_shapes(module(), *shape) == []
    assert mask_shapes(module(dropout=0.0), *shape, dropout_keys=keys) == []


@pytest.mark.parametrize("name", ["resnet", "hybrid"])
def test_residual_blocks_have_masks_of_their_own(name):
    module, keys = SMALLEST[name](blocks=3), jax.random.split(jax.random.key(0), 1)
    traced = trace(module, 1, 8, 8, 3, dropout_keys=keys)
    folded = [e for e in traced if e.primitive.name == "random_fold_in"]
    places = {str(equation.invars[1]) for equation in folded}
    assert len(places) == len(folded) == 3


@pytest.mark.parametrize("name", GENERATORS)
def test_remat_changes_neither_output_nor_gradient_nor_statistics(name):
    source = draw(0, 2, 8, 8, 3)
    variables = variables_of(SMALLEST[name](norm="batch"), source)

    def loss(params, remat):
        fake, updates = SMALLEST[name](norm="batch", remat=remat).apply(
            variables | {"params": params},
            source,
            train=True,
            mutable=["batch_stats"],
        )
        return jnp.square(fake - source).sum(), (fake, updates)

    grad = jax.grad(loss, has_aux=True)
    results = {}
    for remat in (False, True):
        call = partial(grad, remat=remat)
        traced = equations(jax.make_jaxpr(call)(variables["params"]).jaxpr)
        names = {equation.primitive.name for equation in traced}
        assert bool(names & {"remat", "remat2", "checkpoint"}) == remat
        results[remat] = jax.jit(call)(variables["params"])
    # The norm of each tree's whole difference: biases before a norm have no gradient but rounding.
    for plain, again in zip(results[False], results[True], strict=True):
        plain, again = (
            np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(t)]) for t in (plain, again)
        )
        assert np.linalg.norm(again - plain) < 1e-5 * np.linalg.norm(plain)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("size", [(32, 64), (96, 32)])
def test_generators_keep_the_size_of_images_that_are_not_square(name, size):
    module = SMALLEST[name]()
    source = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    params, _ = abstract_variables(module, source.shape)
    fake = jax.eval_shape(partial(module.apply, train=True), {"params": params}, source)
    assert fake.shape == source.shape
