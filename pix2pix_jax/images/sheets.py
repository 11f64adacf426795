"""Sheets of pictures with text: headings above the columns, captions above the rows."""

import dataclasses
import itertools
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
        rows: One or more. All cells of a column have the size of its largest picture, enlarged to
            at least 160 pixels by a whole factor. Each picture fills its cell as far as its aspect
            ratio allows.

    Returns:
        One RGB image.
    """
    height, widths = _cells(rows)
    lefts = [_GAP + sum(widths[:column]) + column * _GAP for column in range(len(widths))]
    tops, top = [], _GAP + _LINE
    for row in rows:
        tops.append(top)
        top += height + _GAP + (_LINE if row.caption else 0)
    sheet = Image.new("RGB", (sum(widths) + len(widths) * _GAP + _GAP, top), "white")
    pen = ImageDraw.Draw(sheet)
    for left, width, heading in zip(lefts, widths, headings, strict=True):
        text = _shorten(pen, heading, width)
        pen.text((left + width // 2, _GAP), text, "black", _font(), anchor="ma")
    for top, row in zip(tops, rows, strict=True):
        if row.caption:
            text = _shorten(pen, row.caption, sheet.width - 2 * _GAP)
            pen.text((_GAP, top), text, "black", _font())
            top += _LINE
        for left, width, picture in zip(lefts, widths, row.pictures, strict=False):
            fitted = fit(picture, height, width)
            place = left + (width - fitted.width) // 2, top + (height - fitted.height) // 2
            sheet.paste(fitted, place)
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


def _cells(rows: Sequence[SheetRow]) -> tuple[int, list[int]]:
    """Return the height of all cells, and the width of each column's."""
    columns = itertools.zip_longest(*(row.pictures for row in rows))
    pictures = [[picture for picture in column if picture is not None] for column in columns]
    height = max(picture.shape[0] for column in pictures for picture in column)
    widths = [max(picture.shape[1] for picture in column) for column in pictures]
    longer = max(height, min(widths))  # several sources side by side are wider than the others
    factor = -(-_LEAST // longer) if longer < _LEAST else min(_MOST / longer, 1)
    return max(round(height * factor), 1), [max(round(width * factor), 1) for width in widths]


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
    rows: Sequence[Sequence[UInt8[np.ndarray, "h _ _"]]], gap: int = 4
) -> UInt8[np.ndarray, "H W 3"]:
    """Arrange images in rows on white.

    Args:
        rows: Rows of images, gray or RGB, all of one height; those of a column of one width.
        gap: Pixels between images.

    Returns:
        One RGB image.
    """
    height = rows[0][0].shape[0]
    widths = [image.shape[1] + gap for image in max(rows, key=len)]
    canvas = np.full((len(rows) * (height + gap) - gap, sum(widths) - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            top, left = i * (height + gap), sum(widths[:j])
            canvas[top : top + height, left : left + image.shape[1]] = image
    return canvas
