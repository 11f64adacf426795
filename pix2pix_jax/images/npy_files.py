"""Arrays of NumPy as images: files with the suffix `.npy`."""

import math

import numpy as np

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.limits import refuse_large
from pix2pix_jax.images.opening import Opened, reader
from pix2pix_jax.images.pixels import Picture, kind_of

MAGIC = np.lib.format.MAGIC_PREFIX
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_header(file: Opened) -> tuple[tuple[int, ...], np.dtype]:
    """Read the shape and the dtype of an array from its header.

    Args:
        file: The file, at its start.

    Returns:
        Both; the shape is (height, width) or (height, width, channels).

    Raises:
        InputError: The header is broken, the array is no image, or the file ends too early.
    """
    with reader():
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise InputError(f"NumPy's format {version[0]}.{version[1]}; save it with np.save")
        shape, _, dtype = _HEADERS[version](file)
        start, end = file.tell(), file.seek(0, 2)
    if dtype.hasobject or dtype.kind not in "biuf":
        raise InputError(f"an array of {dtype}; expected numbers")
    if len(shape) not in (2, 3) or 0 in shape:
        raise InputError(f"an array of shape {shape}; expected (height, width, channels)")
    missing = math.prod(shape) * dtype.itemsize - (end - start)
    if missing > 0:
        raise InputError(f"cannot be read as an image (truncated: {missing} bytes are missing)")
    return shape, dtype


def load_npy(file: Opened, max_pixels: int) -> Picture:
    """Read an array: three channels are taken for RGB, two and four for bands without alpha.

    Args:
        file: The file, at its start.
        max_pixels: As for `refuse_large`.

    Raises:
        InputError: As for `read_header` and `refuse_large`.
    """
    shape, dtype = read_header(file)
    refuse_large(shape[1], shape[0], math.prod(shape) * dtype.itemsize, max_pixels)
    with reader():
        file.seek(0)
        array = np.lib.format.read_array(file, allow_pickle=False)
    pixels = array.reshape(*array.shape[:2], -1)
    return Picture(pixels, kind_of(pixels))
