"""Whether the two sides of a pair show the same place: do their edges coincide?

A photo and a label map share neither colours nor brightness, only the directions of their edges.
The edges in each cell of an image become a vector. Its direction is the edge's in doubled angle, so
that dark to bright and bright to dark are the same (Granlund, 1978, In search of a general picture
processing operator); its length is the root of the edge's strength.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex, Float

from pix2pix_jax.data.similarity import shrink_luma
from pix2pix_jax.images.pixels import Stored

CELLS = 64  # along each axis
REACH = 8  # largest displacement looked for, in cells: an eighth of the image
_FINE = 2  # pixels per cell and axis
_NO_EDGES = 0.1  # mean root of the gradient, in 8-bit levels per pixel, below which there are none
_UNLIKE = 2.0  # lead over strangers, in standard deviations, below which a partner is a stranger
_APART = 2  # smallest displacement reported, in cells: less is within their own precision
# A displaced partner must score this much better than in place, and have this lead over strangers:
# by chance, the best of 289 displacements has a lead of about 3.
_BETTER = 1.5
_CLEAR = 5.0
_FEWEST = 4  # pairs needed for a comparison
Field = Complex[np.ndarray, "64 64"]


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How well the edges of a pair's sides coincide.

    Attributes:
        score: Correlation of both sides, from -1 to 1.
        strangers: The mean score of its A with the B of other pairs.
        lead: How far the score is above that of strangers, in their standard deviations.
        offset: How far down and right B is displaced against A, as shares of height and width, if
            it fits much better there; zeros otherwise.
    """

    score: float
    strangers: float
    lead: float
    offset: tuple[float, float]

    @property
    def displaced(self) -> bool:
        """Whether B fits much better when moved."""
        return self.offset != (0.0, 0.0)

    @property
    def unlike(self) -> bool:
        """Whether the partner fits no better than strangers do."""
        return self.lead < _UNLIKE


def edge_field(image: Stored) -> Field | None:
    """Return the edges of an image.

    Args:
        image: Pixels of any size, dtype and number of channels.

    Returns:
        A vector for each cell, with mean 0 and norm 1 over all; None if the image has no edges.
    """
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
        fields: Edges of A and B of each pair.

    Returns:
        How well the sides of each pair coincide; None for pairs with a side that has no edges, and
        for all pairs if fewer than four have edges on both sides.
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
    """Return how far down and right the second is displaced against the first.

    Args:
        first: Edges of A.
        second: Edges of B.
        least: Score that B must reach where it fits best.

    Returns:
        Shares of height and width; zeros if B is not clearly displaced.
    """
    correlation: Float[np.ndarray, "64 64"] = np.fft.ifft2(
        np.fft.fft2(second) * np.conj(np.fft.fft2(first))
    ).real
    near = np.roll(correlation, (REACH, REACH), axis=(0, 1))[: 2 * REACH + 1, : 2 * REACH + 1]
    row, column = np.unravel_index(near.argmax(), near.shape)
    down, right = int(row) - REACH, int(column) - REACH
    if max(abs(down), abs(right)) < _APART or near.max() < least:
        return 0.0, 0.0
    return down / CELLS, right / CELLS
