"""Discriminators: parameters, receptive fields, scales, spectral norm."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import count, draw, variables_of

from pix2pix_jax.models.build import DISCRIMINATORS
from pix2pix_jax.models.discriminators import MultiscaleGAN, PatchGAN, PixelGAN, halve
from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.models.layers import NORMS

SMALLEST = {
    "patch": partial(PatchGAN, base_features=2, layers=2),
    "pixel": partial(PixelGAN, base_features=2),
    "multiscale": lambda **arguments: MultiscaleGAN(
        2, partial(PatchGAN, base_features=2, layers=2, **arguments)
    ),
}


def output_shapes(module, variables, *shapes):
    images = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.eval_shape(partial(module.apply, train=False), variables, *images)


@pytest.mark.parametrize(
    ("norm", "layers", "parameters", "side"),
    [
        ("instance", 3, 2_767_809, 30),
        ("batch", 3, 2_768_705, 30),
        ("batch", 1, 139_585, 126),
        ("batch", 2, 666_433, 62),
        ("batch", 4, 6_964_033, 14),
        ("batch", 5, 11_159_361, 6),
        ("batch", 6, 15_354_689, 2),
    ],
)
def test_patchgan_has_the_reference_parameters_and_output(norm, layers, parameters, side):
    module, shape = PatchGAN(norm=norm, layers=layers), (1, 256, 256, 3)
    params, stats = abstract_variables(module, shape, shape)
    assert count(params) == parameters
    variables = {"params": params, "batch_stats": stats}
    ((logits, features),) = output_shapes(module, variables, shape, shape)
    assert logits.shape == (1, side, side, 1)
    assert len(features) == layers + 1


@pytest.mark.parametrize(("norm", "parameters"), [("instance", 8_897), ("batch", 9_024)])
def test_pixelgan_has_the_reference_parameters_and_judges_every_pixel(norm, parameters):
    module, shape = PixelGAN(norm=norm), (1, 256, 256, 3)
    params, stats = abstract_variables(module, shape, shape)
    assert count(params) == parameters
    variables = {"params": params, "batch_stats": stats}
    ((logits, features),) = output_shapes(module, variables, shape, shape)
    assert logits.shape == (1, 256, 256, 1)
    assert [feature.shape[-1] for feature in features] == [64, 128]


def seen_pixels(module, side, row, column, scale=0):
    """Return the pixels of the source, then of the image, that a logit depends on.

    Batch norm by running statistics mixes no pixels; kernels of ones let no path cancel another.
    """
    shape = (1, side, side, 1)
    variables = variables_of(module, *(jax.ShapeDtypeStruct(shape, jnp.float32),) * 2)
    variables["params"] = jax.tree.map(jnp.ones_like, variables["params"])

    @jax.jit
    def gradient(*images):
        def logit(*images):
            return module.apply(variables, *images, train=False)[scale][0][0, row, column, 0]

        return jax.grad(logit, (0, 1))(*images)

    return [np.argwhere(np.asarray(g)[0, :, :, 0]) for g in gradient(*[jnp.ones(shape)] * 2)]


@pytest.mark.parametrize(
    ("layers", "patch"), [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286), (6, 574)]
)
def test_patchgan_sees_the_patches_of_the_paper(layers, patch):
    # The smallest image whose middle logit, of 7x7, lies a pixel off all edges with its patch.
    module = PatchGAN(base_features=1, layers=layers, norm="batch")
    for seen in seen_pixels(module, patch + 2, 3, 3):
        assert seen.min() == 1
        assert seen.max() == patch
        assert len(seen) == patch**2


def test_the_second_scale_sees_patches_of_twice_the_side_and_one():
    # Two pixels of the half-size image are averages of 3x3 windows that are 2 pixels apart.
    module = MultiscaleGAN(2, partial(PatchGAN, base_features=1, layers=1, norm="batch"))
    for seen in seen_pixels(module, 40, 4, 4, scale=1):
        assert (np.ptp(seen, axis=0) + 1).tolist() == [2 * 16 + 1] * 2


def test_pixelgan_sees_its_pixel_alone():
    for seen in seen_pixels(PixelGAN(base_features=1, norm="batch"), 5, 3, 1):
        assert seen.tolist() == [[3, 1]]


def halved_by_hand(x):
    """Average the 3x3 window around every second pixel, as far as it lies in the image."""
    rows, columns = range(0, x.shape[1], 2), range(0, x.shape[2], 2)
    windows = [
        [x[:, max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].mean((1, 2)) for c in columns]
        for r in rows
    ]
    return np.stack([np.stack(row, axis=1) for row in windows], axis=1)


@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (1, 5, 7, 2), (1, 1, 2, 1)])
def test_halving_averages_the_pixels_that_there_are(shape):
    x = draw(0, *shape)
    np.testing.assert_allclose(halve(x), halved_by_hand(np.asarray(x)), atol=1e-6)


def test_halving_at_the_edges_by_hand():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    # Corner: mean of 0, 1, 4, 5. Edges: of 1 2 3 5 6 7, of 4 5 8 9 12 13. Inside: the middle one.
    assert halve(x)[0, :, :, 0].tolist() == [[2.5, 4.0], [8.5, 10.0]]
    np.testing.assert_allclose(halve(jnp.ones((1, 7, 8, 1))), np.ones((1, 4, 4, 1)), rtol=1e-6)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_multiscale_has_its_number_of_scales_each_of_half_the_size(scales):
    module, shape = MultiscaleGAN(scales, partial(PatchGAN, base_features=2)), (2, 256, 256, 3)
    params, _ = abstract_variables(module, shape, shape)
    assert set(params) == {f"scale_{scale}" for scale in range(scales)}
    single, _ = abstract_variables(PatchGAN(base_features=2), shape, shape)
    assert count(params) == scales * count(single)
    outputs = output_shapes(module, {"params": params}, shape, shape)
    sides = [logits.shape[1:3] for logits, _ in outputs]
    assert sides == [(30, 30), (14, 14), (6, 6)][:scales]
    assert [len(features) for _, features in outputs] == [4] * scales


def test_every_scale_is_a_patchgan_of_its_own_on_the_halved_images():
    source, image = draw(0, 1, 26, 33, 2), draw(1, 1, 26, 33, 3)
    module = SMALLEST["multiscale"]()
    variables = variables_of(module, source, image)
    outputs = jax.jit(partial(module.apply, train=True))(variables, source, image)
    patch = jax.jit(partial(SMALLEST["patch"]().apply, train=True))
    for scale, output in enumerate(outputs):
        params = variables["params"][f"scale_{scale}"]
        (expected,) = patch({"params": params}, source, image)
        jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5), output, expected)
        source, image = (halved_by_hand(np.asarray(x)) for x in (source, image))
    first, second = (outputs[scale][0].mean() for scale in (0, 1))
    assert first != second


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_an_unconditional_discriminator_ignores_the_source(name):
    source, image = draw(0, 1, 24, 24, 2), draw(1, 1, 24, 24, 3)
    for conditional in (True, False):
        module = SMALLEST[name](conditional=conditional)
        variables = variables_of(module, source, image)

        judge = jax.jit(partial(module.apply, variables, train=True))
        logits, of_another_source, of_another_image = (
            [np.asarray(scale) for scale, _ in judge(*images)]
            for images in ((source, image), (-source, image), (source, -image))
        )
        for one, other, third in zip(logits, of_another_source, of_another_image, strict=True):
            assert (one != other).any() == conditional
            assert (one != third).all()
        named = jax.tree.leaves_with_path(variables["params"])
        first = [
            leaf.shape[2]
            for path, leaf in named
            if "conv_0" in jax.tree_util.keystr(path) and path[-1].key == "kernel"
        ]
        assert set(first) == {5 if conditional else 3}


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_spectral_norm_makes_every_kernel_forget_its_scale(name):
    images = draw(0, 1, 24, 24, 2), draw(1, 1, 24, 24, 3)
    module = SMALLEST[name](spectral_norm=True, norm="none")
    variables = variables_of(module, *images)
    named = jax.tree.leaves_with_path(variables)
    kernels = [path for path, _ in named if path[-1].key == "kernel"]
    assert len([path for path, _ in named if path[-1].key == "u"]) == len(kernels)
    scaled = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf * 7 if path[-1].key == "kernel" else leaf, variables
    )
    call = jax.jit(partial(module.apply, train=True))
    one, other = (call(tree, *images) for tree in (variables, scaled))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), one, other)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_spectral_norm_adds_no_parameters_and_changes_only_its_estimates(norm):
    images = draw(0, 1, 24, 24, 2), draw(1, 1, 24, 24, 3)
    plain, module = (SMALLEST["patch"](spectral_norm=on, norm=norm) for on in (False, True))
    variables = variables_of(module, *images)
    assert count(variables["params"]) == count(variables_of(plain, *images)["params"])
    call = jax.jit(partial(module.apply, train=True, mutable=["batch_stats"]))
    _, updates = call(variables, *images)
    old, new = variables["batch_stats"], updates["batch_stats"]
    assert jax.tree.structure(old) == jax.tree.structure(new)
    for name in ("conv_0", "conv_1", "conv_2"):  # the last has one feature: its vector is 1
        assert (old[name]["conv"]["u"] != new[name]["conv"]["u"]).any()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_every_discriminator_takes_every_norm_and_odd_channels(name, norm):
    module = SMALLEST[name](norm=norm)
    shapes = (2, 28, 36, 2), (2, 28, 36, 5)
    params, stats = abstract_variables(module, *shapes)
    outputs = output_shapes(module, {"params": params, "batch_stats": stats}, *shapes)
    assert len(outputs) == (2 if name == "multiscale" else 1)
    for logits, _ in outputs:
        assert (logits.shape[0], logits.shape[-1], logits.dtype) == (2, 1, jnp.float32)
    assert outputs[0][0].shape[1:3] == ((28, 36) if name == "pixel" else (5, 7))


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_in_bfloat16_keep_float32_parameters_and_logits(name):
    module, shape = SMALLEST[name](dtype=jnp.bfloat16), (1, 24, 24, 3)
    params, _ = abstract_variables(module, shape, shape)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("float32")}
    for logits, features in output_shapes(module, {"params": params}, shape, shape):
        assert logits.dtype == jnp.float32
        assert {feature.dtype for feature in features} == {jnp.dtype("bfloat16")}
