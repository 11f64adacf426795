"""Where a run's data is now: the run's folder, or the user, may have moved since it was started."""

import os
import pathlib
from collections.abc import Mapping

from ml_collections import ConfigDict

from pix2pix_jax.core.config import get
from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.core.files import expand, read_json_object

KEYS = ("data.root", "data.archive", "data.condition")


def describe_paths(config: ConfigDict, folder: pathlib.Path) -> dict[str, dict[str, str]]:
    """Say where the files and folders of a config are, for the record of a run's start.

    Args:
        config: The run's configuration.
        folder: The run's folder.

    Returns:
        The `absolute` path and the path `relative` to the run's folder, by key; without those that
        do not exist.
    """
    places = {}
    for key in KEYS:
        typed = str(get(config, key))
        path = _whole(pathlib.Path(expand(typed)))
        if not typed or not path.exists():
            continue
        if key == "data.condition" and pathlib.Path(expand(config.data.root), typed).exists():
            continue  # it is found in the data, whatever has this name elsewhere
        places[key] = {"absolute": str(path)}
        try:
            places[key]["relative"] = os.path.relpath(path, _whole(folder))
        except ValueError:  # on Windows, another drive
            continue
    return places


def locate(
    config: ConfigDict, folder: pathlib.Path, record: pathlib.Path, *, required: bool = True
) -> ConfigDict:
    """Return the section `data` of a run's config, with its paths where they are now.

    A path is looked for where it was when the run was last started: at its absolute path, then at
    its path relative to the run's folder, as both may have been moved together. The path as it was
    typed comes last, as from another folder it may lead to other data.

    Args:
        config: The run's configuration, resolved.
        folder: The run's folder.
        record: The record of its starts.
        required: Whether a path must be there, if the record says that it once was. If not, one
            that is nowhere stays as it was typed.

    Raises:
        InputError: A path is required, and there is nothing at any of these places.
    """
    data = config.data.copy_and_resolve_references()
    places = _read_places(record)
    for key in KEYS:
        typed = str(get(config, key))
        path = _find(key, typed, places.get(key), folder, required=required)
        data[key.partition(".")[2]] = path
    return data


def table_in(root: str, data: ConfigDict) -> str:
    """Return where the table of numbers is if the data is in another folder than before.

    Args:
        root: That folder.
        data: The section `data`, with its paths as before.

    Returns:
        The table at the same place in that folder, if there is one, or else the one of before.
    """
    table = pathlib.Path(data.condition)
    if not data.condition or not table.is_relative_to(data.root):
        return str(data.condition)
    moved = pathlib.Path(root, table.relative_to(data.root))
    return str(moved if moved.is_file() else table)


def _find(key: str, typed: str, place: object, folder: pathlib.Path, *, required: bool) -> str:
    """Return where a path of the config leads to now."""
    if not typed or not isinstance(place, dict):
        return typed
    recorded = [place.get(name) for name in ("absolute", "relative")]
    tried = [_whole(folder, path) for path in recorded if isinstance(path, str)]
    tried.append(_whole(pathlib.Path(expand(typed))))
    for path in tried:
        if path.exists():
            return str(path)
    if not required:
        return typed
    places = some_of(dict.fromkeys(tried))
    raise InputError(
        f"{folder}: {key}={typed!r} is not where the run found it ({places}); say where the data "
        "is now with --data_root"
    )


def _whole(folder: pathlib.Path, path: str = "") -> pathlib.Path:
    """Return the absolute path of a path that is relative to a folder, links left as they are."""
    # As text: a folder that is a link has another parent than the place where it leads.
    return pathlib.Path(os.path.normpath(folder.absolute() / path))


def _read_places(record: pathlib.Path) -> Mapping[str, object]:
    """Return what the newest start in a record says; nothing if the record cannot be read."""
    starts = read_json_object(record).get("starts")
    newest = starts[-1] if isinstance(starts, list) and starts else {}
    places = newest.get("paths") if isinstance(newest, dict) else None
    return places if isinstance(places, dict) else {}
