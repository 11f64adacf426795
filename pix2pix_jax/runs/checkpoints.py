"""Checkpoints of a run, through Orbax: named items, and `meta`, which says what they mean.

An item is a tree of arrays that is restored as a whole. `training.state.TrainState.items` defines
the items and their content. `meta` is JSON.
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
from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.runs.folder import RunFolder

_META = "meta"


class _OrbaxErrorsOnly(logging.Filter):
    """Drops what Orbax logs below errors: a page of its configuration for every manager."""

    def filter(self, record: logging.LogRecord) -> bool:
        is_orbax = "orbax" in pathlib.PurePath(record.pathname).parts
        return record.levelno >= logging.ERROR or not is_orbax


_ORBAX_ERRORS_ONLY = _OrbaxErrorsOnly()


@dataclasses.dataclass
class _EveryEpochs:
    """Preservation policy: keep the checkpoints of all multiples of `period` epochs; 0: none."""

    period: int

    # Any: type checks at runtime cannot handle Orbax's protocols.
    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        return [self._is_multiple(info.metrics) for info in checkpoints]

    def _is_multiple(self, metrics: Mapping[str, float] | None) -> bool:
        if not self.period or not metrics:
            return False
        return metrics["epoch"] % self.period == 0


def _rank(metrics: dict[str, float]) -> tuple[float, float]:
    """Sort the best first: the lowest score since the run was last changed."""
    return -float(metrics["part"]), float(metrics["score"])


# What Orbax raises for files that are incomplete or damaged, and for shapes that differ.
_ORBAX_ERRORS = (KeyError, TypeError, ValueError, FileNotFoundError)


def _damaged(what: object, error: Exception) -> InputError:
    reason = str(error).strip().splitlines() or [type(error).__name__]
    return InputError(
        f"{what}: is damaged and cannot be read ({reason[0][:160]}). Move that folder away to "
        "continue from the checkpoint before it"
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
            keep: How many of the newest to keep, besides the best.
            keep_period: Also keep the checkpoints of all multiples of this many epochs; 0: none.
            read_only: Whether nothing will be saved; then the folder is not created.
        """
        logging.getLogger("absl").addFilter(_ORBAX_ERRORS_ONLY)  # adding it again has no effect
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
        """Steps of the checkpoints, in order."""
        return sorted(self._manager.all_steps())

    @property
    def latest(self) -> int | None:
        """Step of the newest checkpoint; None if there are none."""
        return self._manager.latest_step()

    @property
    def best(self) -> int | None:
        """Step of the checkpoint with the best score; the newest if none has a score."""
        best = self._manager.best_step()
        return self.latest if best is None else best

    def choose(self, which: str) -> int:
        """Return the step of a checkpoint: `best`, `latest` or a number.

        Raises:
            InputError: There is no such checkpoint; the message lists those that exist.
        """
        steps = self.steps
        if not steps:
            raise InputError(f"{self._folder}: there is no checkpoint")
        if which == "latest":
            return steps[-1]
        if which == "best":
            return steps[-1] if self.best is None else self.best
        if which.isdecimal() and int(which) in steps:
            return int(which)
        existing = ", ".join(map(str, steps))
        raise InputError(f"checkpoint {which!r}: choose from best, latest, {existing}")

    def save(
        self,
        step: int,
        items: Mapping[str, PyTree],
        meta: dict[str, Any],
        metrics: dict[str, float] | None,
    ) -> None:
        """Start to save a checkpoint; it is written in the background.

        Args:
            step: Its step. If that has a checkpoint already, nothing happens.
            items: Trees of arrays, by name.
            meta: JSON values that say what the step means.
            metrics: None if the state has not been evaluated; otherwise `score` (lower is better),
                `epoch`, and `part`, the step at which the run was last changed.

        Raises:
            InputError: It cannot be written.
        """
        if step in self.steps:
            return
        args = {name: ocp.args.StandardSave(item) for name, item in items.items()}
        with self._failed_writes_named():
            self._manager.save(
                step,
                args=ocp.args.Composite(**args, **{_META: ocp.args.JsonSave(meta)}),
                metrics=metrics,
                force=True,
            )

    def wait(self) -> None:
        """Wait until everything that was saved is on disk.

        Raises:
            InputError: It could not be written.
        """
        with self._failed_writes_named():
            self._manager.wait_until_finished()

    @contextlib.contextmanager
    def _failed_writes_named(self) -> Iterator[None]:
        """Turn what Orbax raises for a full disk and similar into one line."""
        try:
            yield
        except ValueError as error:
            reason = str(error).strip().splitlines()[0][:160]
            raise InputError(
                f"{self._folder}: a checkpoint could not be written ({reason})"
            ) from error

    def restore_meta(self, step: int) -> dict[str, Any]:
        """Return what was saved as `meta`.

        Raises:
            InputError: The checkpoint is damaged.
        """
        args = ocp.args.Composite(**{_META: ocp.args.JsonRestore()})
        try:
            return self._manager.restore(step, args=args)[_META]
        except _ORBAX_ERRORS as error:
            raise _damaged(self._folder / str(step), error) from error

    def restore(self, step: int, abstract: Mapping[str, PyTree]) -> dict[str, PyTree]:
        """Restore items: onto the first device, or with several processes onto every device.

        Args:
            step: Step of the checkpoint.
            abstract: The wanted items, by name, as trees of shapes and dtypes.

        Returns:
            The items, by name.

        Raises:
            InputError: The checkpoint is damaged, or its arrays have other shapes than `abstract`;
                the message says which.
        """
        place = self._folder / str(step)
        for name, item in abstract.items():
            # Orbax would fail, too, but not in one line.
            self._refuse_other_shapes(place / name, item)
        args = {name: ocp.args.StandardRestore(_place(item)) for name, item in abstract.items()}
        try:
            return dict(self._manager.restore(step, args=ocp.args.Composite(**args)).items())
        except jax.errors.JaxRuntimeError:
            raise  # the device's memory is full, for example
        except Exception as error:  # Orbax raises a bare Exception for a file that is cut short
            raise _damaged(place, error) from error

    def _refuse_other_shapes(self, item: pathlib.Path, abstract: PyTree) -> None:
        """Raise InputError if an item is complete, but has other arrays than asked for."""
        try:
            with ocp.StandardCheckpointer() as reader:
                tree = reader.metadata(item).item_metadata.tree
        except (AttributeError, *_ORBAX_ERRORS):
            return  # its description cannot be read: the restore will say so
        stored, asked = _shapes(tree), _shapes(abstract)
        differences = [
            _describe_difference(name, stored.get(name), asked.get(name))
            for name in {**asked, **stored}
            if asked.get(name) != stored.get(name)
        ]
        if differences:
            raise InputError(
                f"{item}: is not damaged, but holds another network than config.json describes: "
                f"{some_of(differences)}. Restore the config.json that belongs to it"
            )


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array of a tree, by name."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): _stored_shape(leaf)
        for path, leaf in leaves
        if hasattr(leaf, "shape")
    }


def _stored_shape(leaf: Any) -> tuple[int, ...]:
    """Return the shape of an array in a checkpoint, where random keys are stored as their data."""
    if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
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


def _place(abstract: PyTree) -> PyTree:
    # With several processes, all restore together, and each needs the whole.
    sharding = everywhere(jax.devices()[:1] if jax.process_count() == 1 else None)
    place = functools.partial(jax.ShapeDtypeStruct, sharding=sharding)
    return jax.tree.map(lambda leaf: place(leaf.shape, leaf.dtype), abstract)
