"""Blending the frames of a video over time."""

import numpy as np
from jaxtyping import Float, Shaped

from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.images import pixels


class Blend:
    """Mixes each frame with those before it, with weights that fall exponentially.

    A result is `1 - share` of its own frame and `share` of the result before it. So a change needs
    about 1 / (1 - share) frames to be seen, and noise of single frames is averaged away. Things
    that move leave a trace.
    """

    def __init__(self, share: float) -> None:
        """Begin a video.

        Args:
            share: Share of the result before, from 0 (frames as they are) to less than 1.

        Raises:
            InputError: The share is out of range.
        """
        if not isinstance(share, int | float) or not 0 <= share < 1:
            raise InputError(f"blend={shown(share)}: expected a number from 0 to less than 1")
        self._share = np.float32(share)
        self._last: Float[np.ndarray, "h w c"] | None = None

    def __call__(self, frame: Shaped[np.ndarray, "h w c"]) -> Shaped[np.ndarray, "h w c"]:
        """Return the next frame, blended; after a change of size it is the frame as it is."""
        if not self._share:
            return frame
        own: Float[np.ndarray, "h w c"] = np.asarray(frame, np.float32)
        if self._last is not None and self._last.shape == own.shape:
            own = (1 - self._share) * own + self._share * self._last
        self._last = own  # not rounded, or slow changes would get stuck
        if frame.dtype.kind == "f":
            return own
        return np.rint(own).clip(0, pixels.white(frame.dtype)).astype(frame.dtype)
