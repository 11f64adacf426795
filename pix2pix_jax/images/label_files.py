"""Label maps: image files whose pixels are class indices."""

import numpy as np
from jaxtyping import Integer
from PIL import Image, ImageOps

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.files import BROKEN_FILE, File, read_stored, refuse_bomb

# Pillow stretches 2-bit and 4-bit gray to 0..255, by these factors.
_STRETCHED = {"L;2": 85, "L;4": 17}


def read_labels(file: File, *, name: object = None) -> Integer[np.ndarray, "h w 1"]:
    """Read class indices: a palette image's indices, or a gray image's values of any depth.

    Args:
        file: A path, or a binary file.
        name: Name of the image, for messages; its path by default.

    Raises:
        InputError: As for `read_stored`; or the image is neither.
    """
    name = file if name is None else name
    try:
        with Image.open(file) as picture:
            # Not a TIFF: if it has several bands, Pillow would take the first for gray.
            if picture.mode in ("P", "1") or (picture.mode == "L" and picture.format != "TIFF"):
                return _read_indices(picture)
    except BROKEN_FILE:
        pass  # an array; or read_stored will say what is wrong
    image = read_stored(file, name=name)
    if image.shape[-1] != 1 or image.dtype == np.float32:
        raise InputError(
            f"{name}: {image.shape[-1]} channels of {image.dtype}; class indices "
            "(data.source_classes) are one channel of whole numbers, or a palette image"
        )
    return image


def _read_indices(picture: Image.Image) -> Integer[np.ndarray, "h w 1"]:
    refuse_bomb(*picture.size)
    tile = getattr(picture, "tile", None)
    factor = _STRETCHED.get(str(tile[0][3]), 1) if picture.format == "PNG" and tile else 1
    ImageOps.exif_transpose(picture, in_place=True)
    indices = np.array(picture)
    return (indices.astype(np.uint8) // factor)[..., None]
