"""What stored pixels mean to the networks; the only place where ranges are converted.

Images are stored as uint8, uint16, float32 or class indices; the networks see float32 in [-1, 1].
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped, UInt8

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import label_files, no_data
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.limits import MAX_PIXELS
from pix2pix_jax.images.opening import File
from pix2pix_jax.images.wrong_dtype import WrongDtypeError

VOID = 255  # index of pixels without a class, as is common in label maps
# Values farther from the range than this, in halves of it, are refused: float32 cannot square what
# the networks make of them.
_FAR = 1e6


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How one side of all pairs is stored.

    Attributes:
        channels: Channels as stored; 1 for class indices.
        dtype: `uint8`, `uint16` or `float32`.
        low: Value that becomes -1.
        high: Value that becomes 1.
        classes: Number of classes if pixels are class indices; 0 if they are not.
        max_pixels: Largest number of pixels of a file that is read.
        side: `source` or `target`, for messages; '' if it is both.
        no_data: What marks pixels without data, `nan` or a number as text; None: all hold data.
    """

    channels: int = 3
    dtype: str = "uint8"
    low: float = 0.0
    high: float = 255.0
    classes: int = 0
    max_pixels: int = dataclasses.field(default=MAX_PIXELS, compare=False)
    side: str = dataclasses.field(default="", compare=False)
    no_data: str | None = None

    @property
    def parts(self) -> tuple["Encoding", ...]:
        """The encodings of which it consists: itself, as `stacked.StackedEncoding` has several."""
        return (self,)

    def split(self, image: Shaped[np.ndarray, "h w c"]) -> list[Shaped[np.ndarray, "h w c"]]:
        """Return the image of each of its parts: the image itself."""
        return [image]

    @property
    def half(self) -> float:
        """Half of the range of stored values: how much of them 1 is in [-1, 1]."""
        return (self.high - self.low) / 2

    def valid(self, image: Shaped[Array | np.ndarray, "*n h w c"]) -> Bool[Any, "*n h w 1"]:
        """Return which stored pixels hold data, see `no_data.valid`; works under `jit`."""
        return no_data.valid(image, self.no_data)

    @property
    def suffix(self) -> str:
        """The suffix of the files that such images are written to."""
        return image_files.suffix_of(self.dtype, self.channels)

    @property
    def depth(self) -> int:
        """Number of channels that the networks see: for class indices, one per class."""
        return self.classes or self.channels

    def read(self, file: File, *, name: object = None) -> Shaped[np.ndarray, "h w c"]:
        """Read an image file.

        Args:
            file: A path, or a binary file.
            name: Name of the image, for messages; its path by default.

        Raises:
            InputError: It cannot be read, or does not hold what this encoding says.
        """
        what = file if name is None else name
        if self.classes:
            labels = label_files.read_labels(file, name=what, max_pixels=self.max_pixels)
            return self.convert(labels, what)
        # What NaN means is decided below.
        most = self.max_pixels
        picture = image_files.read_picture(file, name=what, max_pixels=most, checked=False)
        return self.convert(picture.pixels, what, kind=picture.kind)

    def check_file(self, file: File, *, name: object = None) -> None:
        """Raise InputError for a file that `read` would refuse, as far as its header tells.

        Class indices are read whole, as each pixel counts.

        Args:
            file: A path, or a binary file.
            name: Name of the image, for messages; its path by default.
        """
        what = file if name is None else name
        if self.classes:
            self.read(file, name=what)
            return
        pixel = image_files.read_pixel(file, name=what, max_pixels=self.max_pixels)
        middle = np.full_like(pixel.pixels, (self.low + self.high) / 2)
        # The middle may be what marks pixels without data.
        dataclasses.replace(self, no_data=None).convert(middle, what, kind=pixel.kind)

    def convert(
        self, image: Shaped[np.ndarray, "h w c"], what: object, *, kind: str = ""
    ) -> Shaped[np.ndarray, "h w d"]:
        """Convert an image as read from a file to this number of channels.

        Args:
            image: Pixels.
            what: Name of the image, for the message.
            kind: What its channels mean, see `pixels.as_channels`.

        Raises:
            InputError: It has another dtype, channels that cannot be converted, a class out of
                range, values far beyond the range, or NaN that marks nothing.
        """
        if self.classes:
            self._check_classes(image, what)
            return self.check(image.astype(self.dtype), what)
        if image.dtype != self.dtype:
            raise WrongDtypeError(what, str(image.dtype), self.dtype, self.side)
        self._check_range(image, what)
        converted = images.as_channels(image, self.channels, what, kind=kind)
        if self.no_data is None or image.shape == converted.shape:
            return converted
        # The mark must be the same to the bit, and mixing channels rounds.
        mark = np.array(float(self.no_data)).astype(self.dtype)
        return np.where(self.valid(image), converted, mark)

    def check(
        self, image: Shaped[np.ndarray, "h w c"], what: object
    ) -> Shaped[np.ndarray, "h w c"]:
        """Return the image unchanged, if it is stored as this encoding says.

        Args:
            image: Pixels.
            what: Name of the image, for the message.

        Raises:
            InputError: It has another dtype or number of channels, a class out of range, or values
                that `convert` refuses.
        """
        if image.dtype != self.dtype or image.shape[-1] != self.channels:
            raise InputError(
                f"{what}: {image.shape[-1]} channels of {image.dtype}, expected {self.channels} of "
                f"{self.dtype}"
            )
        if self.classes:
            self._check_classes(image, what)
        else:
            self._check_range(image, what)
        return image

    def _check_range(self, image: Shaped[np.ndarray, "h w c"], what: object) -> None:
        """Raise InputError for values that would become infinite, or nan, inside the networks.

        NaN is refused, too, unless it marks pixels without data.
        """
        if self.dtype != "float32" and self._share(images.white(np.dtype(self.dtype))) <= _FAR:
            return
        values = image if self.no_data is None else image[self.valid(image)[..., 0]]
        for value in (values.min(), values.max()) if values.size else ():
            if np.isnan(value):
                ways = f", or set data.{self.side}_no_data=nan" if self.side else ""
                raise InputError(
                    f"{what}: holds values that are not finite ({np.isnan(values).sum()} of "
                    f"{image.size} are nan); replace them{ways}"
                )
            if np.isinf(value):
                raise InputError(
                    f"{what}: holds values that are not finite ({np.isinf(values).sum()} of "
                    f"{image.size} are infinite); replace them"
                )
            if not self._share(float(value)) <= _FAR:
                raise InputError(
                    f"{what}: holds {value:.6g}, a million times beyond the range {self.low:g} to "
                    f"{self.high:g}; replace it, or set data.source_range or data.target_range"
                )

    def _share(self, value: float) -> float:
        """Return how far a value is from the middle of the range, in halves of the range."""
        return abs(value - self.low - self.half) / self.half

    def _check_classes(self, image: Shaped[np.ndarray, "h w c"], what: object) -> None:
        wrong = image[((image >= self.classes) | (image < 0)) & (image != VOID)]
        if wrong.size:
            raise InputError(
                f"{what}: holds class {int(wrong[0])}; "
                f"data.{self.side or 'source'}_classes={self.classes} has 0 to {self.classes - 1}, "
                f"and {VOID} for no class"
            )

    def to_network(
        self, image: Shaped[Array | np.ndarray, "*n h w c"]
    ) -> Float[Array, "*n h w depth"]:
        """Map stored pixels to [-1, 1], on the device; works under `jit`.

        Returns:
            float32. Class indices become one channel per class: 1 for the pixel's class, -1 for all
            others. Pixels without data become 0, the middle.
        """
        if self.classes:
            labels = image[..., 0].astype(np.int32)  # stacked with others, they may be float32
            return 2 * jax.nn.one_hot(labels, self.classes, dtype=jnp.float32) - 1
        values = (jnp.asarray(image).astype(jnp.float32) - self.low) / self.half - 1
        return self.blank(image, values)

    def blank(
        self,
        image: Shaped[Array | np.ndarray, "*n h w c"],
        values: Float[Array, "*n h w depth"],
    ) -> Float[Array, "*n h w depth"]:
        """Return what the networks see of stored pixels, with 0 where these hold no data."""
        return values if self.no_data is None else jnp.where(self.valid(image), values, 0)

    def from_network(
        self, image: Float[Array | np.ndarray, "*n h w depth"]
    ) -> Shaped[np.ndarray, "*n h w c"]:
        """Map [-1, 1] to the stored range; integers are rounded to the nearest level.

        For classes, the channel with the largest value is taken.
        """
        return np.asarray(self.stored(np.asarray(image, np.float32)))

    def stored(
        self, image: Float[Array | np.ndarray, "*n h w depth"]
    ) -> Shaped[Array | np.ndarray, "*n h w c"]:
        """Do what `from_network` does for float32; works under `jit`."""
        if self.classes:
            return image.argmax(axis=-1)[..., None].astype(self.dtype)
        values = self.unscaled(image)
        if self.dtype == "float32":
            return values
        return values.round().clip(0, images.white(np.dtype(self.dtype))).astype(self.dtype)

    def unscaled(
        self, image: Float[Array | np.ndarray, "*n h w c"]
    ) -> Float[Array | np.ndarray, "*n h w c"]:
        """Map float32 in [-1, 1] to the stored range, without rounding; works under `jit`."""
        return (image + 1) * np.float32(self.half) + np.float32(self.low)

    def resize(
        self, image: Shaped[np.ndarray, "h w c"], size: tuple[int, int]
    ) -> Shaped[np.ndarray, "h2 w2 c"]:
        """Resize to (height, width); class indices take the nearest pixel."""
        if self.no_data is not None:
            return no_data.resize(image, size, self.no_data)
        return images.resize(image, size, nearest=bool(self.classes))

    def show(
        self, image: Shaped[np.ndarray, "h w c"], bands: tuple[int, ...] = ()
    ) -> UInt8[np.ndarray, "h w _"]:
        """Make a picture of stored pixels.

        Args:
            image: Pixels as stored.
            bands: Numbers of one or three channels to show. If it is empty, or the image does not
                have them all: the first three, or the first.

        Returns:
            Gray or RGB; each class has its own colour. Pixels without data are hatched.
        """
        if self.classes:
            return _class_colours(self.classes)[np.minimum(image[..., 0], self.classes)]
        if not bands or max(bands) >= self.channels:
            bands = (0, 1, 2) if self.channels >= 3 else (0,)
        shown = image[..., list(bands)].astype(np.float32)
        if self.no_data is None:
            return images.to_uint8((shown - self.low) / self.half - 1)
        good = self.valid(image)
        shown = np.where(good, shown, self.low)
        return no_data.hatch(images.to_uint8((shown - self.low) / self.half - 1), good)


PHOTO = Encoding()  # 8-bit RGB


def _class_colours(classes: int) -> UInt8[np.ndarray, "_ 3"]:
    """Return a colour for each class, hues a golden angle apart; then black, for no class."""
    turns = (np.arange(classes) * 0.618034)[:, None] + np.array([0.0, 1 / 3, 2 / 3])
    colours = 0.5 + 0.45 * np.cos(2 * np.pi * turns)
    return np.concatenate([np.rint(255 * colours), np.zeros((1, 3))]).astype(np.uint8)
