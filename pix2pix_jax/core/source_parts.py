"""What the keys `data.source_*` and the names of folders say of each of several sources."""

import dataclasses
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code_files import is_own

_KEYS = ("source_channels", "source_dtype", "source_classes", "source_no_data")


@dataclasses.dataclass(frozen=True)
class SourcePart:
    """What the configuration says of one source.

    Attributes:
        name: Name of its folder, for messages and pictures; '' if there is one source alone.
        channels: Channels as stored, unless it has classes.
        dtype: Dtype of its files, unless it has classes.
        limits: Values that become -1 and 1; (): the range of the dtype.
        classes: Number of classes if its pixels are class indices; 0 if they are not.
        no_data: What marks pixels without data; '' for nothing.
    """

    name: str
    channels: int
    dtype: str
    limits: tuple[int | float, ...]
    classes: int
    no_data: str = ""

    @property
    def depth(self) -> int:
        """Number of channels that the networks see."""
        return self.classes or self.channels


def folder_names(data: ConfigDict) -> tuple[str, ...]:
    """Return the names of the folders of several sources; () if there is one alone.

    Without names of folders, `data.pair_by` may have ends of several sources in one folder. Else
    there are as many as the keys `data.source_*` have values, in folders that are called A1, A2 and
    so on, or with `data.direction='BtoA'` B1, B2.

    Args:
        data: The section `data` of a configuration.

    Raises:
        InputError: The target has several folders.
    """
    forward = data.direction == "AtoB"
    letter, other = ("a", "b") if forward else ("b", "a")
    if isinstance(data[f"folder_{other}"], tuple):
        raise InputError(
            f"data.folder_{other}={','.join(data[f'folder_{other}'])} with data.direction="
            f"{data.direction}: sources may be several, but there is one target; turn "
            "data.direction round, or name one folder"
        )
    folder = data[f"folder_{letter}"]
    if isinstance(folder, tuple):
        return folder
    given = [data[key] for key in _KEYS if isinstance(data[key], tuple)]
    if len(data.pair_by) > 2 and not folder:
        ends = data.pair_by[:-1] if forward else data.pair_by[1:]
        return tuple(end.strip("_-. ") or letter.upper() for end in ends)
    count = max([len(data.source_range) // 2, *map(len, given)])
    if count < 2:
        return ()
    if folder:
        raise InputError(
            f"data.folder_{letter}={folder}: the keys data.source_* speak of {count} sources; name "
            "as many folders, such as rgb,height"
        )
    return tuple(f"{letter.upper()}{number}" for number in range(1, count + 1))


def source_parts(data: ConfigDict) -> tuple[SourcePart, ...]:
    """Return what a configuration says of each source.

    Args:
        data: The section `data` of a configuration.

    Returns:
        One entry for each source, in order.

    Raises:
        InputError: A key has another number of values than there are sources, or `data.source` has
            no several sources.
    """
    names = folder_names(data)
    if not names:
        channels, dtype, classes, no_data = (data[key] for key in _KEYS)
        return (SourcePart("", channels, dtype, data.source_range, classes, no_data),)
    kind = data.source
    if kind != "folders" and not is_own(kind):
        raise InputError(
            f"data.source={kind!r}: has one source, and the keys speak of {len(names)} "
            f"({', '.join(names)}); several are in folders of their own: set data.source=folders"
        )
    each = [_for_each(f"data.{key}", data[key], names) for key in _KEYS]
    limits = data.source_range
    if len(limits) not in (0, 2, 2 * len(names)):
        raise InputError(
            f"data.source_range={limits}: give two values for all, or two for each of "
            f"{len(names)} sources ({', '.join(names)})"
        )
    pairs = [limits[start : start + 2] for start in range(0, len(limits), 2)] or [()]
    pairs = pairs * (len(names) // len(pairs))
    return tuple(map(SourcePart, names, each[0], each[1], pairs, each[2], each[3]))


def _for_each(key: str, value: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    """Return the value of a key for each source."""
    if not isinstance(value, tuple):
        return (value,) * len(names)
    if len(value) != len(names):
        raise InputError(
            f"{key}={','.join(map(str, value))}: give one value for all, or one for each of "
            f"{len(names)} sources ({', '.join(names)})"
        )
    return value


def source_depth(data: ConfigDict) -> int:
    """Return the number of channels that the networks see of all sources together."""
    return sum(part.depth for part in source_parts(data))
