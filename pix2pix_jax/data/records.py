"""Data sets prepared by TensorFlow Datasets (TFDS), read without TensorFlow.

Images are decoded like those in files, not by TFDS: it uses OpenCV or Pillow, whichever is
installed, and their results differ.
"""

import contextlib
import dataclasses
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.selection import Concatenated
from pix2pix_jax.data.sources import ALL, STAND_INS, Source

_OTHER_NAMES = {"val": ("val", "validation")}  # what sets call our splits, if not the same


@contextlib.contextmanager
def naming_damage(what: str, folder: object) -> Iterator[None]:
    """Turn whatever TFDS raises for damaged files of a prepared set into an InputError.

    Args:
        what: What messages call the set.
        folder: Where its files are.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # whatever the parsers of its descriptions and records raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"{what}: cannot be read from {folder} ({reason}); delete that folder, and the set is "
            "prepared again"
        ) from None


@dataclasses.dataclass(frozen=True)
class Records:
    """Encoded images of one split of a prepared set; several threads may read at once.

    Attributes:
        examples: The split's examples, with their images still encoded.
        folder: Where they are, for messages.
    """

    examples: Any  # a tfds.core data source: a sequence, but checking its type would read from it
    folder: str

    def __len__(self) -> int:
        return len(self.examples)

    def open(self, index: int, feature: str, name: str) -> io.BytesIO:
        """Return an image feature as the file that was stored.

        Args:
            index: Number of the example.
            feature: Name of the feature.
            name: Name of the image, for the message.

        Raises:
            InputError: The prepared files are broken.
        """
        with naming_damage(name, self.folder):
            data = self.examples[index][feature]
            if not isinstance(data, bytes):
                raise TypeError(f"the record holds {type(data).__name__}, not a file")
        return io.BytesIO(data)


def is_prepared(builder: Any) -> bool:
    """Return whether a TFDS set is complete on the disk."""
    return bool((builder.data_path / "dataset_info.json").exists())


def open_records(builder: Any, split: str, what: str) -> Records:
    """Open a prepared split for random access.

    Args:
        builder: The set's builder.
        split: One of the set's own splits.
        what: What messages call the set.

    Raises:
        InputError: The set is prepared in a format without random access.
    """
    import tensorflow_datasets as tfds

    decoders = {
        name: tfds.decode.SkipDecoding()
        for name, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image)
    }
    with naming_damage(what, builder.data_dir):
        try:
            examples = builder.as_data_source(split, decoders=decoders)
        except NotImplementedError:
            raise InputError(
                f"{what}: {builder.data_dir} holds {builder.info.file_format.value}, which has no "
                "random access; delete that folder, or set data.root to another place"
            ) from None
        len(examples)  # opens them
    return Records(examples, builder.data_dir)


def build_split(
    available: Iterable[str], split: str, what: str, build: Callable[[str], Source]
) -> Source:
    """Build one of our splits from those that a set has.

    Args:
        available: Names of the set's splits.
        split: `train`, `val`, `test` or `all`.
        what: What messages call the set.
        build: Builds one of the set's splits.

    Raises:
        InputError: The set has no split that can serve as this one.
    """
    names = tuple(available)
    if split == ALL:
        return Concatenated({name: build(name) for name in names})
    wanted = [name for each in STAND_INS[split] for name in _OTHER_NAMES.get(each, (each,))]
    for name in wanted:
        if name in names:
            return build(name)
    raise InputError(
        f"{what}: has no split {' or '.join(wanted)}, only {', '.join(names)}; set data.split, "
        "such as (0.8, 0.1, 0.1), to divide all of its images yourself"
    )
