"""How much an image may be: judged by what its header says, before pixels are unpacked.

A file of a few hundred bytes can claim to have billions of pixels, and several threads read at
once: each takes at most about 8 bytes of memory for every pixel that is allowed.
"""

from pix2pix_jax.core.errors import InputError

MAX_PIXELS = 2**27  # of one image, unless data.max_pixels says otherwise: 134 million
_BYTES_PER_PIXEL = 4  # RGBA of 8 bits, or one band of float32


def refuse_large(width: int, height: int, nbytes: int, max_pixels: int) -> None:
    """Refuse an image that is too large to be read.

    Args:
        width: Its width.
        height: Its height.
        nbytes: Number of bytes that its values, or what they are unpacked into, take.
        max_pixels: Largest number of pixels allowed; each may have 4 bytes on average.

    Raises:
        InputError: It has more pixels than allowed, or more bytes than 4 times that.
    """
    way_out = f"data.max_pixels={max_pixels} allows; raise it (for files: --max_pixels)"
    if width * height > max_pixels:
        raise InputError(f"{width} x {height} pixels, more than {way_out}")
    if nbytes > _BYTES_PER_PIXEL * max_pixels:
        raise InputError(f"{nbytes} bytes to unpack, more than the 4 per pixel that {way_out}")
