"""Which image sizes fit which network."""

from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code_files import is_own

# A U-Net with fewer levels sees too little of an image.
_LEAST_AUTOMATIC_LEVELS = 4


def halvings(size: tuple[int, int]) -> int:
    """Return how often both sides can be halved without a remainder."""
    return min((side & -side).bit_length() - 1 for side in size)


def unet_levels(levels: int, image_size: tuple[int, int]) -> int:
    """Choose or check the depth of the U-Net.

    Args:
        levels: Wanted depth; 0: as often as both sides can be halved.
        image_size: Height and width of the images.

    Returns:
        The depth.

    Raises:
        InputError: The sides cannot be halved that often. The message suggests sizes that can.
    """
    possible = halvings(image_size)
    wanted = levels or max(possible, _LEAST_AUTOMATIC_LEVELS)
    if wanted < 2:
        raise InputError(f"model.levels={levels}: a U-Net needs at least 2, or 0 for automatic")
    if wanted <= possible:
        return wanted
    unit = 2**wanted
    near = [f"({h}, {w})" for h, w in _sizes_around(image_size, unit)]
    shallower = f", or model.levels at most {possible}" if possible >= 2 else ""
    raise InputError(
        f"data.image_size={image_size}: the U-Net halves each side {wanted} times (model.levels), "
        f"so sides must be multiples of {unit}: choose {' or '.join(near)}{shallower}"
    )


def size_multiple(model: ConfigDict, image_size: tuple[int, int]) -> int:
    """Return what the sides of an image must be multiples of to fit the generator.

    Args:
        model: The section `model` of a configuration.
        image_size: Height and width that it is trained with, which decide the levels of a U-Net.
    """
    if model.generator == "unet":
        return 2 ** unet_levels(model.levels, image_size)
    if is_own(model.generator):  # nothing is known but that it takes this size
        return 2 ** halvings(image_size)
    return 2**model.downsamplings if model.generator == "hybrid" else 4


def _sizes_around(size: tuple[int, int], unit: int) -> list[tuple[int, ...]]:
    """Return the nearest sizes that are multiples of `unit`, below (if possible) and above."""
    below = tuple(max(side // unit, 1) * unit for side in size)
    above = tuple(-(-side // unit) * unit for side in size)
    return sorted({below, above})


def check_multiple(generator: str, image_size: tuple[int, int], unit: int, least: int) -> None:
    """Raise InputError unless both sides are multiples of `unit`, and at least `least`.

    Args:
        generator: Name of the generator, for the message.
        image_size: Height and width of the images.
        unit: What the sides must be multiples of.
        least: Smallest side.
    """
    if all(side % unit == 0 and side >= least for side in image_size):
        return
    sizes = [size for size in _sizes_around(image_size, unit) if min(size) >= least]
    near = " or ".join(f"({h}, {w})" for h, w in sizes or [(least, least)])
    raise InputError(
        f"data.image_size={image_size}: model.generator={generator!r} needs sides that are "
        f"multiples of {unit}, at least {least}: choose {near}"
    )


def check_patches(layers: int, scales: int, size: tuple[int, int]) -> None:
    """Raise InputError if an image is too small for a PatchGAN.

    Args:
        layers: Strided layers.
        scales: Scales, each half the size of the one before.
        size: Height and width of the targets.
    """
    # Two layers of stride 1 follow, each of which takes off one pixel; halving rounds up.
    least = 2 ** (scales - 1) * (3 * 2**layers - 1) + 1
    if min(size) < least:
        keys = f"model.discriminator_layers={layers}"
        keys += f", model.discriminator_scales={scales}" if scales > 1 else ""
        raise InputError(
            f"{keys}, data.image_size * data.target_scale={size}: no patch is left; sides must be "
            f"at least {least}"
        )
