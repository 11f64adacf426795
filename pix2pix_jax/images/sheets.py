"""Sheets of pictures with text: headings above the columns, captions above the rows."""

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

Picture = UInt8[np.ndarray, "_ _ _"]  # gray or RGB

# Pixels of the longer side of a cell: smaller pictures are enlarged, larger ones made smaller.
_LEAST, _MOST = 160, 400
_GAP = 6
_FONT_SIZE, _LINE = 14, 22  # pixels


@dataclasses.dataclass(frozen=True)
class SheetRow:
    """One row of a sheet.

    Attributes:
        pictures: One for each column; their sizes may differ.
        caption: Line above them; '' for none.
    """

    pictures: Sequence[Picture]
    caption: str = ""


def draw_sheet(headings: Sequence[str], rows: Sequence[SheetRow]) -> UInt8[np.ndarray, "h w 3"]:
    """Draw rows of pictures on white.

    Args:
        headings: Headings of the columns; long ones are cut and end with dots.
        rows: One or more. All cells have the size of the largest picture, which is enlarged to at
            least 160 pixels by a whole factor. Each picture fills its cell as far as its aspect
            ratio allows.

    Returns:
        One RGB image.
    """
    height, width = _cell([picture for row in rows for picture in row.pictures])
    tops, top = [], _GAP + _LINE
    for row in rows:
        tops.append(top)
        top += height + _GAP + (_LINE if row.caption else 0)
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
    """Fit a picture into a cell and keep its aspect ratio; whole factors keep pixels sharp.

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
    """Return the height and width of all cells."""
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    longer = max(height, width)
    factor = -(-_LEAST // longer) if longer < _LEAST else min(_MOST / longer, 1)
    return max(round(height * factor), 1), max(round(width * factor), 1)


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_SIZE)


def _shorten(pen: ImageDraw.ImageDraw, text: str, width: int) -> str:
    """Cut a text to a width; bytes of file names that are not UTF-8 are replaced."""
    text = os.fsencode(text).decode(errors="replace")
    if pen.textlength(text, _font()) <= width:
        return text
    while text and pen.textlength(f"{text}...", _font()) > width:
        text = text[:-1]
    return f"{text}..."


def grid(
    rows: Sequence[Sequence[UInt8[np.ndarray, "h w _"]]], gap: int = 4
) -> UInt8[np.ndarray, "H W 3"]:
    """Arrange images in rows on white.

    Args:
        rows: Rows of images, gray or RGB, all of one height and width.
        gap: Pixels between images.

    Returns:
        One RGB image.
    """
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    shape = (len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3)
    canvas = np.full(shape, 255, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + gap), j * (width + gap)
            canvas[top : top + height, left : left + width] = image
    return canvas
