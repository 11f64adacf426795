"""A user's file as rows of a source, so that a large one need not be in memory."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pair_format import ALWAYS_DERIVED, PairFormat
from pix2pix_jax.images.rows import Rows, Strip, open_rows, rows_of
from pix2pix_jax.images.stacked import StackedEncoding


@contextlib.contextmanager
def open_source(
    form: PairFormat, path: Path | tuple[Path, ...], *, derive: bool = False
) -> Iterator[Rows]:
    """Open a file for reading rows of what `PairFormat.read_source` returns as a whole.

    Only what each pixel decides by itself can be read so. Label maps, and sources whose derivation
    looks at a pixel's neighbours, are in memory as a whole.

    Args:
        form: The format of the run's pairs.
        path: The path of an image file; of several sources, one for each.
        derive: As for `read_source`.

    Yields:
        The source as stored.

    Raises:
        InputError: As for `read_source`; what is damaged inside a TIFF shows when it is read.
    """
    if isinstance(form.source, StackedEncoding):
        files = path if isinstance(path, tuple) else (path,)
        with contextlib.ExitStack() as stack:
            parts = zip(form.source.parts, files, strict=True)
            opened = [
                stack.enter_context(open_source(PairFormat(part), file)) for part, file in parts
            ]
            yield _stack_rows(form.source, opened, files[0])
        return
    if isinstance(path, tuple):
        (path,) = path
    derivation = form.derivation if form.derives(derive) else None
    as_it_is = form.scale == 1 or not derive  # else the source is made smaller
    by_pixel = derivation is None or (derivation.kind in ALWAYS_DERIVED and as_it_is)
    if form.source.classes or not by_pixel:
        yield rows_of(form.read_source(path, derive=derive))
        return
    side = form.source if derivation is None else form.single

    def convert(strip: Strip, kind: str) -> Shaped[np.ndarray, "rows width d"]:
        image = side.convert(strip, path, kind=kind)
        return image if derivation is None else derivation(image, path.name)[0]

    with open_rows(path, convert, max_pixels=side.max_pixels) as rows:
        yield rows


def _stack_rows(encoding: StackedEncoding, parts: Sequence[Rows], what: object) -> Rows:
    """Stack the rows of several sources.

    Raises:
        InputError: They differ in size.
    """
    for part in parts:
        if part.size != parts[0].size:
            sizes = ", ".join(f"{height} x {width}" for height, width in (p.size for p in parts))
            raise InputError(
                f"{what}: sources of different size: {sizes} pixels (height, width); for --fit "
                "tile all must have the same"
            )

    def read(first: int, last: int) -> Strip:
        return encoding.stack([part.read(first, last) for part in parts], what)

    return Rows(parts[0].size, read)
