"""Items of a checkpoint on disk: one tree of arrays each, which Orbax writes and reads."""

import contextlib
import logging
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from pix2pix_jax.core.devices import hold
from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.core.processes import is_main
from pix2pix_jax.runs.checkpoint_files import damaged, reason_of, remove_unfinished
from pix2pix_jax.runs.digests import digest_of, named_leaves

Arrays = dict[str, np.ndarray]

# States of optimisers that clip were once a level deeper.
_CLIPPED = re.compile(r"^([gd]_opt_state)\.1\.([01])\.")
# Part of what TensorStore says if a file may be whole, but cannot be read now.
_NOT_NOW = ("RESOURCE_EXHAUSTED", "PERMISSION_DENIED", "Too many open files", "Permission denied")


class _NotOfOrbax(logging.Filter):
    """Drops what Orbax logs. Its errors are raised as well, and are then reported in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "orbax" not in pathlib.PurePath(record.pathname).parts


_NOT_OF_ORBAX = _NotOfOrbax()


def silence_orbax() -> None:
    """Drop what Orbax logs through absl's logger, here and in its threads."""
    logging.getLogger("absl").addFilter(_NOT_OF_ORBAX)  # adding it again has no effect


@contextlib.contextmanager
def failed_writes_named(checkpoints: pathlib.Path) -> Iterator[None]:
    """Turn what Orbax raises for a full disk and the like into one line.

    Args:
        checkpoints: Their folder; what is unfinished in it is removed.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError:
        raise  # the device's memory is full, for example
    except Exception as error:  # Orbax raises many kinds, bare ones among them
        if is_main():
            remove_unfinished(checkpoints)
        raise InputError(
            f"{checkpoints}: a checkpoint could not be written ({reason_of(error)})"
        ) from error


def read_item(item: pathlib.Path, digest: str | None) -> Arrays:
    """Read an item, whatever is in it, and compare it with its digest.

    Args:
        item: Its folder.
        digest: The digest; None if none is known: then it must only be readable.

    Returns:
        Its arrays, by their names in the tree; random keys as their data.

    Raises:
        DamagedError: It is not what was saved.
        InputError: It cannot be read now.
    """
    _refuse_special_files(item)
    with _reading(item), ocp.PyTreeCheckpointer() as reader:
        described = reader.metadata(item).item_metadata
        if described is None:
            raise damaged(item, "the list of its arrays cannot be read")
        # Onto the host: the file that says where the arrays were is then not needed.
        to_host = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), described.tree)
        arrays = named_leaves(reader.restore(item, restore_args=to_host))
    if digest is not None and digest_of(arrays) != digest:
        raise damaged(item, "its content has changed since it was saved")
    return arrays


def _refuse_special_files(item: pathlib.Path) -> None:
    """Raise DamagedError if a named pipe, or the like, is among the files: it may wait for ever."""
    for path in item.rglob("*"):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise damaged(item, f"{path.name} is not a file")


def as_saved(item: PyTree) -> PyTree:
    """Return an item as it is given to Orbax: of one process, the copy on its first device.

    Of what all devices hold, Orbax would write a slice from each, and compile a program for every
    slice: some hundred before the first checkpoint.
    """
    if jax.process_count() > 1:
        return item
    return jax.tree.map(
        lambda leaf: leaf.addressable_shards[0].data if isinstance(leaf, jax.Array) else leaf, item
    )


def restore_item(item: pathlib.Path, abstract: PyTree, digest: str | None) -> PyTree:
    """Restore an item: onto the first device, or with several processes onto every device.

    Args:
        item: Its folder.
        abstract: The wanted tree of shapes and dtypes.
        digest: The digest; None if none is known.

    Raises:
        DamagedError: It is not what was saved.
        InputError: It cannot be read now, or its arrays have other shapes; the message says which.
    """
    arrays = {_CLIPPED.sub(r"\1.\2.", name): leaf for name, leaf in read_item(item, digest).items()}
    asked = named_leaves(abstract)
    _refuse_other_shapes(item, arrays, asked)
    leaves = [_as_asked(arrays[name], leaf) for name, leaf in asked.items()]
    tree = jax.tree.unflatten(jax.tree.structure(abstract), leaves)
    return hold(tree, jax.devices()[:1] if jax.process_count() == 1 else None)


def _as_asked(array: np.ndarray, leaf: jax.ShapeDtypeStruct) -> jax.Array | np.ndarray:
    """Return a stored array as the kind of leaf that is asked for."""
    return (
        jax.random.wrap_key_data(jnp.asarray(array))
        if _is_key(leaf)
        else array.astype(leaf.dtype, copy=False)
    )


def _is_key(leaf: Any) -> bool:
    return bool(jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key))


@contextlib.contextmanager
def _reading(item: pathlib.Path) -> Iterator[None]:
    """Turn what Orbax raises for files that cannot be read into one line."""
    try:
        yield
    except (InputError, jax.errors.JaxRuntimeError, MemoryError):
        raise
    except Exception as error:  # Orbax raises many kinds, bare ones among them
        if any(reason in str(error) for reason in _NOT_NOW):
            raise InputError(f"{item}: cannot be read ({reason_of(error)})") from error
        raise damaged(item, error) from error


def _refuse_other_shapes(item: pathlib.Path, stored: Arrays, asked: Mapping[str, Any]) -> None:
    """Raise InputError if an item has other arrays than asked for."""
    there = {name: tuple(array.shape) for name, array in stored.items()}
    wanted = {name: _stored_shape(leaf) for name, leaf in asked.items()}
    differences = [
        _describe_difference(name, there.get(name), wanted.get(name))
        for name in {**wanted, **there}
        if wanted.get(name) != there.get(name)
    ]
    if differences:
        raise InputError(
            f"{item}: is not damaged, but holds another network than config.json describes: "
            f"{some_of(differences)}. Restore the config.json that belongs to it"
        )


def _stored_shape(leaf: Any) -> tuple[int, ...]:
    """Return the shape of an array in a checkpoint, where random keys are stored as their data."""
    if _is_key(leaf):
        leaf = jax.eval_shape(jax.random.key_data, leaf)
    return tuple(leaf.shape)


def _describe_difference(
    name: str, stored: tuple[int, ...] | None, asked: tuple[int, ...] | None
) -> str:
    if stored is None:
        return f"{name} is missing"
    if asked is None:
        return f"{name} is not expected"
    return f"{name} has shape {stored} instead of {asked}"
