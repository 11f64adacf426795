"""What a run would hand to its compiled call, as shapes alone: no data set is read."""

import dataclasses
import math
import pathlib

import jax
import jax.numpy as jnp
from benchmarking.cases import MAPS_PAIRS
from ml_collections import ConfigDict

from pix2pix_jax.core.errors import MissingDataError
from pix2pix_jax.core.own_code import OwnCode
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.shaping import Shaping, build_shaping
from pix2pix_jax.data.sources import Source
from pix2pix_jax.images.listing import list_images
from pix2pix_jax.images.masked import TargetEncoding
from pix2pix_jax.images.stacked import SourceEncoding

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class StoredPairs:
    """The training pairs as they are stored.

    Attributes:
        count: How many.
        known: Whether the data set, the config or the user says how many, or it is assumed.
        shapes: Height, width and channels of a source and of a target, and the shape of the numbers
            beside them if there are any, by name.
        dtypes: Their dtypes.
        one_size: Whether all of them have this size, and none is put together from four.
    """

    count: int
    known: bool
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    one_size: bool

    @property
    def bytes_of_pair(self) -> int:
        """Bytes of one pair."""
        return sum(
            math.prod(shape) * jnp.dtype(self.dtypes[name]).itemsize
            for name, shape in self.shapes.items()
        )

    def sides(self, count: int, *, flat: bool) -> dict[str, jax.ShapeDtypeStruct]:
        """Return arrays of some pairs, on one device.

        Args:
            count: Number of pairs.
            flat: Whether each image is a row of values.
        """
        return {
            name: jax.ShapeDtypeStruct(
                (count, *((math.prod(shape),) if flat else shape)), self.dtypes[name]
            )
            for name, shape in self.shapes.items()
        }


def stored_pairs(
    config: ConfigDict, form: PairFormat, code: OwnCode, count: int | None
) -> StoredPairs:
    """Find out how a run's training pairs would be stored.

    Args:
        config: A resolved configuration.
        form: The format of its pairs.
        code: What may run of own code.
        count: Number of pairs; None: that of the data set if it is here, else that of maps.
    """
    source = None if count else _find_source(config, form, code)
    shaping = build_shaping(config.data, training=True)
    size = _stored_size(shaping, source)
    sides = {"source": form.source, "target": form.stored_target}
    shapes: dict[str, tuple[int, ...]] = {name: _shape(side, size) for name, side in sides.items()}
    dtypes = {name: side.dtype for name, side in sides.items()}
    if config.data.condition_names:
        shapes["condition"], dtypes["condition"] = (len(config.data.condition_names),), "float32"
    return StoredPairs(
        count=count or (len(source) if source else MAPS_PAIRS),
        known=bool(count or source),
        shapes=shapes,
        dtypes=dtypes,
        one_size=shaping.uniform and not config.augment.mosaic,
    )


def _shape(side: SourceEncoding | TargetEncoding, size: Size) -> tuple[int, int, int]:
    return (*size, side.channels)


def _stored_size(shaping: Shaping, source: Source | None) -> Size:
    """Return the height and width of stored pairs; of crops, those of the first file."""
    if shaping.uniform:
        return shaping.load_size if shaping.mode == "resize_and_crop" else shaping.image_size
    if source is None:
        return shaping.load_size
    return shaping.scaled(source.size(0), source.names[0])


def _find_source(config: ConfigDict, form: PairFormat, code: OwnCode) -> Source | None:
    """Return the training pairs if they are on this machine; nothing is fetched."""
    data = config.data
    kind = data.source.partition(":")[0]
    if kind == "tfds" or (kind == "pix2pix" and not _has_files(data.root)):
        return None  # it would be downloaded
    try:
        return build_source(data, form, "train", seed=config.seed, code=code)
    except MissingDataError:
        return None


def _has_files(root: str) -> bool:
    """Return whether the files of a published set are here."""
    return bool(root) and bool(list_images(pathlib.Path(root, "train")).files)
