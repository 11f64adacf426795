"""Checkpoints of a run, through Orbax: named items, and `meta`, which says what they mean.

An item is a tree of arrays that is restored as a whole. `training.state.TrainState.items` defines
the items and their content. `meta` is JSON, see `checkpoint_files`. Orbax itself does not notice a
changed bit: every restore compares an item with its digest in `meta`.
"""

import logging
import pathlib
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import orbax.checkpoint as ocp
from jaxtyping import PyTree

from pix2pix_jax.core.errors import InputError, some_of
from pix2pix_jax.core.processes import is_main, wait_for_all
from pix2pix_jax.runs import checkpoint_files as files
from pix2pix_jax.runs.checkpoint_files import META, DamagedError, Meta
from pix2pix_jax.runs.checkpoint_items import (
    as_saved,
    failed_writes_named,
    read_item,
    restore_item,
    silence_orbax,
)
from pix2pix_jax.runs.digests import digest_of
from pix2pix_jax.runs.folder import RunFolder

logger = logging.getLogger(__name__)

T = TypeVar("T")


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
            read_only: Whether nothing will be saved; then nothing in the folder is changed.

        Raises:
            InputError: A file is in the place of their folder.
        """
        silence_orbax()
        self._folder = RunFolder(workdir).checkpoints.absolute()
        self._kept = (keep, keep_period)
        self._metas: dict[int, Meta | DamagedError] = {
            step: files.try_meta(self._folder / str(step)) for step in files.steps_in(self._folder)
        }
        self._writer: ocp.AsyncCheckpointer | None = None
        self._unwritten: Future[None] | None = None
        if not read_only:
            self._folder.mkdir(parents=True, exist_ok=True)
            files.refuse_strangers(self._folder)
            self._sweep()
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
            self._writer = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler())

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._writer is None:
            return
        try:
            self.wait()
        except InputError:
            if exception[0] is None:  # otherwise the first error is the one to report
                raise
        finally:
            self._pool.shutdown()
            self._writer.close()

    @property
    def steps(self) -> list[int]:
        """Steps of the checkpoints, in order."""
        return sorted(self._metas)

    @property
    def metas(self) -> dict[int, Meta]:
        """What was saved as `meta`, by step, in order; without damaged ones."""
        found = sorted(self._metas.items())
        return {step: meta for step, meta in found if not isinstance(meta, DamagedError)}

    @property
    def latest(self) -> int | None:
        """Step of the newest checkpoint; None if there are none."""
        return max(self._metas, default=None)

    @property
    def best(self) -> int | None:
        """Step of the checkpoint with the best score; the newest if none has a score."""
        return next(iter(files.candidates(self.metas, self.steps, "best")), None)

    def choose(self, which: str, items: Collection[str] | None = None) -> int:
        """Return the step of a whole checkpoint; see `use`.

        Args:
            which: The checkpoint.
            items: The items that must be whole; None: all.
        """
        return self.use(which, lambda step: self.verify(step, items))[0]

    def use(self, which: str, attempt: Callable[[int], T]) -> tuple[int, T]:
        """Use a checkpoint: `best`, `latest` or a number.

        In the place of a damaged checkpoint, the next best or the next newer one is used, which is
        logged; but not if its number was asked for.

        Args:
            which: The checkpoint.
            attempt: Uses the checkpoint of a step, and raises DamagedError if that is damaged.

        Returns:
            The step, and what `attempt` has returned.

        Raises:
            InputError: There is no such checkpoint, or none is whole; the message lists them.
        """
        steps = self.steps
        if not steps:
            raise InputError(f"{self._folder}: there is no checkpoint; train until one is saved")
        choices = ["best", "latest", *map(str, steps)]
        if which not in choices:
            raise InputError(f"checkpoint {which!r}: choose from {', '.join(choices)}")
        if which.isdigit():
            return int(which), attempt(int(which))
        found: list[DamagedError] = []
        for step in files.candidates(self.metas, steps, which):
            try:
                result = attempt(step)
            except DamagedError as error:
                found.append(error)
            else:
                for damage in found:
                    logger.warning("%s; checkpoint %d is used instead", damage, step)
                return step, result
        raise InputError(f"{self._folder}: no checkpoint is whole: {some_of(found)}")

    def verify(self, step: int, items: Collection[str] | None = None) -> bool:
        """Read a checkpoint, and compare it with its digests.

        Args:
            step: Step of the checkpoint.
            items: The items to read; None: all.

        Returns:
            Whether it has digests: version 0.1.0 kept none.

        Raises:
            DamagedError: It is not what was saved.
            InputError: It cannot be read.
        """
        place = self._folder / str(step)
        digests = files.digests_of(place, self.restore_meta(step))
        for name in digests if items is None else items:
            read_item(place / name, digests.get(name))
        return None not in digests.values()

    def save(
        self,
        step: int,
        items: Mapping[str, PyTree],
        meta: Meta,
        metrics: dict[str, float] | None,
        *,
        planned: bool = True,
    ) -> None:
        """Start to save a checkpoint; it is written in the background.

        Args:
            step: Its step. If that has a checkpoint already, its items are not written again.
            items: Trees of arrays, by name.
            meta: JSON values that say what the step means.
            metrics: None if the state has not been evaluated; otherwise `score` (lower is better),
                `epoch`, and `part`, the step at which the run was last changed.
            planned: Whether the run saves this step however often it is stopped.

        Raises:
            InputError: This checkpoint, or the one before, cannot be written.
        """
        assert self._writer is not None, "these checkpoints were opened to be read"
        self.wait()
        meta = {**meta, "step": step, "metrics": metrics, "planned": planned}
        if step in self._metas:
            self._replace_meta(step, meta)
            return
        items = {name: as_saved(item) for name, item in items.items()}
        digests = {name: digest_of(item) for name, item in items.items()}
        meta = files.sealed({**meta, "digests": digests})
        args = {name: ocp.args.StandardSave(item) for name, item in items.items()}
        with failed_writes_named(self._folder):
            self._writer.save(
                self._folder / str(step),
                args=ocp.args.Composite(**args, **{META: ocp.args.JsonSave(meta)}),
            )
        self._unwritten = self._pool.submit(self._finish, self._writer, step, meta)

    def _replace_meta(self, step: int, meta: Meta) -> None:
        """Note what a planned save adds to the checkpoint of a run that was stopped there."""
        old = self._metas[step]
        if isinstance(old, DamagedError) or not meta["planned"] or old.get("planned", True):
            return
        self._metas[step] = meta = {**meta, "digests": old["digests"]}
        if is_main():
            files.write_meta(self._folder / str(step), meta)
            self._delete_superseded()

    def _finish(self, writer: ocp.AsyncCheckpointer, step: int, meta: Meta) -> None:
        """Wait until a checkpoint is on the disk; only then delete those it supersedes."""
        writer.wait_until_finished()
        if is_main():
            files.sync_checkpoint(self._folder / str(step))
        self._metas[step] = meta
        if is_main():
            self._delete_superseded()

    def _delete_superseded(self) -> None:
        for step in files.superseded(self.metas, *self._kept):
            files.delete(self._folder / str(step))
            del self._metas[step]

    def wait(self) -> None:
        """Wait until everything that was saved is on disk.

        Raises:
            InputError: It could not be written.
        """
        unwritten, self._unwritten = self._unwritten, None
        if unwritten is not None:
            with failed_writes_named(self._folder):
                unwritten.result()

    def _sweep(self) -> None:
        """Delete what a killed process left: half a checkpoint, or one more than are kept."""
        if is_main():
            files.remove_unfinished(self._folder)
            self._delete_superseded()
        wait_for_all("checkpoints swept")

    def restore_meta(self, step: int) -> Meta:
        """Return what was saved as `meta`, with `metrics` and `digests`.

        Raises:
            DamagedError: The checkpoint is damaged.
        """
        meta = self._metas[step]
        if isinstance(meta, DamagedError):
            raise meta
        return meta

    def restore(self, step: int, abstract: Mapping[str, PyTree]) -> dict[str, PyTree]:
        """Restore items: onto the first device, or with several processes onto every device.

        Args:
            step: Step of the checkpoint.
            abstract: The wanted items, by name, as trees of shapes and dtypes.

        Returns:
            The items, by name.

        Raises:
            DamagedError: The checkpoint is not what was saved.
            InputError: Its arrays have other shapes than `abstract`; the message says which.
        """
        place = self._folder / str(step)
        digests = files.digests_of(place, self.restore_meta(step))
        return {
            name: restore_item(place / name, item, digests.get(name))
            for name, item in abstract.items()
        }
