"""A user's file as rows of a source, so that a large one need not be in memory."""

import contextlib
import pathlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.data.pair_format import ALWAYS_DERIVED, PairFormat
from pix2pix_jax.images.rows import Rows, Strip, open_rows, rows_of


@contextlib.contextmanager
def open_source(form: PairFormat, path: pathlib.Path, *, derive: bool = False) -> Iterator[Rows]:
    """Open a file for reading rows of what `PairFormat.read_source` returns as a whole.

    Only what each pixel decides by itself can be read so. Label maps, and sources whose derivation
    looks at a pixel's neighbours, are in memory as a whole.

    Args:
        form: The format of the run's pairs.
        path: An image file.
        derive: As for `read_source`.

    Yields:
        The source as stored.

    Raises:
        InputError: As for `read_source`; what is damaged inside a TIFF shows when it is read.
    """
    derivation = form.derivation if form.derives(derive) else None
    by_pixel = derivation is None or derivation.kind in ALWAYS_DERIVED
    if form.source.classes or not by_pixel:
        yield rows_of(form.read_source(path, derive=derive))
        return
    side = form.source if derivation is None else form.single

    def convert(strip: Strip, kind: str) -> Shaped[np.ndarray, "rows width d"]:
        image = side.convert(strip, path, kind=kind)
        return image if derivation is None else derivation(image, path.name)[0]

    with open_rows(path, convert, max_pixels=side.max_pixels) as rows:
        yield rows
