"""What the pages share: their templates, and pictures inside the HTML."""

import base64
import dataclasses
import functools
import io
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.images.sheets import Picture, fit
from pix2pix_jax.reports.numbers import format_duration, format_number
from pix2pix_jax.reports.svg_chart import AREA

if TYPE_CHECKING:
    import jinja2


@dataclasses.dataclass(frozen=True)
class EncodedPicture:
    """A picture that is part of a page.

    Attributes:
        uri: Its JPEG file as a `data:` URI.
        width: Width in pixels.
        height: Height in pixels.
    """

    uri: str
    width: int
    height: int


def encode_picture(picture: Picture, largest: tuple[int, int], quality: int) -> EncodedPicture:
    """Encode a picture as a JPEG for a page.

    Args:
        picture: Gray or RGB.
        largest: Largest height and width; a larger picture is made smaller.
        quality: Quality of the JPEG, 1 to 95.
    """
    height, width = picture.shape[:2]
    image = fit(picture, min(height, largest[0]), min(width, largest[1]))
    data = io.BytesIO()
    # JPEG takes a tenth of WebP's time. Colours at full resolution: label maps have sharp edges.
    image.save(data, "JPEG", quality=quality, subsampling=0)
    text = base64.b64encode(data.getvalue()).decode("ascii")
    return EncodedPicture(f"data:image/jpeg;base64,{text}", image.width, image.height)


def render(template: str, content: Mapping[str, object]) -> str:
    """Fill in a template of this package.

    Args:
        template: Name of its file.
        content: Values of its variables.
    """
    return _environment().get_template(template).render(content)


def write_text(path: pathlib.Path, text: str) -> None:
    """Write a text file; it appears whole or not at all."""
    with atomic_path(path) as temporary:
        # The name of a folder may hold bytes that are not UTF-8.
        temporary.write_text(text, encoding="utf-8", errors="replace")


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(number=format_number, duration=format_duration)
    environment.globals["area"] = AREA
    return environment
