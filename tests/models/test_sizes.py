"""Which image sizes fit which network."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.models.build import build_generator
from pix2pix_jax.models.discriminators import MultiscaleGAN, PatchGAN
from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.models.sizes import check_patches, unet_levels


@pytest.mark.parametrize(("size", "levels"), [((256, 256), 8), ((384, 384), 7), ((512, 256), 8)])
def test_levels_are_as_many_as_the_sides_halve(size, levels):
    assert unet_levels(0, size) == levels


@pytest.mark.parametrize(
    ("levels", "size", "message"),
    [
        (8, (128, 128), r"multiples of 256: choose \(256, 256\), or model.levels at most 7"),
        (0, (250, 250), r"multiples of 16: choose \(240, 240\) or \(256, 256\)"),
        (1, (256, 256), "at least 2"),
    ],
)
def test_a_size_that_cannot_be_halved_is_refused_with_those_that_can(levels, size, message):
    with pytest.raises(InputError, match=message):
        unet_levels(levels, size)


@pytest.mark.parametrize("size", [(250, 250), (100, 300), (7, 1000), (255, 257)])
def test_sizes_that_a_refusal_names_are_accepted(tiny_config, size):
    with pytest.raises(InputError) as refusal:
        unet_levels(0, size)
    named = re.findall(r"\((\d+), (\d+)\)", str(refusal.value).split("choose")[1])
    assert named
    for height, width in named:
        size = int(height), int(width)
        build_generator(tiny_config.model, image_size=size, out_channels=3)


@pytest.mark.parametrize(
    ("name", "downsamplings", "size", "message"),
    [
        ("resnet", 3, (250, 256), r"'resnet' needs .* multiples of 4, at least 8: choose"),
        ("resnet", 3, (4, 4), r"at least 8: choose \(8, 8\)"),
        ("hybrid", 3, (100, 100), r"'hybrid' needs .* of 8, .*choose \(96, 96\) or \(104, 104\)"),
        ("hybrid", 5, (48, 48), r"of 32, .*choose \(64, 64\)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_with_those_that_do(
    tiny_config, name, downsamplings, size, message
):
    tiny_config.model.update(generator=name, downsamplings=downsamplings)
    with pytest.raises(InputError, match=message) as refusal:
        build_generator(tiny_config.model, image_size=size, out_channels=3)
    named = re.findall(r"\((\d+), (\d+)\)", str(refusal.value).split("choose")[1])
    for near in named:
        height, width = map(int, near)
        module = build_generator(tiny_config.model, image_size=(height, width), out_channels=3)
        params, _ = abstract_variables(module, (1, height, width, 3))
        assert params


def sides_of_logits(module, *size):
    """Return height and width of the logits of each scale."""
    shape = (1, *size, 3)
    params, _ = abstract_variables(module, shape, shape)
    image = jax.ShapeDtypeStruct(shape, jnp.float32)
    apply = partial(module.apply, train=False)
    scales = jax.eval_shape(apply, {"params": params}, image, image)
    return [logits.shape[1:3] for logits, _ in scales]


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_smallest_image_that_is_accepted_leaves_a_patch(layers):
    least = 3 * 2**layers
    check_patches(layers, 1, (least, least + 5))
    ((height, _),) = sides_of_logits(PatchGAN(base_features=4, layers=layers), least, least + 5)
    assert height == 1
    message = f"model.discriminator_layers={layers}, data.image_size.* at least {least}"
    with pytest.raises(InputError, match=message):
        check_patches(layers, 1, (least + 5, least - 1))


@pytest.mark.parametrize(("scales", "least"), [(1, 12), (2, 23), (3, 45)])
def test_the_smallest_image_of_multiscale_leaves_a_patch_at_its_coarsest(scales, least):
    check_patches(2, scales, (least, least))
    module = MultiscaleGAN(scales, partial(PatchGAN, base_features=4, layers=2))
    assert sides_of_logits(module, least, least)[-1] == (1, 1)
    with pytest.raises(InputError, match=f"no patch is left; sides must be at least {least}"):
        check_patches(2, scales, (least - 1, least))
