"""Checkpoints of a run, through Orbax: named items, and `meta`, which says what they mean.

An item is a tree of arrays that is restored as a whole; what the items are called and what is in
them is said where the state is (`training.state.TrainState.items`). `meta` is JSON.
"""

import contextlib
import dataclasses
import functools
import logging
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import orbax.checkpoint as ocp
from jaxtyping import PyTree
from orbax.checkpoint import checkpoint_managers as policies

from pix2pix_jax.core.devices import everywhere
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.runs.folder import RunFolder

_META = "meta"
_SHOWN = 3  # arrays that a message lists


class _WithoutOrbax(logging.Filter):
    """Leaves out what Orbax logs below errors: a page of its own configuration per manager."""

    def filter(self, record: logging.LogRecord) -> bool:
        is_orbax = "orbax" in pathlib.PurePath(record.pathname).parts
        return record.levelno >= logging.ERROR or not is_orbax


_WITHOUT_ORBAX = _WithoutOrbax()


@dataclasses.dataclass
class _EveryEpochs:
    """Preservation policy: keep the checkpoints of every multiple of `period` epochs."""

    period: int

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        return [
            bool(self.period and info.metrics and info.metrics["epoch"] % self.period == 0)
            for info in checkpoints
        ]


def _rank(metrics: dict[str, float]) -> tuple[float, float]:
    """Order checkpoints, the best first: of the newest part of a changed run, the lowest score."""
    return -float(metrics["part"]), float(metrics["score"])


# What Orbax raises for files that are incomplete, damaged, or of another form than was asked for.
_ORBAX_ERRORS = (KeyError, TypeError, ValueError, FileNotFoundError)


def _damaged(what: object, error: Exception) -> InputError:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return InputError(
        f"{what}: cannot be read, so it is damaged ({reason[0][:160]}). Move that folder away to "
        "go on from the checkpoint before it"
    )


class Checkpoints:
    """The checkpoints under a run's folder; a context manager that waits for unfinished writes."""

    def __init__(
        self,
        workdir: str | pathlib.Path,
        *,
        keep: int = 3,
        keep_period: int = 0,
        read_only: bool = False,
    ) -> None:
        """Open the checkpoints of a run.

        Args:
            workdir: The run's folder.
            keep: How many of the newest are kept, besides the best.
            keep_period: Also keep every multiple of this many epochs; 0: none.
            read_only: Whether nothing will be saved; the folder is then not created.
        """
        logging.getLogger("absl").addFilter(_WITHOUT_ORBAX)  # a second time changes nothing
        best = policies.BestN(
            get_metric_fn=_rank,
            reverse=True,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self._folder = RunFolder(workdir).checkpoints.absolute()
        options = ocp.CheckpointManagerOptions(
            best_fn=_rank,
            best_mode="min",
            preservation_policy=policies.AnyPreservationPolicy(
                [policies.LatestN(keep), best, _EveryEpochs(keep_period)]
            ),
            create=not read_only,
            read_only=read_only,
            cleanup_tmp_directories=not read_only,
        )
        try:
            self._manager = ocp.CheckpointManager(self._folder, options=options)
        except _ORBAX_ERRORS as error:
            raise _damaged(self._folder, error) from error

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        self._manager.close()

    @property
    def steps(self) -> list[int]:
        """Steps that have a checkpoint, in order."""
        return sorted(self._manager.all_steps())

    @property
    def latest(self) -> int | None:
        """Step of the newest checkpoint; None where there is none."""
        return self._manager.latest_step()

    @property
    def best(self) -> int | None:
        """Step of the kept checkpoint with the best score; the newest if none has one."""
        return self._manager.best_step() or self.latest

    def choose(self, which: str) -> int:
        """Return the step that is meant by `best`, `latest` or a number.

        Raises:
            InputError: There is no such checkpoint; the message lists those that exist.
        """
        steps = self.steps
        if not steps:
            raise InputError(f"{self._folder}: there is no checkpoint")
        step = {"best": self.best, "latest": self.latest}.get(which)
        if step is None and which.isdecimal() and int(which) in steps:
            step = int(which)
        if step is None:
            there = ", ".join(map(str, steps))
            raise InputError(f"checkpoint {which!r}: choose from best, latest, {there}")
        return step

    def save(
        self,
        step: int,
        items: Mapping[str, PyTree],
        meta: dict[str, Any],
        metrics: dict[str, float] | None,
    ) -> None:
        """Start to save a checkpoint; writing goes on in the background.

        Args:
            step: Its step. A step that is saved already is left as it is.
            items: Trees of arrays by name.
            meta: JSON values that say what the step means.
            metrics: If the state has been evaluated: `score`, the lower the better, `epoch`, and
                `part`, the step at which the run was last changed.

        Raises:
            InputError: It cannot be written.
        """
        if step in self.steps:
            return
        args = {name: ocp.args.StandardSave(item) for name, item in items.items()}
        with self._naming_failed_write():
            self._manager.save(
                step,
                args=ocp.args.Composite(**args, **{_META: ocp.args.JsonSave(meta)}),
                metrics=metrics,
                force=True,
            )

    def wait(self) -> None:
        """Wait until what was saved is on the disk.

        Raises:
            InputError: It could not be written.
        """
        with self._naming_failed_write():
            self._manager.wait_until_finished()

    @contextlib.contextmanager
    def _naming_failed_write(self) -> Iterator[None]:
        """Turn what Orbax raises for a full disk and the like into one line."""
        try:
            yield
        except ValueError as error:
            reason = str(error).strip().splitlines()[0][:160]
            raise InputError(
                f"{self._folder}: a checkpoint could not be written ({reason})"
            ) from error

    def restore_meta(self, step: int) -> dict[str, Any]:
        """Read what was saved as `meta`.

        Raises:
            InputError: The checkpoint is damaged.
        """
        args = ocp.args.Composite(**{_META: ocp.args.JsonRestore()})
        try:
            return self._manager.restore(step, args=args)[_META]
        except _ORBAX_ERRORS as error:
            raise _damaged(self._folder / str(step), error) from error

    def restore(self, step: int, abstract: Mapping[str, PyTree]) -> dict[str, PyTree]:
        """Restore some items onto the first device; among several processes, onto every device.

        Args:
            step: Step of the checkpoint.
            abstract: The items that are wanted, by name, as trees of shapes and dtypes.

        Returns:
            The items.

        Raises:
            InputError: The checkpoint is damaged, or its arrays have other shapes than `abstract`;
                the message says which.
        """
        args = {name: ocp.args.StandardRestore(_place(item)) for name, item in abstract.items()}
        try:
            return dict(self._manager.restore(step, args=ocp.args.Composite(**args)).items())
        except _ORBAX_ERRORS as error:
            place = self._folder / str(step)
            for name, item in abstract.items():
                self._refuse_other_shapes(place / name, item)
            raise _damaged(place, error) from error

    def _refuse_other_shapes(self, item: pathlib.Path, abstract: PyTree) -> None:
        """Raise InputError if an item is whole, but its arrays are not those asked for."""
        try:
            tree = ocp.StandardCheckpointer().metadata(item).item_metadata.tree
            stored = _shapes(tree)
        except (AttributeError, *_ORBAX_ERRORS):
            return  # its description cannot be read: it is damaged
        asked = _shapes(abstract)
        other = [name for name in {**asked, **stored} if asked.get(name) != stored.get(name)]
        if not other:
            return
        shown = "; ".join(
            f"{name} has {stored.get(name, 'no array')}, expected {asked.get(name, 'none')}"
            for name in other[:_SHOWN]
        )
        more = f"; and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        raise InputError(
            f"{item}: is whole, but holds another network than the configuration describes: "
            f"{shown}{more}. Restore the config.json that belongs to it"
        )


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of a tree by its name."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): _stored_shape(leaf)
        for path, leaf in leaves
        if hasattr(leaf, "shape")
    }


def _stored_shape(leaf: Any) -> tuple[int, ...]:
    """Return the shape that an array has in a checkpoint: random keys are stored as their data."""
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.eval_shape(jax.random.key_data, leaf)
    return tuple(leaf.shape)


def _place(abstract: PyTree) -> PyTree:
    # Several processes restore together, to where all of them need it.
    sharding = everywhere(jax.devices()[:1] if jax.process_count() == 1 else None)
    place = functools.partial(jax.ShapeDtypeStruct, sharding=sharding)
    return jax.tree.map(lambda leaf: place(leaf.shape, leaf.dtype), abstract)
