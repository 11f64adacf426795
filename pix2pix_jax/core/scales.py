"""How many times as large targets are as their sources (`data.target_scale`)."""

from pix2pix_jax.core.errors import InputError

TARGET_SCALES = (0.5, 1.0, 2.0, 3.0, 4.0)

Size = tuple[int, int]


def scaled(size: tuple[int, ...], scale: float) -> Size:
    """Return the height and width of the target that belongs to a source.

    Args:
        size: Height and width of the source.
        scale: How many times as large the target is, one of `TARGET_SCALES`.

    Returns:
        Height and width; the half of an odd side is rounded up.
    """
    height, width = (-int(-side * scale // 1) for side in size)
    return height, width


def step_of(scale: float) -> int:
    """Return what sides and places in a source must be multiples of, to have one in the target."""
    return 2 if scale < 1 else 1


def multiple_below(size: tuple[int, ...], step: int) -> Size:
    """Return the largest height and width up to a size that are multiples of a number."""
    height, width = (side // step * step for side in size)
    return height, width


def sizes_of_one(size: tuple[int, ...], scale: float, what: object) -> tuple[Size, Size]:
    """Return the sizes of a source and a target that are both made of images of one size.

    Args:
        size: Height and width of the images; rows and columns beyond a multiple are left out.
        scale: How many times as large the target is.
        what: Name of the images, for the message.

    Returns:
        Height and width of the source, and of the target: the larger one has the images' size.

    Raises:
        InputError: The images are so small that nothing is left of the smaller side.
    """
    factor = round(max(scale, 1 / scale))
    height, width = multiple_below(size, factor)
    if not height or not width:
        raise InputError(
            f"{what}: {size[0]} x {size[1]} pixels (height, width), too small for "
            f"data.target_scale={scale:g}, which makes one side {factor} times smaller; remove it, "
            "or choose another scale"
        )
    shrink = max(int(scale), 1)
    source = height // shrink, width // shrink
    return source, scaled(source, scale)


def check_halves(key: str, size: tuple[int, ...], scale: float) -> None:
    """Raise InputError if targets are half as large, and a size has an odd side.

    Args:
        key: What the size is, such as `data.image_size`.
        size: Height and width of sources; one number or none are fine too.
        scale: See `scaled`.
    """
    if scale < 1 and any(side % 2 for side in size):
        even = tuple(side + side % 2 for side in size)
        raise InputError(
            f"{key}={tuple(size)} with data.target_scale={scale:g}: half of it is no whole number; "
            f"choose {even}"
        )
