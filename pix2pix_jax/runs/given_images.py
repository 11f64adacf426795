"""What users hand to `translate`, as arrays of the kind that the generator takes."""

import io
import logging
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.images.stacked import SourceEncoding

logger = logging.getLogger(__name__)

Array = Shaped[np.ndarray, "_ _ _"]  # (height, width, channels)
_IN_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")  # modes of Pillow that it holds without loss
_AS_NUMBERS = ("I", "F")  # modes that are no colours
_FLOATS = {"uint8": "255", "uint16": "65535"}


def as_images(given: Any, encoding: SourceEncoding) -> list[Array]:
    """Return images as arrays that are stored as an encoding says.

    Args:
        given: A list or another iterable of images, or one array of (n, height, width, channels).
            An image is an array of (height, width, channels) of NumPy, JAX or PyTorch; with one
            channel, that axis may be missing. Or it is a picture of Pillow or the path of a file;
            both are converted like the files of a folder. Of several sources, an image is a tuple
            of such, one for each and all of one size, or the stacked array.
        encoding: How the generator's sources are stored.

    Returns:
        The images, in order.

    Raises:
        InputError: It is something else; the message says what is expected.
    """
    expected = f"expected a list of images, each an array of {_shape(encoding)} or a file's path"
    if isinstance(given, str | os.PathLike | Image.Image) or getattr(given, "ndim", 4) in (2, 3):
        single = "for a single one, write [image], or generator(image)"
        raise InputError(f"{_describe(given)}: {expected}; {single}")
    if hasattr(given, "__array__"):
        given = _to_numpy(given, "images")
    if isinstance(given, Mapping) or not hasattr(given, "__iter__"):
        raise InputError(f"{_describe(given)}: {expected}")
    images = [_as_source(one, f"image {number}", encoding) for number, one in enumerate(given)]
    _warn_of_range(images, encoding)
    return images


def check_names(names: Sequence[Any] | None, count: int) -> list[str]:
    """Return the names of images as texts, their numbers if there are none.

    Raises:
        InputError: They are not a list, or there are more or fewer than images.
    """
    if names is None:
        return [str(number) for number in range(count)]
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InputError(f"names={shown(names)}: expected a list with a name for each image")
    if len(names) != count:
        raise InputError(f"names has {len(names)} entries for {count} images; give one for each")
    return [os.fspath(name) if isinstance(name, os.PathLike) else str(name) for name in names]


def _as_source(image: Any, what: str, encoding: SourceEncoding) -> Array:
    """Return one image, or several sources as one that is stacked."""
    if isinstance(encoding, Encoding):
        return _as_image(image, what, encoding)
    if hasattr(image, "__array__") and not isinstance(image, Image.Image):
        return encoding.check(_to_numpy(image, what), what)
    if not isinstance(image, tuple | list):
        names = ", ".join(encoding.names)
        raise InputError(f"{what}: {_describe(image)}; expected a tuple of an image each: {names}")
    encoding.check_count(len(image), what)
    named = zip(image, encoding.parts, encoding.names, strict=True)
    return encoding.stack(
        [_as_image(one, f"{what}, {name}", part) for one, part, name in named], what
    )


def _as_image(image: Any, what: str, encoding: Encoding) -> Array:
    if isinstance(image, str | os.PathLike):
        return encoding.read(pathlib.Path(image))
    if isinstance(image, Image.Image):
        if image.mode not in _AS_NUMBERS:
            return encoding.read(_in_memory(image), name=what)
        image = np.asarray(image)
    array = _to_numpy(image, what)
    if array.ndim == 2 and encoding.channels == 1:
        array = array[..., None]
    if array.ndim != 3 or 0 in array.shape:
        raise InputError(f"{what}: {_describe(image)}; expected an array of {_shape(encoding)}")
    _check_kind(array, what, encoding)
    return encoding.check(array, what)


def _check_kind(array: Array, what: str, encoding: Encoding) -> None:
    """Raise InputError with a hint for the mistakes that are made most."""
    channels = encoding.channels
    if array.shape[-1] != channels and array.shape[0] == channels:
        raise InputError(
            f"{what}: an array of shape {array.shape}; expected {_shape(encoding)}: move the "
            "channels to the end"
        )
    if array.dtype.kind == "f" and encoding.dtype in _FLOATS:
        raise InputError(
            f"{what}: {array.shape[-1]} channels of {array.dtype}, expected {channels} of "
            f"{encoding.dtype}; if 0 is black and 1 is white, multiply by "
            f"{_FLOATS[encoding.dtype]}, round and convert"
        )


def _warn_of_range(images: Sequence[Array], encoding: SourceEncoding) -> None:
    """Warn of floating-point values that the generator has never seen the like of."""
    for number, part in enumerate(encoding.parts):
        if part.dtype == "float32":
            _warn_of_part([encoding.split(image)[number] for image in images], part)


def _warn_of_part(images: Sequence[Array], encoding: Encoding) -> None:
    held = images
    if encoding.no_data is not None:
        held = [image[encoding.valid(image)[..., 0]] for image in images]
    wrong = [
        number
        for number, values in enumerate(held)
        if values.size and (values.min() < encoding.low or values.max() > encoding.high)
    ]
    if wrong:
        first = held[wrong[0]]
        logger.warning(
            "%d of %d images have values outside the range of the training, %g to %g; image %d has "
            "%g to %g",
            *(len(wrong), len(images), encoding.low, encoding.high),
            *(wrong[0], first.min(), first.max()),
        )


def _in_memory(picture: Image.Image) -> io.BytesIO:
    """Return a picture as a file, so that it is converted like one."""
    file = io.BytesIO()
    picture = picture if picture.mode in _IN_PNG else picture.convert("RGB")
    picture.save(file, "PNG", compress_level=1)
    file.seek(0)
    return file


def _to_numpy(image: Any, what: str) -> np.ndarray:
    try:
        return np.asarray(image)
    except Exception as error:  # from its own library: a tensor on a GPU, or one with a gradient
        reason = " ".join(str(error).split())
        raise InputError(f"{what}: {_describe(image)} cannot become an array ({reason})") from None


def _shape(encoding: SourceEncoding) -> str:
    return f"(height, width, {encoding.channels}) in {encoding.dtype}"


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return f"{kind} {shown(value)}" if shape is None else f"{kind} of shape {tuple(shape)}"
