"""Blending the frames of a video over time."""

import numpy as np
from jaxtyping import Float, Shaped

from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.images import pixels
from pix2pix_jax.images.encoding import PHOTO, Encoding


class Blend:
    """Mixes each frame with those before it, with weights that fall exponentially.

    A result is `1 - share` of its own frame and `share` of the result before it. So a change needs
    about 1 / (1 - share) frames to be seen, and noise of single frames is averaged away. Things
    that move leave a trace.
    """

    def __init__(self, share: float, side: Encoding = PHOTO) -> None:
        """Begin a video.

        Args:
            share: Share of the result before, from 0 (frames as they are) to less than 1.
            side: How frames are stored.

        Raises:
            InputError: The share is out of range, or frames are class indices.
        """
        if not isinstance(share, int | float) or not 0 <= share < 1:
            raise InputError(f"blend={shown(share)}: expected a number from 0 to less than 1")
        if share and side.classes:
            raise InputError(f"blend={share:g} of class indices: they cannot be mixed; choose 0")
        self._share, self._side = np.float32(share), side
        self._last: Float[np.ndarray, "h w c"] | None = None

    def __call__(self, frame: Shaped[np.ndarray, "h w c"]) -> Shaped[np.ndarray, "h w c"]:
        """Return the next frame, blended; after a change of size it is the frame as it is.

        Pixels without data stay as they are, and are mixed into no later frame.
        """
        if not self._share:
            return frame
        own: Float[np.ndarray, "h w c"] = np.asarray(frame, np.float32)
        known = np.True_ if self._side.no_data is None else self._side.valid(frame)
        if self._last is not None and self._last.shape == own.shape:
            mixed = (1 - self._share) * own + self._share * self._last
            own = np.where(known & np.isfinite(mixed), mixed, own)
        self._last = np.where(known, own, np.nan)  # not rounded, or slow changes would get stuck
        if frame.dtype.kind == "f":
            return own
        return np.rint(own).clip(0, pixels.white(frame.dtype)).astype(frame.dtype)
