"""The published pix2pix data sets (Isola et al., 2017), prepared with TFDS on first use.

Neither preparing nor reading needs TensorFlow: unlike `tfds.core.GeneratorBasedBuilder`,
`tfds.core.ShardBasedBuilder` works without it for more than 1 GB of images.
"""

import contextlib
import dataclasses
import difflib
import functools
import io
import itertools
import logging
import math
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

from tqdm.auto import tqdm

from pix2pix_jax.core.downloads import download, verify
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import expand, no_empty_folders
from pix2pix_jax.data.archives import iterate_images, measure_images
from pix2pix_jax.data.records import Records, build_split, is_prepared, naming_damage, open_records
from pix2pix_jax.data.sources import Pair, Source, read_side_by_side
from pix2pix_jax.images.encoding import Encoding

logger = logging.getLogger(__name__)

# Asked by https first, and by http with a warning if it does not answer, which nobody has tried.
BASE_URL = "https://efrosgans.eecs.berkeley.edu/pix2pix/datasets/"
PUBLISHED = ("cityscapes", "edges2handbags", "edges2shoes", "facades", "maps", "night2day")
# SHA-256 of the archives. None is published: that of the first download is recorded and compared.
CHECKSUMS = dict.fromkeys(PUBLISHED, "")
_SHARD_BYTES = 2**27  # TFDS holds a shard in memory until it is written
Example = tuple[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class PublishedPairs:
    """Side-by-side images of a prepared set: A in their left, B in their right half.

    Attributes:
        records: The encoded images.
        names: Names of the original files, sorted.
        places: Number of each in the records.
        direction: `AtoB`: A is the source; `BtoA`: B is.
        source: How sources are stored.
        target: How targets are stored.
        scale: As for `SideBySide`.
    """

    records: Records
    names: tuple[str, ...]
    places: tuple[int, ...]
    direction: str
    source: Encoding
    target: Encoding
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Pair:
        name = self.names[index]
        file = self.records.open(self.places[index], "image", name)
        sides = self.source, self.target
        return read_side_by_side(file, name, self.direction, *sides, scale=self.scale)

    def size(self, index: int) -> tuple[int, int]:
        """Return height and width of the source."""
        height, width = self[index][0].shape[:2]
        return height, width


def build_published(
    name: str,
    split: str,
    *,
    source: Encoding,
    target: Encoding,
    data_dir: str = "",
    archive: str = "",
    direction: str = "AtoB",
    scale: float = 1.0,
) -> Source:
    """Build the pairs of one split of a published set.

    Args:
        name: One of `PUBLISHED`.
        split: `train`, `val`, `test`, or `all`.
        source: How sources are stored.
        target: How targets are stored.
        data_dir: As for `prepare`.
        archive: As for `prepare`.
        direction: `AtoB`: the left half is the source; `BtoA`: the right half is.
        scale: As for `SideBySide`.

    Returns:
        The pairs in the order of their files' names, none of them read yet.

    Raises:
        InputError: As for `prepare`, or the set has no such split.
    """
    builder = prepare(name, data_dir, archive=archive)
    what = f"data.source='pix2pix:{name}'"

    def build(split: str) -> PublishedPairs:
        records = open_records(builder, split, what)
        with naming_damage(what, builder.data_dir):
            stored = tuple(str(name) for name in builder.info.metadata["names"][split])
            if len(stored) != len(records):
                raise ValueError(f"{len(stored)} names of {len(records)} images")
        # By the parts of the path: the order of the same files in a folder.
        places = sorted(range(len(stored)), key=lambda place: stored[place].split("/"))
        names = tuple(stored[place] for place in places)
        return PublishedPairs(records, names, tuple(places), direction, source, target, scale)

    with naming_damage(what, builder.data_dir):
        available = tuple(builder.info.splits)
    return build_split(available, split, what, build)


def prepare(
    name: str,
    data_dir: str = "",
    *,
    archive: str = "",
    base_url: str = BASE_URL,
    shard_bytes: int = _SHARD_BYTES,
) -> Any:
    """Download a published set and prepare it as array_record, unless that is done already.

    A preparation that is interrupted leaves nothing that counts as prepared.

    Args:
        name: One of `PUBLISHED`.
        data_dir: Where TFDS keeps its sets; '' for its own folder. Archives are in `downloads`
            there.
        archive: A local `.tar.gz`, or a folder with `<name>.tar.gz`; '' to download it.
        base_url: Where the archives are.
        shard_bytes: Size of the files that the set is divided into.

    Returns:
        The builder of the prepared set.

    Raises:
        InputError: The name is unknown, the archive cannot be downloaded or is broken, or the set
            cannot be written.
    """
    if name not in PUBLISHED:
        near = difflib.get_close_matches(name, PUBLISHED, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise InputError(f"data.source='pix2pix:{name}': {guess}Choose from {', '.join(PUBLISHED)}")
    builder = _open_builder(name, data_dir)
    if is_prepared(builder):
        return builder
    with no_empty_folders(pathlib.Path(builder.data_dir_root, "downloads", "extracted")):
        builder.archive = _find_archive(name, builder, archive, base_url)
        builder.sizes = measure_images(builder.archive)  # before TFDS writes anything
        builder.shard_bytes = shard_bytes
        _write_records(builder)
    prepared = _open_builder(name, data_dir)
    if not is_prepared(prepared):  # TFDS accepts any folder of that name as a prepared set
        raise InputError(f"{builder.data_dir}: holds no prepared set; delete that folder")
    counts = ", ".join(f"{key} {split.num_examples}" for key, split in prepared.info.splits.items())
    logger.info("prepared pix2pix:%s (%s) in %s", name, counts, prepared.data_dir)
    return prepared


def _open_builder(name: str, data_dir: str) -> Any:
    place = pathlib.Path(expand(data_dir)) if data_dir else None
    folder = f"pix2pix/{name} in {place or 'the data_dir of TFDS'}"
    kind = builder_class()
    with naming_damage(f"data.source='pix2pix:{name}'", folder):
        return kind(config=name, data_dir=place)


def _find_archive(name: str, builder: Any, archive: str, base_url: str) -> pathlib.Path:
    """Return the archive of a set, checked, and downloaded if it is missing.

    Raises:
        InputError: It cannot be downloaded, or is not the expected file.
    """
    downloads = pathlib.Path(builder.data_dir_root, "downloads")
    path = pathlib.Path(expand(archive)) if archive else downloads
    if path.is_dir() or not archive:
        path = path / f"{name}.tar.gz"
    if path.is_file():
        verify(path, CHECKSUMS[name])
    elif archive:
        raise InputError(f"data.archive={archive!r}: there is no {path}")
    else:
        hint = (
            f"on a machine without network, put {path.name} into {downloads}, or set data.archive "
            "to where it is"
        )
        url = f"{base_url.rstrip('/')}/{path.name}"
        download(url, path, sha256=CHECKSUMS[name], hint=hint, or_http=True)
    return path


def _write_records(builder: Any) -> None:
    """Prepare a set from its archive.

    Raises:
        InputError: Its files cannot be written.
    """
    import tensorflow_datasets as tfds

    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints lines of unknown sizes
            builder.download_and_prepare(
                file_format="array_record",
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    except (OSError, RuntimeError) as error:  # RuntimeError: array_record could not write
        if not is_prepared(builder):  # another process may have done it at the same time
            reason = getattr(error, "strerror", None) or str(error).split(";")[0]
            raise InputError(f"{builder.data_dir}: cannot be written ({reason})") from None


@functools.cache
def builder_class() -> Any:
    """Return the class of the published sets' TFDS builder; TFDS is imported only here."""
    import tensorflow_datasets as tfds

    class Pix2Pix(tfds.core.ShardBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
        """Side-by-side images as the bytes of their files, in the order of the archive.

        Attributes:
            archive: The `.tar.gz` to prepare the set from.
            sizes: Its images, as from `measure_images`.
            shard_bytes: Size of the files that the set is divided into.
        """

        name = "pix2pix"
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in PUBLISHED]  # noqa: RUF012
        archive = pathlib.Path()
        sizes: dict[str, dict[str, int]] = {}  # noqa: RUF012
        shard_bytes = _SHARD_BYTES

        def _info(self) -> Any:
            return tfds.core.DatasetInfo(
                builder=self,
                description="Paired images, A in the left and B in the right half.",
                features=tfds.features.FeaturesDict(
                    {"image": tfds.features.Image(), "name": tfds.features.Text()}
                ),
                homepage="https://phillipi.github.io/pix2pix/",
                metadata=tfds.core.MetadataDict(),
            )

        def _shard_iterators_per_split(
            self, dl_manager: Any
        ) -> dict[str, list[Callable[[], Iterator[Example]]]]:
            sizes = self.sizes
            self.info.metadata["names"] = {split: list(files) for split, files in sizes.items()}
            return {
                split: _shards(self.archive, split, files, self.shard_bytes)
                for split, files in sizes.items()
            }

    return Pix2Pix


def _shards(
    archive: pathlib.Path, split: str, sizes: dict[str, int], shard_bytes: int
) -> list[Callable[[], Iterator[Example]]]:
    """Divide a split into shards, to be written in turn from one pass over the archive."""
    count = math.ceil(sum(sizes.values()) / shard_bytes)
    length = math.ceil(len(sizes) / max(count, 1))

    def examples() -> Iterator[Example]:
        bar = tqdm(
            desc=f"preparing {split}", total=len(sizes), unit="image", disable=None, leave=False
        )
        with bar:
            for place, name, data in iterate_images(archive):
                if place == split:
                    bar.update()
                    yield name, {"image": data, "name": name}

    stream = examples()
    starts = range(0, len(sizes), length)
    return [functools.partial(itertools.islice, stream, length) for _ in starts]
