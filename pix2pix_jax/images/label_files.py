"""Label maps: image files whose pixels are class indices."""

import numpy as np
from jaxtyping import Integer

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.files import decode
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.opening import File, identify, naming, open_file, reader


def read_colours(file: File) -> dict[int, tuple[int, ...]]:
    """Return the colours of a palette image's indices, as far as its pixels have them.

    Args:
        file: A path, or a binary file.

    Returns:
        The colours by index; empty if the image has no palette.
    """
    with open_file(file) as opened, reader():
        image = identify(opened)
        if image.mode != "P":
            return {}
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        used = np.unique(np.asarray(image)).tolist()
    return {index: tuple(palette[index].tolist()) for index in used if index < len(palette)}


def read_labels(
    file: File, *, name: object = None, max_pixels: int = MAX_PIXELS
) -> Integer[np.ndarray, "h w 1"]:
    """Read class indices: a palette image's indices, or a gray image's values of any depth.

    Args:
        file: A path, or a binary file.
        name: Name of the image, for messages; its path by default.
        max_pixels: As for `files.read_picture`.

    Raises:
        InputError: As for `files.read_picture`; or the image is neither.
    """
    with naming(file if name is None else name):
        pixels = decode(file, max_pixels=max_pixels, indices=True).pixels
        if pixels.shape[-1] != 1 or pixels.dtype.kind not in "biu":
            raise InputError(
                f"{pixels.shape[-1]} channels of {pixels.dtype}; class indices "
                "(data.source_classes) are one channel of whole numbers, or a palette image"
            )
        # By its size, as NumPy has two types of 64 bits.
        return pixels.astype("u1" if pixels.dtype.kind == "b" else f"={pixels.dtype.str[1:]}")
