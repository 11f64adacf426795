"""Whether the two sides of a pair show the same place: do their edges coincide?

Photos and label maps share neither colours nor brightness, but the directions of their edges. Each
cell of an image has a direction in doubled angle, in which dark to bright and bright to dark are
one (Granlund, 1978, In search of a general picture processing operator), as long as the root of the
edge's strength.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex, Float

from pix2pix_jax.data.similarity import shrink_luma
from pix2pix_jax.images.pixels import Stored

CELLS = 64  # along each axis
REACH = 8  # cells: largest displacement that is looked for, an eighth of the image
_FINE = 2  # pixels per cell and axis
_NO_EDGES = 0.1  # mean root of the gradient, in 8-bit levels per pixel: below, there are no edges
_UNLIKE = 2.0  # standard deviations above strangers: below, a partner is one
_APART = 2  # cells: displacements below are within the cells' own precision
_BETTER = 1.5  # times its score as it lies that a displaced partner must have
_CLEAR = 5.0  # standard deviations above strangers that it must have: the best of 289 places has 3
_FEWEST = 4  # pairs that can be compared with each other
Field = Complex[np.ndarray, "64 64"]


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How well the edges of a pair's sides coincide.

    Attributes:
        score: Correlation of both sides, from -1 to 1.
        strangers: The mean score of its A with the B of other pairs.
        lead: How far the score is above that of strangers, in their standard deviations.
        offset: Rows and columns, as shares of height and width, by which B lies off A where it fits
            much better so; zeros where it does not.
    """

    score: float
    strangers: float
    lead: float
    offset: tuple[float, float]

    @property
    def displaced(self) -> bool:
        """Whether B should be moved."""
        return self.offset != (0.0, 0.0)

    @property
    def unlike(self) -> bool:
        """Whether the partner fits no better than strangers do."""
        return self.lead < _UNLIKE


def edge_field(image: Stored) -> Field | None:
    """Return the edges of an image in doubled angle, with mean 0 and norm 1; None: it has none."""
    gray = 255 * shrink_luma(image, CELLS * _FINE)
    down, right = np.gradient(gray)
    strength = np.hypot(down, right)
    if np.sqrt(strength).mean() < _NO_EDGES:
        return None
    direction = (right + 1j * down) / np.maximum(strength, 1e-6)
    edges = direction**2 * np.sqrt(strength)
    cells = edges.reshape(CELLS, _FINE, CELLS, _FINE).mean(axis=(1, 3))
    cells = cells - cells.mean()
    return (cells / np.maximum(np.linalg.norm(cells), 1e-6)).astype(np.complex64)


def compare(fields: Sequence[tuple[Field | None, Field | None]]) -> list[Alignment | None]:
    """Compare the sides of pairs with each other, and with those of the other pairs.

    Args:
        fields: Edges of A and of B of each pair.

    Returns:
        None for pairs with a side that has no edges, and for all where fewer than four have some.
    """
    usable = {
        index: (first, second)
        for index, (first, second) in enumerate(fields)
        if first is not None and second is not None
    }
    results: list[Alignment | None] = [None] * len(fields)
    if len(usable) < _FEWEST:
        return results
    first, second = (np.stack(side) for side in zip(*usable.values(), strict=True))
    scores = (first.reshape(len(usable), -1) @ second.reshape(len(usable), -1).conj().T).real
    others = scores[~np.eye(len(usable), dtype=bool)].reshape(len(usable), -1)
    means, spreads = others.mean(axis=1), others.std(axis=1)
    for row, index in enumerate(usable):
        score = float(scores[row, row])
        mean, spread = float(means[row]), max(float(spreads[row]), 1e-6)
        least = max(_BETTER * score, mean + _CLEAR * spread)
        offset = _offset(first[row], second[row], least)
        results[index] = Alignment(score, mean, (score - mean) / spread, offset)
    return results


def _offset(first: Field, second: Field, least: float) -> tuple[float, float]:
    """Return where the second lies off the first, if it fits there and has such a score."""
    correlation: Float[np.ndarray, "64 64"] = np.fft.ifft2(
        np.fft.fft2(second) * np.conj(np.fft.fft2(first))
    ).real
    near = np.roll(correlation, (REACH, REACH), axis=(0, 1))[: 2 * REACH + 1, : 2 * REACH + 1]
    row, column = np.unravel_index(near.argmax(), near.shape)
    down, right = int(row) - REACH, int(column) - REACH
    if max(abs(down), abs(right)) < _APART or near.max() < least:
        return 0.0, 0.0
    return down / CELLS, right / CELLS
