"""Mosaics of four pairs (YOLOv4: Bochkovskiy et al., 2020, section 3.3)."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.data.sources import Pair

_CENTRE = (0.25, 0.75)  # range of both shares: each pair covers at least a sixteenth of the image


@dataclasses.dataclass(frozen=True)
class Mosaic:
    """How a mosaic is composed.

    Attributes:
        others: Numbers of the pairs at the top right, bottom left and bottom right; the example's
            own pair is at the top left.
        centre: Where the four meet, as shares of height and width, each in [0.25, 0.75].
    """

    others: tuple[int, int, int]
    centre: tuple[float, float]


def draw_mosaic(seed: int, step: int, place: int, count: int, probability: float) -> Mosaic | None:
    """Draw whether an example is a mosaic, and which: a pure function of the arguments.

    Args:
        seed: Seed of the run.
        step: Number of the training step.
        place: Place of the example in the global batch.
        count: Number of pairs to choose from, at least 1; a pair may be chosen more than once.
        probability: Share of examples that are mosaics, in [0, 1].

    Returns:
        The mosaic, the same on every machine; None with probability 1 - `probability`.
    """
    # Philox takes two words, so the three numbers are hashed.
    entropy = np.array([seed, step, place], "<u8").view("<u4")
    key = np.random.SeedSequence(entropy).generate_state(2, np.uint64)
    random = np.random.Generator(np.random.Philox(key=key))
    if random.random() >= probability:
        return None
    first, second, third = random.integers(count, size=3).tolist()
    down, right = random.uniform(*_CENTRE, size=2).tolist()
    return Mosaic((first, second, third), (down, right))


def compose(mosaic: Mosaic, pairs: Sequence[Pair]) -> Pair:
    """Compose four pairs; each pixel keeps its position and its value.

    Args:
        mosaic: Where they meet.
        pairs: The pairs at the top left, top right, bottom left and bottom right, all of the same
            sizes and dtypes.

    Returns:
        A pair of these sizes and dtypes.
    """
    sources, targets = zip(*pairs, strict=True)
    # Both sides are cut where the pixels of the coarser one meet.
    coarse = min(sources[0].shape[:2], targets[0].shape[:2])
    row, column = (round(share * side) for share, side in zip(mosaic.centre, coarse, strict=True))
    both = []
    for images in (sources, targets):
        factor = images[0].shape[0] // coarse[0]
        both.append(_compose(images, row * factor, column * factor))
    return both[0], both[1]


def _compose(
    images: Sequence[Shaped[np.ndarray, "h w c"]], row: int, column: int
) -> Shaped[np.ndarray, "h w c"]:
    top_left, top_right, bottom_left, bottom_right = images
    top = np.hstack([top_left[:row, :column], top_right[:row, column:]])
    bottom = np.hstack([bottom_left[row:, :column], bottom_right[row:, column:]])
    return np.vstack([top, bottom])
