"""Pairs ready for batches: kept in memory, or read when needed."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import scaled, step_of
from pix2pix_jax.data.numbers import Numbers
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.shaping import Shaping
from pix2pix_jax.data.sources import Pair, Source, names_digest

PairBatch = tuple[Shaped[np.ndarray, "n h w c"], Shaped[np.ndarray, "n h2 w2 d"]]
SKIP_HINT = "data.on_error=skip leaves such files out"


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Pairs ready to be gathered into batches.

    Attributes:
        source: Where they come from.
        form: How both sides are stored.
        shaping: How they are resized. If their sizes still differ then, they are to be cropped.
        keep: Numbers of the pairs in `source` that could be read.
        arrays: All sources and all targets, if they fit in memory and have the same size.
        cached: All pairs, if they fit in memory and differ in size.
        hint: What to say besides if a pair cannot be read.
        numbers: How the numbers beside the images are normalised; None: there are none.
        values: These numbers of each pair, in the units of their table.
    """

    source: Source
    form: PairFormat
    shaping: Shaping
    keep: tuple[int, ...]
    arrays: PairBatch | None = None
    cached: tuple[Pair, ...] | None = None
    hint: str = SKIP_HINT
    numbers: Numbers | None = None
    values: Float[np.ndarray, "n k"] | None = None

    def __len__(self) -> int:
        return len(self.keep)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the pairs."""
        names = self.source.names
        return tuple(names[index] for index in self.keep)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the names in their order, which tells if a resumed run sees the same pairs."""
        return names_digest(self.names)

    @functools.cached_property
    def condition(self) -> Float[np.ndarray, "n k"] | None:
        """The numbers of each pair as the networks see them, float32; None if there are none."""
        if self.numbers is None or self.values is None:
            return None
        return self.numbers.normalised(self.values)

    def beside(self, indices: Any) -> dict[str, np.ndarray]:
        """Return what a batch of some pairs has beside its images, by name.

        Args:
            indices: Numbers of the pairs, an array or a slice.
        """
        return {} if self.condition is None else {"condition": self.condition[indices]}

    @property
    def sides(self) -> dict[str, Shaped[np.ndarray, "n *shape"]]:
        """All that a batch is made of, by name, of pairs that are in memory as arrays."""
        assert self.arrays is not None
        source, target = self.arrays
        return {"source": source, "target": target, **self.beside(slice(None))}

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the sources that the networks see."""
        return self.shaping.image_size

    @property
    def target_size(self) -> tuple[int, int]:
        """Height and width of the targets that the networks see."""
        return scaled(self.size, self.form.scale)

    @property
    def gigabytes(self) -> float:
        """Memory that the pairs take, in GB of 10^9 bytes."""
        held: Sequence[Pair | PairBatch] = self.cached or ()
        if self.arrays is not None:
            held = (self.arrays,)
        return sum(side.nbytes for pair in held for side in pair) / 1e9

    def __getitem__(self, index: int) -> Pair:
        """Return one pair, from memory or from its file."""
        if self.arrays is not None:
            return self.arrays[0][index], self.arrays[1][index]
        if self.cached is not None:
            return self.cached[index]
        try:
            return read_pair(self.source, self.keep[index], self.form, self.shaping)
        except InputError as error:
            raise InputError(f"{error}; {self.hint}") from None


def read_pair(source: Source, index: int, form: PairFormat, shaping: Shaping) -> Pair:
    """Read one pair, and resize it; held-out pairs are also cropped.

    Args:
        source: Pairs of any sizes.
        index: Number of the pair.
        form: How both sides are stored.
        shaping: How they are resized.

    Raises:
        InputError: A file cannot be read, does not fit the format or the shaping, or has no pixel
            that counts.
    """
    pair = form.shape(source[index], shaping, source.names[index])
    if not shaping.training and not shaping.uniform:
        pair = _centre(pair, shaping.image_size, form.scale)
    weight = form.data_weight(*pair)
    if weight is not None and not weight.any():
        height, width = weight.shape[:2]
        raise InputError(
            f"{source.names[index]}: no pixel counts, so nothing can be learnt of it: all "
            f"{height} x {width} that are used are without data on one of its sides, or masked"
        )
    return pair


def crop_pair(pair: Pair, place: tuple[int, int], size: tuple[int, int], scale: float) -> Pair:
    """Cut the same window out of both sides of a pair.

    Args:
        pair: Source and target.
        place: Top and left of the window in the source, multiples of `core.scales.step_of`.
        size: Its height and width there, likewise.
        scale: How many times as large the target is.
    """
    both = []
    for image, factor in zip(pair, (1, scale), strict=True):
        top, left, height, width = (int(each * factor) for each in (*place, *size))
        both.append(image[top : top + height, left : left + width])
    return both[0], both[1]


def _centre(pair: Pair, size: tuple[int, int], scale: float) -> Pair:
    step = step_of(scale)
    top, left = (
        (side - wanted) // 2 // step * step
        for side, wanted in zip(pair[0].shape, size, strict=False)
    )
    return crop_pair(pair, (top, left), size, scale)


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Some of the pairs as a sequence, at the size that the networks see.

    Attributes:
        pairs: All pairs.
        indices: Numbers of the chosen ones.
    """

    pairs: Pairs
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, number: int) -> Pair:
        pair = self.pairs[self.indices[number]]
        if self.pairs.shaping.uniform:
            return pair
        return _centre(pair, self.pairs.size, self.pairs.form.scale)
