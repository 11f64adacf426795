"""Sheets of pictures with words: headings above the columns, captions above the rows."""

import base64
import dataclasses
import io
import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

Picture = UInt8[np.ndarray, "_ _ _"]  # gray or RGB

_LEAST, _MOST = 160, 400  # pixels of a cell's longer side: small pictures grow, large ones shrink
_GAP = 6
_TEXT, _LINE = 14, 22  # pixels of letters and of a line


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a sheet.

    Attributes:
        pictures: One for each column, of any sizes.
        caption: Line above them; '': none.
    """

    pictures: Sequence[Picture]
    caption: str = ""


def draw_sheet(headings: Sequence[str], rows: Sequence[Row]) -> UInt8[np.ndarray, "h w 3"]:
    """Draw rows of pictures on white.

    Args:
        headings: Of the columns; what is too long is cut with dots.
        rows: One or more. All cells are as large as the largest picture, small ones being grown to
            160 pixels by whole factors; each picture fills its cell as far as its shape allows.

    Returns:
        One RGB image.
    """
    height, width = _cell([picture for row in rows for picture in row.pictures])
    tops, top = [], _GAP + _LINE
    for row in rows:
        tops.append(top)
        top += height + _GAP + _LINE * bool(row.caption)
    sheet = Image.new("RGB", (len(headings) * (width + _GAP) + _GAP, top), "white")
    pen = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        left = _GAP + column * (width + _GAP)
        text = _shorten(pen, heading, width)
        pen.text((left + width // 2, _GAP), text, "black", _font(), anchor="ma")
    for top, row in zip(tops, rows, strict=True):
        if row.caption:
            text = _shorten(pen, row.caption, sheet.width - 2 * _GAP)
            pen.text((_GAP, top), text, "black", _font())
            top += _LINE
        for column, picture in enumerate(row.pictures):
            fitted = fit(picture, height, width)
            left = _GAP + column * (width + _GAP) + (width - fitted.width) // 2
            sheet.paste(fitted, (left, top + (height - fitted.height) // 2))
    return np.asarray(sheet)


def fit(picture: Picture, height: int, width: int) -> Image.Image:
    """Bring a picture into a cell without changing its shape; by whole factors pixels stay sharp.

    Args:
        picture: Gray or RGB.
        height: Largest height.
        width: Largest width.
    """
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).convert("RGB")
    factor = min(height / image.height, width / image.width)
    size = (max(round(image.width * factor), 1), max(round(image.height * factor), 1))
    whole = factor == int(factor)
    return image.resize(size, Image.Resampling.NEAREST if whole else Image.Resampling.LANCZOS)


def _cell(pictures: Sequence[Picture]) -> tuple[int, int]:
    """Return height and width that all cells have."""
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    longer = max(height, width)
    factor = -(-_LEAST // longer) if longer < _LEAST else min(_MOST / longer, 1)
    return max(round(height * factor), 1), max(round(width * factor), 1)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TEXT)


def _shorten(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """Cut a text to a width, and replace what cannot be drawn: a file's name may hold any bytes."""
    text = os.fsencode(text).decode(errors="replace")
    if pen.textlength(text, _font()) <= width:
        return text
    while text and pen.textlength(f"{text}...", _font()) > width:
        text = text[:-1]
    return f"{text}..."


_LARGEST = 512  # pixels of a picture's longer side in the page


def to_uri(picture: Picture) -> str:
    """Encode a picture as a `data:` URI; large ones are made smaller."""
    factor = min(_LARGEST / max(picture.shape[:2]), 1)
    height, width = (max(round(side * factor), 1) for side in picture.shape[:2])
    data = io.BytesIO()
    # Whole colour channels: label maps have sharp edges.
    fit(picture, height, width).save(data, "JPEG", quality=90, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
