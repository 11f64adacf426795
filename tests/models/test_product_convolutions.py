"""Convolutions as products against the library's, and which form each platform takes."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from support.platforms import lowered, operations, pretend, windows

from pix2pix_jax.models import product_convolutions as products
from pix2pix_jax.models.convolutions import conv, down_conv, up_conv


def draw(number, *shape):
    return jnp.asarray(np.random.default_rng(number).standard_normal(shape))


def library_conv(x, kernel, stride=1, padding=1):
    pads, layout = ((padding, padding),) * 2, ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=layout)


def library_up_conv(x, kernel):
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=layout)


def library_down_conv(x, kernel):
    return library_conv(x, kernel, stride=2)


def narrow_conv(x, kernel):
    return products.narrow_conv(x, kernel, 1)


def product_conv(x, kernel):
    return products.product_conv(x, kernel, 1)


FORMS = {
    "down": (products.product_down_conv, library_down_conv),
    "blocks": (products.block_down_conv, library_down_conv),
    "up": (products.product_up_conv, library_up_conv),
    "same": (product_conv, library_conv),
    "narrow": (narrow_conv, library_conv),
}
every_form = pytest.mark.parametrize(("ours", "theirs"), list(FORMS.values()), ids=list(FORMS))


def derivatives(function, x, kernel):
    """Return value, both gradients, and both gradients of a function of these gradients."""
    weights = draw(2, *jax.eval_shape(function, x, kernel).shape)

    def gradients(x, kernel):
        # Not linear in the result, or the second derivatives would see one path only.
        return jax.grad(lambda *at: jnp.sum(weights * jnp.sin(function(*at))), (0, 1))(x, kernel)

    def squares(x, kernel):
        return sum(jnp.sum(jnp.square(part)) for part in gradients(x, kernel))

    return function(x, kernel), gradients(x, kernel), jax.grad(squares, (0, 1))(x, kernel)


def assert_equal(a, b, tolerance=1e-12):
    """Compare two trees, each array's largest difference by its largest value."""
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * float(abs(other).max()))


# Down from 2x2 and up from 1x1 only the inner taps are used.
@every_form
@pytest.mark.parametrize("sides", [(4, 7), (2, 3), (2, 2)])
def test_values_gradients_and_second_derivatives_are_those_of_the_library(ours, theirs, sides):
    with jax.enable_x64(True):
        x, kernel = draw(0, 2, *sides, 3), draw(1, 4, 4, 3, 2)
        see = jax.jit(lambda *at: [derivatives(function, *at) for function in (ours, theirs)])
        assert_equal(*see(x, kernel))


def test_up_conv_of_single_pixels_in_values_gradients_and_second_derivatives():
    with jax.enable_x64(True):
        x, kernel = draw(0, 2, 1, 1, 3), draw(1, 4, 4, 3, 2)
        see = jax.jit(lambda *at: [derivatives(function, *at) for function in FORMS["up"]])
        assert_equal(*see(x, kernel))


@pytest.mark.parametrize(("side", "padding"), [(1, 0), (1, 1), (3, 0), (3, 1)])
@pytest.mark.parametrize("ours", [products.product_conv, products.narrow_conv])
def test_convolutions_of_stride_1_take_any_kernel_and_padding(ours, side, padding):
    with jax.enable_x64(True):
        x, kernel = draw(0, 2, 7, 9, 3), draw(1, side, side, 3, 2)
        theirs = functools.partial(library_conv, padding=padding)
        ours = functools.partial(ours, padding=padding)
        see = jax.jit(lambda *at: [derivatives(function, *at) for function in (ours, theirs)])
        assert_equal(*see(x, kernel))


@pytest.mark.parametrize("side", [3, 4])
def test_up_conv_of_a_single_pixel_by_hand(side):
    kernel = jnp.arange(1.0, side**2 + 1).reshape(side, side, 1, 1)
    kernel = jnp.pad(kernel, ((4 - side, 0), (4 - side, 0), (0, 0), (0, 0)))
    y = products.product_up_conv(jnp.ones((1, 1, 1, 1)), kernel)[0, :, :, 0]
    # Of the taps in reverse order the first row and column fall over the edge.
    assert y.tolist() == {3: [[5.0, 4.0], [2.0, 1.0]], 4: [[11.0, 10.0], [7.0, 6.0]]}[side]


@every_form
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_the_dtype_of_the_result_is_that_of_the_arguments(ours, theirs, dtype):
    x, kernel = draw(0, 1, 4, 4, 3).astype(dtype), draw(1, 4, 4, 3, 2).astype(dtype)
    y, pull = jax.vjp(jax.jit(ours), x, kernel)
    assert [y.dtype, *(part.dtype for part in jax.eval_shape(pull, y))] == [dtype] * 3
    # 48 products: of the order of their number's root times half a unit in the last place.
    assert_equal(y.astype(jnp.float32), theirs(x, kernel).astype(jnp.float32), 0.02)


@every_form
def test_vmap_remat_and_loops_change_nothing(ours, theirs):
    with jax.enable_x64(True):
        x, kernel = draw(0, 3, 2, 4, 6, 3), draw(1, 4, 4, 3, 2)

        def total(function, x, kernel):
            return jnp.sum(jnp.sin(function(x, kernel)))

        @jax.jit
        def see(x, kernel):
            gradient = jax.grad(functools.partial(total, jax.checkpoint(ours)), (0, 1))
            mapped = jax.vmap(gradient, (0, None))(x, kernel)
            looped = lax.fori_loop(
                0, 3, lambda i, sums: sums + gradient(x[i], kernel)[1], 0 * kernel
            )
            plain = jax.grad(functools.partial(total, theirs), (0, 1))
            return (*mapped, looped), lax.map(lambda one: plain(one, kernel), x)

        mapped, (images, kernels) = see(x, kernel)
        assert_equal(mapped, (images, kernels, kernels.sum(axis=0)))


def test_pmap_over_devices_changes_nothing():
    x, kernel = draw(0, 2, 1, 4, 4, 3), draw(1, 4, 4, 3, 2)
    for ours, theirs in FORMS.values():
        mapped = jax.pmap(ours, in_axes=(0, None), devices=jax.devices()[:2])(x, kernel)
        assert_equal(mapped, jnp.stack([theirs(one, kernel) for one in x]), 1e-5)


def counted(function, sides, channels, features, platform, *, side=4, count=1):
    """Return the number of convolutions and of products in a function's value and gradients."""
    x = jax.ShapeDtypeStruct((count, *sides, channels), jnp.float32)
    kernel = jax.ShapeDtypeStruct((side, side, channels, features), jnp.float32)

    def total(x, kernel):
        return jnp.sum(jnp.sin(function(x, kernel)))

    return operations(lowered(jax.value_and_grad(total, (0, 1)), x, kernel, platform=platform))


CONVOLUTIONS, PRODUCTS = (3, 0), (0, 3)
same_conv = functools.partial(conv, padding=1)


@pytest.mark.parametrize(("sides", "features_in"), [((4, 4), 8), ((16, 16), 2), ((16, 16), 4)])
def test_the_cpu_always_downsamples_by_products(sides, features_in):
    assert counted(down_conv, sides, features_in, 8, "cpu") == PRODUCTS


@pytest.mark.parametrize(("sides", "features_in"), [((4, 4), 8), ((16, 16), 2), ((16, 16), 4)])
def test_the_cpu_gathers_windows_where_these_are_small_or_the_kernel_is_large(sides, features_in):
    x = jax.ShapeDtypeStruct((1, *sides, features_in), jnp.float32)
    kernel = jax.ShapeDtypeStruct((4, 4, features_in, 8), jnp.float32)
    windows, blocks = (math.prod(side // 2 + more for side in sides) for more in (0, 1))
    text = lowered(down_conv, x, kernel, platform="cpu")
    by_blocks = (sides, features_in) == ((16, 16), 4)
    # One row of the product for each of them.
    assert f"tensor<{blocks if by_blocks else windows}x" in text
    assert f"tensor<{windows if by_blocks else blocks}x" not in text


def test_the_cpu_takes_products_where_the_kernel_is_larger_than_the_image():
    assert counted(same_conv, (4, 4), 8, 8, "cpu") == PRODUCTS
    assert counted(same_conv, (16, 16), 4, 4, "cpu") == CONVOLUTIONS
    assert counted(functools.partial(same_conv, stride=2), (4, 4), 8, 8, "cpu") == CONVOLUTIONS


def test_the_cpu_multiplies_before_it_sums_where_channels_become_few():
    assert counted(conv, (8, 8), 17, 1, "cpu") == PRODUCTS
    assert counted(conv, (8, 8), 16, 1, "cpu") == CONVOLUTIONS


@pytest.mark.parametrize("side", [3, 4])
def test_the_cpu_always_upsamples_by_a_product(side):
    assert counted(up_conv, (16, 16), 2, 2, "cpu", side=side) == PRODUCTS


# Neither is what this machine has: the forms must follow what the program is lowered for.
accelerators = pytest.mark.parametrize("platform", ["cuda", "tpu"])


@accelerators
def test_accelerators_keep_the_library_where_images_are_not_tiny(platform):
    assert counted(same_conv, (4, 4), 8, 8, platform) == CONVOLUTIONS
    assert counted(conv, (8, 8), 64, 1, platform) == CONVOLUTIONS
    assert counted(down_conv, (24, 22), 8, 8, platform) == CONVOLUTIONS
    assert counted(up_conv, (12, 11), 8, 8, platform) == CONVOLUTIONS


@accelerators
def test_accelerators_take_products_for_up_to_128_pixels_of_a_batch(platform):
    for count, sides in ((2, (8, 8)), (32, (2, 2)), (128, (1, 1))):
        larger = (2 * sides[0], 2 * sides[1])
        assert counted(up_conv, sides, 2, 3, platform, count=count) == PRODUCTS
        assert counted(down_conv, larger, 2, 3, platform, count=count) == PRODUCTS
        assert counted(up_conv, sides, 2, 3, platform, count=count + 1) == CONVOLUTIONS
        assert counted(down_conv, larger, 2, 3, platform, count=count + 1) == CONVOLUTIONS


@accelerators
@pytest.mark.parametrize("side", [3, 4])
def test_upsampling_on_accelerators_is_a_strided_convolution_transposed(platform, side):
    x = jax.ShapeDtypeStruct((1, 16, 16, 2), jnp.float32)
    kernel = jax.ShapeDtypeStruct((side, side, 2, 3), jnp.float32)

    def gradients(x, kernel):
        return jax.value_and_grad(lambda *at: jnp.sum(jnp.sin(up_conv(*at))), (0, 1))(x, kernel)

    # The gradient of the kernel is that of a strided convolution's, whose window is spread out. A
    # window that is not would be as large as the image, for which libraries have no good routine.
    value, of_x, of_kernel = (1, 2, 1), (2, 1, 1), (1, 1, 2)
    text = lowered(gradients, x, kernel, platform=platform)
    assert windows(text) == sorted([value, of_x, of_kernel])
    # On a GPU the kernel must be turned before; a TPU's compiler does so by itself.
    assert ("optimization_barrier" in text) == (platform == "cuda")


@accelerators
@pytest.mark.parametrize("sides", [(12, 15), (2, 3)])
@pytest.mark.parametrize(
    ("ours", "theirs"), [(up_conv, library_up_conv), (down_conv, library_down_conv)]
)
def test_the_forms_of_accelerators_have_the_librarys_second_derivatives(
    ours, theirs, sides, platform, monkeypatch
):
    pretend(monkeypatch, platform)
    with jax.enable_x64(True):
        x, kernel = draw(0, 2, *sides, 3), draw(1, 4, 4, 3, 2)
        see = jax.jit(lambda *at: [derivatives(function, *at) for function in (ours, theirs)])
        assert_equal(*see(x, kernel))
