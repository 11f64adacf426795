"""What the step becomes on each platform, whichever machine lowers it."""

import functools
from collections import Counter

import jax
import jax.numpy as jnp
import pytest
from support.platforms import operations, precisions, text_for, windows

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.exactness import USUAL, Exactness
from pix2pix_jax.data.augment import Augmentation, augment
from pix2pix_jax.images.encoding import PHOTO
from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.discriminators import PatchGAN
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.training.objectives import build_losses
from pix2pix_jax.training.optimizers import build_optimizer
from pix2pix_jax.training.state import create_train_state
from pix2pix_jax.training.step import make_step
from pix2pix_jax.training.step_parts import StepParts

SIZE, BATCH = 64, 4


@functools.cache
def traced_step(levels, accumulate, exactness=USUAL):
    """Trace the step of a small network; it can then be lowered for any platform."""
    shape = (SIZE, SIZE, 3)
    discriminator = PatchGAN(base_features=4, layers=min(levels, 3))
    networks = Networks(UNet(base_features=4, levels=levels), discriminator, shape, shape)
    encode = {"encode_source": PHOTO.to_network, "encode_target": PHOTO.to_network}
    prepare = functools.partial(augment, options=Augmentation((SIZE, SIZE)), **encode)
    adam = build_optimizer(lambda step: 2e-4, 0.5, 0.999)
    losses = build_losses(**default_config().loss)
    parts = StepParts(
        networks.generator, discriminator, adam, adam, losses, prepare, exactness=exactness
    )
    state = jax.eval_shape(lambda: create_train_state(networks, adam, adam, seed=0))
    pixels = jax.ShapeDtypeStruct((BATCH, SIZE + 8, SIZE + 8, 3), jnp.uint8)
    places = jax.ShapeDtypeStruct((BATCH,), jnp.int32)
    batch = {"source": pixels, "target": pixels, "example": places}
    return jax.jit(make_step(parts, accumulate=accumulate)).trace(state, batch)


def step_on(platform, levels=6, accumulate=1):
    """Return the text of the step. Of six levels, the inner three have 4 to 64 pixels a batch."""
    return text_for(platform, traced_step(levels, accumulate))


def test_a_step_lowered_for_the_cpu_has_its_forms():
    # Products alone. The generator has 12 convolutions with value and gradients, the first without
    # that of the image. The discriminator has 5. It sees the fake and the target with its
    # gradients, and the fake again for the generator's.
    assert operations(step_on("cpu")) == (0, 3 * 12 - 1 + 2 * (3 * 5 - 1) + 2 * 5)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_a_step_lowered_for_an_accelerator_on_this_cpu_has_the_forms_of_accelerators(platform):
    text = step_on(platform)
    # The generator has 3 down and 3 up, and the others as products. The discriminator sees fake
    # and target as one batch.
    assert operations(text) == (8 + 9 + 14 + 10, 3 * 6)
    assert Counter(windows(text)) == {
        (2, 1, 1): 3 + 3 + 3 + 3,  # down, the image's gradient of up, and the discriminator twice
        (1, 2, 1): 3 + 2 + 2 + 3,  # up, and the image's gradients of what is down
        (1, 1, 2): 3 + 3 + 3,  # the kernels' gradients of all of these
        (1, 1, 1): 2 * 3 + 2 * 2,  # the discriminator's last two
    }


def test_parts_of_a_batch_are_looped_over_on_accelerators_and_unrolled_on_the_cpu():
    for platform, passes in (("cpu", 0), ("cuda", 2), ("tpu", 2)):
        whole, parts = (
            step_on(platform, levels=1, accumulate=count).count("stablehlo.while")
            for count in (1, 2)
        )
        assert parts - whole == passes  # the others draw random numbers


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
@pytest.mark.parametrize(
    ("asked", "written"),
    [((), "DEFAULT"), (("float32",), "HIGHEST"), (("tensorfloat32",), "HIGH")],
)
def test_every_product_of_a_step_has_the_precision_that_was_asked_for(platform, asked, written):
    text = text_for(platform, traced_step(6, 1, *map(Exactness, asked)))
    assert precisions(text) == {written: sum(operations(text))}
