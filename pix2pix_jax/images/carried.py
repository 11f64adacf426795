"""What a result keeps of its source's file: where on Earth it lies, and what its colours mean."""

import dataclasses
import os
from typing import Any

import numpy as np

from pix2pix_jax.images.opening import File, Opened, identify, naming, open_file, reader
from pix2pix_jax.images.tiff_files import MAGIC

# Tags of GeoTIFF (OGC 19-008r4), and GDAL's for the value that stands for missing pixels.
PIXEL_SCALE, TIEPOINT, TRANSFORMATION = 33550, 33922, 34264
GEO_KEYS, GEO_DOUBLES, GEO_TEXTS, GDAL_NODATA = 34735, 34736, 34737, 42113
# Whole numbers of 16 bits, doubles and texts, by their numbers in TIFF.
_SHORT, _DOUBLE, _TEXT = 3, 12, 2
_GEO = {
    **dict.fromkeys((PIXEL_SCALE, TIEPOINT, TRANSFORMATION, GEO_DOUBLES), _DOUBLE),
    **dict.fromkeys((GEO_TEXTS, GDAL_NODATA), _TEXT),
    GEO_KEYS: _SHORT,
}
_COUNTS = {  # how many values a tag has
    PIXEL_SCALE: lambda count: count == 3,
    TIEPOINT: lambda count: count % 6 == 0,
    TRANSFORMATION: lambda count: count == 16,
    GEO_KEYS: lambda count: count % 4 == 0,
}
_RASTER_IS_POINT = (1025, 0, 1, 2)  # an entry of the keys
_ICC, _ORIENTATION = 34675, 274
_MOST_BYTES = 2**24  # of a profile or of one tag, as a file may claim anything
_SPACES = {1: b"GRAY", 3: b"RGB "}  # of a profile, by the number of colours

Tag = tuple[int, Any, int, Any, bool]  # as tifffile writes it


@dataclasses.dataclass(frozen=True)
class Carried:
    """What a result keeps of its source's file.

    Attributes:
        profile: ICC profile; empty if there is none.
        geo: Tags of GeoTIFF; empty if the file is none.
    """

    profile: bytes = b""
    geo: tuple[Tag, ...] = ()

    def profile_for(self, dtype: np.dtype, channels: int, kind: str = "") -> bytes | None:
        """Return the profile if it describes colours such as those of a result.

        That needs as many colours as the profile has, gray or RGB, in whole numbers. The networks
        know nothing of profiles: they saw the numbers of the source, and answer in such numbers.

        Args:
            dtype: Dtype of the result.
            channels: Number of its channels.
            kind: What they mean, one of `pixels.KINDS`, or ''.
        """
        space = None if kind == "bands" else _SPACES.get(channels)
        fits = space is not None and dtype.kind == "u" and self.profile[16:20] == space
        return self.profile if fits else None

    def geo_for(self, dtype: np.dtype) -> tuple[Tag, ...]:
        """Return the tags for a result of a dtype, without a missing value that it cannot hold."""
        return tuple(
            tag for tag in self.geo if tag[0] != GDAL_NODATA or can_hold(dtype, str(tag[3]))
        )

    def marking(self, no_data: str | None) -> "Carried":
        """Return this with what marks missing pixels in the result, if it lies on Earth.

        Args:
            no_data: The mark; None: that of the source's file stays.
        """
        if no_data is None or not self.geo:
            return self
        others = tuple(tag for tag in self.geo if tag[0] != GDAL_NODATA)
        mark: Tag = (GDAL_NODATA, _TEXT, 0, no_data, True)
        return dataclasses.replace(self, geo=(*others, mark))

    def scaled(self, down: float, across: float) -> "Carried":
        """Return this for a result that shows the same place with more pixels, or fewer.

        Args:
            down: How many times as many rows it has.
            across: How many times as many columns.
        """
        if down == across == 1 or not self.geo:
            return self
        # GeoTIFF counts pixels from the corner of the first one, or from its centre.
        offset = 0.5 if _counts_from_centres(self.geo) else 0.0
        geo = tuple(_scaled_tag(tag, (across, down), offset) for tag in self.geo)
        return dataclasses.replace(self, geo=geo)


NOTHING = Carried()


def _counts_from_centres(geo: tuple[Tag, ...]) -> bool:
    """Return whether the key GTRasterTypeGeoKey says so: RasterPixelIsPoint."""
    keys = next((tag[3] for tag in geo if tag[0] == GEO_KEYS), ())
    entries = [tuple(keys[start : start + 4]) for start in range(4, len(keys), 4)]
    return _RASTER_IS_POINT in entries


def _scaled_tag(tag: Tag, scale: tuple[float, float], offset: float) -> Tag:
    """Return a tag of GeoTIFF for an image with more columns and rows, or fewer."""
    code, dtype, count, values, once = tag
    if code == PIXEL_SCALE:
        values = (values[0] / scale[0], values[1] / scale[1], *values[2:])
    elif code == TIEPOINT:  # for each: column, row, depth, and where that is
        points = np.array(values, float).reshape(-1, 6)
        points[:, :2] = (points[:, :2] + offset) * np.array(scale) - offset
        values = tuple(points.ravel().tolist())
    elif code == TRANSFORMATION:
        matrix = np.array(values, float).reshape(4, 4)
        matrix[:, :2] /= np.array(scale)
        matrix[:, 3] += matrix[:, :2] @ (offset * (1 - np.array(scale)))
        values = tuple(matrix.ravel().tolist())
    return code, dtype, count, values, once


def read_no_data(file: File) -> str:
    """Return what a TIFF says that marks missing pixels (GDAL's tag), as a text; '' for nothing.

    Args:
        file: A path, or a binary file.

    Raises:
        InputError: The file is missing, or its header is broken.
    """
    with naming(file), open_file(file) as opened, reader():
        start = opened.read(8)
        opened.seek(0)
        if not start.startswith(MAGIC):
            return ""
        import tifffile

        tags = tifffile.TiffFile(opened, is_ome=False).pages[0].tags  # type: ignore[union-attr]
        found = _sound_tag(tags[GDAL_NODATA]) if GDAL_NODATA in tags else None
    text = "" if found is None else str(found[3]).strip("\0 ").lower()
    return text if can_hold(np.dtype(np.float32), text) else ""


def read_carried(file: File, *, name: object = None) -> Carried:
    """Read what a result keeps of an image file; of the pixels, nothing is read.

    Args:
        file: A path, or a binary file.
        name: Name of the image, for messages; its path by default.

    Raises:
        InputError: The file is missing, or its header is broken.
    """
    with naming(file if name is None else name), open_file(file) as opened:
        with reader():
            start = opened.read(8)
            opened.seek(0)
        if start.startswith(MAGIC):
            return _of_tiff(opened)
        if start.startswith((b"\x93NUMPY", b"PK")):
            return NOTHING
        with reader():
            profile = identify(opened).info.get("icc_profile")
        return Carried(_sound(profile))


def _of_tiff(file: Opened) -> Carried:
    import tifffile

    with reader():
        tags = tifffile.TiffFile(file, is_ome=False).pages[0].tags  # type: ignore[union-attr]
        profile = _sound(tags.valueof(_ICC))
        upright = tags.valueof(_ORIENTATION, default=1) == 1
        found = [_sound_tag(tags[code]) for code in _GEO if code in tags]
    geo = tuple(tag for tag in found if tag is not None)
    return Carried(profile, geo if upright and GEO_KEYS in [tag[0] for tag in geo] else ())


def _sound_tag(tag: Any) -> Tag | None:
    """Return a tag as tifffile writes it; None if it is damaged, or no such tag."""
    code, dtype, count = int(tag.code), int(tag.dtype), int(tag.count)
    if dtype != _GEO[code] or not 0 < count <= _MOST_BYTES:
        return None
    if dtype == _TEXT:
        text = tag.value
        sound = isinstance(text, str) and text.isascii() and len(text) < count
        return (code, dtype, 0, text, True) if sound else None
    values = tag.value if isinstance(tag.value, tuple) else (tag.value,)
    kinds = int if dtype == _SHORT else (int, float)
    if len(values) != count or not all(isinstance(value, kinds) for value in values):
        return None
    if not _COUNTS.get(code, lambda _: True)(count):
        return None
    return code, dtype, count, values if count > 1 else values[0], True


def is_geotiff(path: str | os.PathLike) -> bool:
    """Return whether a file is a TIFF that says where on Earth it lies."""
    return bool(read_carried(path).geo)


def _sound(profile: Any) -> bytes:
    """Return a profile that has a header and is not too large; an empty one otherwise."""
    sound = isinstance(profile, bytes) and 128 <= len(profile) <= _MOST_BYTES
    return profile if sound and profile[36:40] == b"acsp" else b""


def can_hold(dtype: np.dtype, text: str) -> bool:
    """Return whether a number, written as a text, can be a value of a dtype.

    Args:
        dtype: The dtype.
        text: The text; it may be no number.
    """
    try:
        value = float(text.strip("\0 "))
    except ValueError:
        return False
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return value.is_integer() and limits.min <= value <= limits.max
