"""Checkpoints of a run, through Orbax.

A checkpoint has four items: `generator` (all that sampling needs), `discriminator`, `training` (the
rest of the TrainState) and `meta` (JSON: the timeline that gives its step a meaning).
"""

import contextlib
import dataclasses
import functools
import logging
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import orbax.checkpoint as ocp
from jaxtyping import PyTree
from orbax.checkpoint import checkpoint_managers as policies

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.placement import everywhere
from pix2pix_jax.training.state import TrainState

_ITEMS = {
    "generator": ("g_params", "g_batch_stats", "g_ema"),
    "discriminator": ("d_params", "d_batch_stats"),
    "training": ("step", "rng", "g_opt_state", "d_opt_state"),
}


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


@contextlib.contextmanager
def _naming_damage(what: object) -> Iterator[None]:
    """Turn what Orbax raises for incomplete or damaged files into one line."""
    try:
        yield
    except (KeyError, TypeError, ValueError, FileNotFoundError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{what}: damaged, or of another form ({reason[0][:160]}). Move that folder away to go "
            "on from the checkpoint before it"
        ) from error


class Checkpoints:
    """The checkpoints under a run's folder; a context manager that waits for unfinished writes."""

    def __init__(
        self, workdir: pathlib.Path, *, keep: int = 3, keep_period: int = 0, read_only: bool = False
    ) -> None:
        """Open the folder.

        Args:
            workdir: The run's folder; checkpoints lie in `checkpoints/<step>`.
            keep: How many of the newest are kept, besides the best.
            keep_period: Also keep every multiple of so many epochs; 0: none.
            read_only: Whether nothing will be saved; the folder is not created then.
        """
        # Orbax logs a page of its own configuration for every manager.
        logging.getLogger("absl").setLevel(logging.ERROR)
        best = policies.BestN(
            get_metric_fn=_rank,
            reverse=True,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        folder = pathlib.Path(workdir).absolute() / "checkpoints"
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
        with _naming_damage(folder):
            self._manager = ocp.CheckpointManager(
                folder, options=options, item_names=(*_ITEMS, "meta")
            )

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
        """Return the step that `best`, `latest` or a number names.

        Raises:
            InputError: There is no such checkpoint; the message lists those that exist.
        """
        steps = self.steps
        if not steps:
            raise InputError(f"{self._manager.directory}: holds no checkpoint")
        step = {"best": self.best, "latest": self.latest}.get(which)
        if step is None and which.isdecimal() and int(which) in steps:
            step = int(which)
        if step is None:
            there = ", ".join(map(str, steps))
            raise InputError(f"checkpoint {which!r}: choose from best, latest, {there}")
        return step

    def save(
        self, state: TrainState, meta: dict[str, Any], metrics: dict[str, float] | None
    ) -> None:
        """Start to save a state; the write goes on in the background.

        Args:
            state: The state; its step names the checkpoint. Saved already: nothing is done.
            meta: What gives the step a meaning.
            metrics: Where the state has been evaluated: `score`, the lower the better, `epoch`, and
                `part`, the step at which the run was last changed.
        """
        step = int(state.step)
        if step in self.steps:
            return
        items = {name: ocp.args.StandardSave(item) for name, item in _split(state).items()}
        with self._naming_failed_write():
            self._manager.save(
                step,
                args=ocp.args.Composite(**items, meta=ocp.args.JsonSave(meta)),
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
                f"{self._manager.directory}: a checkpoint could not be written ({reason})"
            ) from error

    def restore_meta(self, step: int) -> dict[str, Any]:
        """Read what was saved as `meta`."""
        args = ocp.args.Composite(meta=ocp.args.JsonRestore())
        with _naming_damage(self._manager.directory / str(step)):
            return self._manager.restore(step, args=args).meta

    def restore(self, step: int, abstract: TrainState) -> TrainState:
        """Restore a whole state onto the first device; among several processes, onto every device.

        Args:
            step: Step of the checkpoint.
            abstract: Shapes of the state, as from `jax.eval_shape`.

        Returns:
            The state.
        """
        items = self._restore(step, _split(abstract))
        return TrainState(
            **{name: value for item in items.values() for name, value in item.items()}
        )

    def restore_generator(
        self, step: int, g_params: PyTree, g_batch_stats: PyTree, *, with_ema: bool
    ) -> PyTree:
        """Restore the generator alone.

        Args:
            step: Step of the checkpoint.
            g_params: Shapes of the parameters.
            g_batch_stats: Shapes of the running statistics.
            with_ema: Whether the run keeps a moving average of the parameters.

        Returns:
            `{"params": ..., "batch_stats": ...}` where `restore` places a state; the parameters are
            the moving average where there is one.
        """
        abstract = {
            "g_params": g_params,
            "g_batch_stats": g_batch_stats,
            "g_ema": g_params if with_ema else {},
        }
        item = self._restore(step, {"generator": abstract})["generator"]
        return {"params": item["g_ema"] or item["g_params"], "batch_stats": item["g_batch_stats"]}

    def restore_discriminator(self, step: int, d_params: PyTree, d_batch_stats: PyTree) -> PyTree:
        """Restore the discriminator alone; arguments and result as those of `restore_generator`."""
        abstract = {"d_params": d_params, "d_batch_stats": d_batch_stats}
        item = self._restore(step, {"discriminator": abstract})["discriminator"]
        return {"params": item["d_params"], "batch_stats": item["d_batch_stats"]}

    def _restore(self, step: int, abstract: dict[str, Any]) -> dict[str, Any]:
        """Restore some items."""
        args = {name: ocp.args.StandardRestore(_place(item)) for name, item in abstract.items()}
        with _naming_damage(self._manager.directory / str(step)):
            return dict(self._manager.restore(step, args=ocp.args.Composite(**args)).items())


def _split(state: TrainState) -> dict[str, dict[str, Any]]:
    """Divide a state into the items of a checkpoint."""
    return {item: {name: getattr(state, name) for name in names} for item, names in _ITEMS.items()}


def _place(abstract: PyTree) -> PyTree:
    # Several processes restore together, to where all of them need it.
    sharding = everywhere(jax.devices()[:1] if jax.process_count() == 1 else None)
    place = functools.partial(jax.ShapeDtypeStruct, sharding=sharding)
    return jax.tree.map(lambda leaf: place(leaf.shape, leaf.dtype), abstract)
