"""A translated image as Python sees it: an array that shows itself in a notebook."""

import io
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from pix2pix_jax.images.encoding import Encoding


class NotebookImage(np.ndarray):
    """An image of (height, width, channels), which is an array in every other respect.

    In a notebook it shows itself; what is computed from it, or cut out of it, does so too as long
    as it still is an image of the same channels and dtype.
    """

    _encoding: Encoding | None
    _bands: tuple[int, ...]

    @classmethod
    def of(
        cls, image: Shaped[np.ndarray, "h w c"], encoding: Encoding, bands: tuple[int, ...] = ()
    ) -> "NotebookImage":
        """Return an image that shares the memory of an array.

        Args:
            image: Pixels as stored.
            encoding: What they mean.
            bands: Channels to show, see `Encoding.show`.
        """
        result = image.view(cls)
        result._encoding, result._bands = encoding, bands
        return result

    def __array_finalize__(self, source: Any) -> None:
        """Keep what the pixels mean."""
        self._encoding = getattr(source, "_encoding", None)
        self._bands = getattr(source, "_bands", ())

    def _repr_png_(self) -> bytes | None:
        """Return the image as IPython shows it; None if this is no image any more."""
        encoding = self._encoding
        if encoding is None or self.ndim != 3 or 0 in self.shape:
            return None
        if (self.shape[-1], self.dtype) != (encoding.channels, encoding.dtype):
            return None
        shown = encoding.show(np.asarray(self), self._bands)
        file = io.BytesIO()
        Image.fromarray(shown[..., 0] if shown.shape[-1] == 1 else shown).save(file, "PNG")
        return file.getvalue()
