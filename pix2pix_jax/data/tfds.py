"""Pairs from any data set of TensorFlow Datasets (TFDS)."""

import dataclasses
import difflib
import functools
from typing import Any

import numpy as np

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import expand
from pix2pix_jax.data.records import Records, build_split, is_prepared, open_records
from pix2pix_jax.data.sources import Pair, Source
from pix2pix_jax.images.encoding import Encoding

_CATALOG = "https://www.tensorflow.org/datasets/catalog"
_WRONG_NAME = (ValueError, AssertionError, ImportError)  # or its config or version
_IMAGE_DTYPES = (np.uint8, np.uint16)  # inside TFDS, float32 images are 8-bit colours


@dataclasses.dataclass(frozen=True)
class TfdsPairs:
    """Pairs of two image features of a TFDS set, or of the same image twice.

    Attributes:
        records: The encoded images.
        split: Name of the split.
        features: Names of the source's and the target's feature.
        source: How sources are stored.
        target: How targets are stored.
    """

    records: Records
    split: str
    features: tuple[str, str]
    source: Encoding
    target: Encoding

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Generated names: TFDS has none for examples in random access."""
        return tuple(f"{self.split}_{number:06d}" for number in range(len(self)))

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Pair:
        source = self._read(index, self.features[0], self.source)
        if self.features[0] == self.features[1] and self.source == self.target:
            return source, source
        return source, self._read(index, self.features[1], self.target)

    def _read(self, index: int, feature: str, encoding: Encoding) -> np.ndarray:
        what = f"{self.names[index]} ({feature})"
        file = self.records.open(range(len(self))[index], feature, what)
        return encoding.read(file, name=what)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of the source."""
        height, width = self._read(index, self.features[0], self.source).shape[:2]
        return height, width


def build_tfds(
    name: str,
    split: str,
    *,
    source: Encoding,
    target: Encoding,
    data_dir: str = "",
    source_feature: str = "",
    target_feature: str = "",
    direction: str = "AtoB",
    single: bool = False,
) -> Source:
    """Build the pairs of one split of a TFDS set, which is downloaded and prepared on first use.

    Args:
        name: The set's name in TFDS: `oxford_iiit_pet`, `div2k/bicubic_x4`, `voc:4.0.0`.
        split: `train`, `val`, `test`, or `all`.
        source: How sources are stored.
        target: How targets are stored.
        data_dir: Where sets are kept; '' for TFDS's own folder.
        source_feature: Image feature to use as the source (A); '' for the first that is not the
            target, in the order of the set's definition.
        target_feature: Image feature to use as the target (B); '' for the next one.
        direction: `BtoA` swaps the two features.
        single: Whether each pair is the same image twice, so that the other side can be derived.

    Returns:
        The pairs, none of them read yet.

    Raises:
        InputError: There is no such set, feature or split, or it cannot be prepared.
    """
    what = f"data.source='tfds:{name}'"
    builder = _open_builder(name, data_dir, what)
    features = _choose(builder, source_feature, target_feature, single, what)
    if not is_prepared(builder):
        _prepare(builder, name, what)
        builder = _open_builder(name, data_dir, what)

    def build(split: str) -> TfdsPairs:
        records = open_records(builder, split, what)
        order = features if direction == "AtoB" else features[::-1]
        return TfdsPairs(records, split, order, source, target)

    return build_split(builder.info.splits, split, what, build)


def _open_builder(name: str, data_dir: str, what: str) -> Any:
    import tensorflow_datasets as tfds

    place = expand(data_dir)
    version = name.partition("/")[0].partition(":")[2]
    if version[:1].isalpha():  # such as huggingface:mnist, whose loading script would be run
        raise InputError(f"{what}: only TFDS's own sets are read; give a name of {_CATALOG}")
    try:
        return tfds.builder(name, data_dir=place or None)
    except tfds.core.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        near = difflib.get_close_matches(name.partition("/")[0].partition(":")[0], known)
        guess = f"did you mean {' or '.join(near)}? All are" if near else "all are"
        raise InputError(f"{what}: TFDS has no such data set; {guess} at {_CATALOG}") from None
    except Exception as error:  # whatever its parsers raise for damaged files, or a wrong name
        if isinstance(error, _WRONG_NAME) and not isinstance(error, UnicodeError):
            reason = f"cannot be opened ({_one_line(error)}); see {_CATALOG}"
        else:
            where = place or "the data_dir of TFDS"
            reason = f"its description is broken ({_one_line(error)}); delete its folder in {where}"
        raise InputError(f"{what}: {reason}") from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _prepare(builder: Any, name: str, what: str) -> None:
    """Download and prepare a set.

    Raises:
        InputError: That is not possible here; the message says how to do it elsewhere.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    try:
        builder.download_and_prepare(
            file_format="array_record",
            download_config=tfds.download.DownloadConfig(try_download_gcs=False),
        )
    except (
        ImportError,
        OSError,
        AssertionError,  # raised by TFDS if files must be downloaded by hand
        NonMatchingChecksumError,
        tfds.download.DownloadError,
        tfds.download.extractor.ExtractError,
    ) as error:
        lacks_tensorflow = "No module named 'tensorflow'" in str(error)
        reason = "needs TensorFlow for this set" if lacks_tensorflow else _one_line(error)
        way_out = "pip install tensorflow, or on" if lacks_tensorflow else "on"
        raise InputError(
            f"{what}: cannot be prepared ({reason}); {way_out} a machine that can, run: tfds build "
            f"{name} --file_format=array_record, and copy the result to {builder.data_dir}"
        ) from None
    if not is_prepared(builder):  # TFDS accepts any folder of that name as a prepared set
        raise InputError(f"{what}: {builder.data_dir} holds no prepared set; delete that folder")


def _image_features(builder: Any, what: str) -> list[str]:
    """Return the names of the top-level image features, in order."""
    import tensorflow_datasets as tfds

    kinds = dict((builder.info.features or {}).items())
    images = [
        name
        for name, feature in kinds.items()
        if isinstance(feature, tfds.features.Image) and feature.np_dtype in _IMAGE_DTYPES
    ]
    if not images:
        others = ", ".join(f"{name} ({type(kind).__name__})" for name, kind in kinds.items())
        raise InputError(f"{what}: has no images of 8 or 16 bits, only {others}")
    return images


def _choose(builder: Any, source: str, target: str, single: bool, what: str) -> tuple[str, str]:
    """Choose the two image features; with `single`, the same one twice."""
    from tensorflow_datasets.core.read_only_builder import ReadOnlyBuilder

    images = _image_features(builder, what)
    for key, name in (("data.tfds_source", source), ("data.tfds_target", target)):
        if name and name not in images:
            raise InputError(
                f"{key}={name!r}: {what} has no image feature of that name; choose from "
                f"{', '.join(images)}"
            )
    free = [name for name in images if name not in (source, target)]
    open_sides = [source, target].count("") - (1 if single else 0)
    if isinstance(builder, ReadOnlyBuilder) and open_sides > 0 and len(free) > 1:
        raise InputError(
            f"{what}: is read from its files alone, which do not keep the order of features; set "
            f"data.tfds_source and data.tfds_target, out of {', '.join(sorted(images))}"
        )
    if single:
        chosen = source or target or images[0]
        if target not in ("", chosen):
            raise InputError(
                f"data.tfds_source={source!r}, data.tfds_target={target!r}: derive.kind needs one "
                f"image of {what}; set one of the two, or derive.kind=''"
            )
        return chosen, chosen
    rest = iter(free)
    pair = source or next(rest, ""), target or next(rest, "")
    if not all(pair):
        raise InputError(
            f"{what}: has only one image feature ({images[0]}); set derive.kind to how the other "
            "side is made, such as gray or edges"
        )
    return pair
