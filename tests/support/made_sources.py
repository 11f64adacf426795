"""Sources in memory, whose pixels say where they come from."""

import dataclasses

import numpy as np

from pix2pix_jax.core.errors import InputError


@dataclasses.dataclass
class MadeSource:
    """Pairs in memory; pairs whose number is in `broken` cannot be read."""

    pairs: list
    names: tuple
    broken: frozenset = frozenset()
    reads: list = dataclasses.field(default_factory=list)

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, index):
        self.reads.append(index)
        if index in self.broken:
            raise InputError(f"{self.names[index]}: not an image file")
        return self.pairs[index]

    def size(self, index):
        if index in self.broken:
            raise InputError(f"{self.names[index]}: not an image file")
        return self.pairs[index][0].shape[:2]


def places(number, size):
    """Return an 8-bit image whose channels are its number, and each pixel's row and column."""
    rows, columns = np.indices(size)
    return np.stack([np.full(size, number), rows, columns], axis=-1).astype(np.uint8)


def make_source(sizes, **options):
    """Make pairs of the given sizes: sources from `places`, targets their complement."""
    sources = [places(number, size) for number, size in enumerate(sizes)]
    names = tuple(f"{number}.png" for number in range(len(sizes)))
    return MadeSource([(image, 255 - image) for image in sources], names, **options)
