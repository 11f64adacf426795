"""What the small files of checkpoints say, and which checkpoints are kept; without Orbax.

Every checkpoint has a folder, named by its step, with a folder for each item. The item `meta` is
JSON: what the step means, with the run's configuration, the scores, and the digest of every other
item, and of itself.
"""

import dataclasses
import functools
import hashlib
import itertools
import json
import logging
import math
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pix2pix_jax.core.errors import InputError, first_line, shown
from pix2pix_jax.core.files import read_json, sync, write_json
from pix2pix_jax.core.processes import is_main, wait_for_all

logger = logging.getLogger(__name__)

META = "meta"
_META_FILE = "metadata"  # Orbax's name for the file of a JSON item
_OLD_METRICS = pathlib.PurePath("metrics", "metrics")  # 0.1.0 kept the scores there
_OLD_META = ("pairs", "global_batch", "seed")  # numbers in it, of a run that was trained
_DIGEST = "digest"
_STEP = re.compile("0|[1-9][0-9]{0,17}")
_LARGEST_NUMBER = sys.float_info.max  # whole numbers of JSON can be larger
_UNFINISHED = ".orbax-checkpoint-tmp"  # part of the name of a folder that Orbax is writing

Meta = dict[str, Any]


class DamagedError(InputError):
    """A checkpoint is not what was saved: files are missing, cut short, or changed."""


def damaged(place: object, reason: object) -> DamagedError:
    """Return the error for a checkpoint, or a part of one, that cannot be used."""
    return DamagedError(f"{place}: is damaged ({reason_of(reason)})")


def reason_of(reason: object) -> str:
    """Return what the system says of a failure, or the beginning of an error's message."""
    code = re.search(r"os_error_code='([0-9]+)'", str(reason))  # TensorStore's words
    if code:
        return os.strerror(int(code[1]))
    if isinstance(reason, OSError) and reason.strerror:
        return f"{reason.strerror}: {pathlib.PurePath(str(reason.filename)).name}"
    return first_line(reason)


def steps_in(checkpoints: pathlib.Path) -> list[int]:
    """Return the steps of the checkpoints in a folder, in order; none if there is no such folder.

    Raises:
        InputError: It is not a folder.
    """
    if checkpoints.exists() and not checkpoints.is_dir():
        raise InputError(f"{checkpoints}: is a file, not the folder of checkpoints; move it away")
    if not checkpoints.exists():
        return []
    entries = checkpoints.iterdir()
    return sorted(
        int(entry.name) for entry in entries if _STEP.fullmatch(entry.name) and entry.is_dir()
    )


def refuse_strangers(checkpoints: pathlib.Path) -> None:
    """Raise InputError if a file, or a dead link, is where a checkpoint will be written."""
    for entry in checkpoints.iterdir():
        if _STEP.fullmatch(entry.name) and not entry.is_dir():
            raise InputError(f"{entry}: is not a checkpoint, but has the name of one; move it away")


def sealed(meta: Mapping[str, Any]) -> Meta:
    """Return a meta with the digest of itself."""
    return {**meta, _DIGEST: _digest(meta)}


def _digest(meta: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in meta.items() if key != _DIGEST}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def read_meta(checkpoint: pathlib.Path) -> Meta:
    """Read the meta of a checkpoint.

    Args:
        checkpoint: Folder of the checkpoint.

    Returns:
        The meta. Checkpoints of version 0.1.0 have no digests and no configuration in it.

    Raises:
        DamagedError: It is missing, or is not what was saved.
    """
    place = checkpoint / META / _META_FILE
    try:
        meta = read_json(place)
        if isinstance(meta, dict) and _DIGEST not in meta:
            old = checkpoint / _OLD_METRICS
            meta["metrics"] = read_json(old) if old.exists() else None
    except (OSError, InputError) as error:
        raise damaged(checkpoint, error) from None
    if not isinstance(meta, dict) or meta.get(_DIGEST, _digest(meta)) != _digest(meta):
        raise damaged(place, "its content has changed since it was saved")
    problem = _find_problem(meta, checkpoint.name)
    if problem:
        raise damaged(place, problem)
    return meta


def _find_problem(meta: Meta, name: str) -> str:
    """Say why a meta cannot be that of the checkpoint in a folder of this name; '' if it can."""
    step, scores, digests = meta.get("step", name), meta.get("metrics"), meta.get("digests", {})
    if str(step) != name:
        return f"it belongs to step {shown(step)}, so its folder was renamed or copied"
    if scores is not None and not _are_numbers(scores, "score", "epoch", "part"):
        return "its scores are no numbers"
    if not (_DIGEST in meta or "imported" in meta or _are_numbers(meta, *_OLD_META)):
        return "it is not what version 0.1.0 wrote, and has no digest"
    if not isinstance(digests, dict):
        return "its digests are no object"
    return ""


def _are_numbers(values: Any, *names: str) -> bool:
    """Return whether a value is an object of JSON with numbers under these names."""
    if not isinstance(values, dict):
        return False
    numbers = [values.get(name) for name in names]
    return all(
        type(one) is float or (type(one) is int and abs(one) <= _LARGEST_NUMBER) for one in numbers
    )


def try_meta(checkpoint: pathlib.Path) -> Meta | DamagedError:
    """Return the meta of a checkpoint, or the error that `read_meta` raises."""
    try:
        return read_meta(checkpoint)
    except DamagedError as error:
        return error


def digests_of(checkpoint: pathlib.Path, meta: Meta) -> Mapping[str, str | None]:
    """Return the digest of every item of a checkpoint; None in those of version 0.1.0."""
    if "digests" in meta:
        return meta["digests"]
    parts = [path.name for path in checkpoint.iterdir() if path.is_dir()]
    return {name: None for name in parts if name not in (META, _OLD_METRICS.parts[0])}


def write_meta(checkpoint: pathlib.Path, meta: Meta) -> None:
    """Replace the meta of a checkpoint, completely or not at all."""
    write_json(checkpoint / META / _META_FILE, sealed(meta))


def sync_checkpoint(checkpoint: pathlib.Path) -> None:
    """Wait until a checkpoint and its name are on the disk."""
    for path in [*checkpoint.rglob("*"), checkpoint, checkpoint.parent]:
        sync(path)


def newest_config(checkpoints: pathlib.Path) -> tuple[int, Mapping[str, Any]] | None:
    """Return step and configuration of the newest checkpoint that has a readable one."""
    for step in reversed(steps_in(checkpoints)):
        meta = try_meta(checkpoints / str(step))
        if not isinstance(meta, DamagedError) and meta.get("config") is not None:
            return step, meta["config"]
    return None


@functools.total_ordering
@dataclasses.dataclass(frozen=True)
class Rank:
    """How good a checkpoint is; of two, the smaller is the better one.

    Attributes:
        part: Step at which the data, or how it is scored, last changed: scores before and after do
            not compare.
        score: The score by which the run chooses; lower is better. inf: there is none.
    """

    part: float
    score: float

    def __lt__(self, other: "Rank") -> bool:
        return (-self.part, self.score) < (-other.part, other.score)


def rank_of(meta: Mapping[str, Any]) -> Rank | None:
    """Return the rank of a checkpoint; None if it has no scores.

    A score that is nan, as an own metric may give it, is worse than all others.
    """
    metrics = meta.get("metrics")
    if not metrics:
        return None
    score = float(metrics["score"])
    return Rank(float(metrics["part"]), math.inf if math.isnan(score) else score)


def by_rank(metas: Mapping[int, Meta]) -> list[int]:
    """Return the steps of the checkpoints that have scores, the best first."""
    ranks = {step: rank_of(meta) for step, meta in metas.items()}
    scored = [(rank, -step) for step, rank in ranks.items() if rank is not None]
    return [-step for _, step in sorted(scored)]


def set_aside(checkpoints: pathlib.Path, after: int, folder: pathlib.Path) -> None:
    """Move the checkpoints after a step out of the way; nothing is deleted.

    Args:
        checkpoints: Their folder.
        after: The step.
        folder: Where they are put, under their steps.
    """
    for step in steps_in(checkpoints) if is_main() else ():
        if step > after:
            place = free_place(folder, str(step))
            (checkpoints / str(step)).rename(place)
            logger.warning("the damaged checkpoint %d is kept in %s", step, place)
    wait_for_all("checkpoints set aside")


def candidates(metas: Mapping[int, Meta], steps: Sequence[int], which: str) -> list[int]:
    """Return the steps to try for `best` or `latest`, in this order.

    Args:
        metas: What each whole checkpoint's `meta` says, by step.
        steps: Steps of all checkpoints, in order.
        which: `best`: those with a score come first; `latest`.
    """
    scored = by_rank(metas) if which == "best" else []
    return [*scored, *(step for step in reversed(steps) if step not in scored)]


def superseded(metas: Mapping[int, Meta], keep: int, keep_period: int) -> list[int]:
    """Choose the checkpoints to delete.

    A checkpoint that was saved because a run was stopped is kept only as long as it is the newest.
    So a run that was stopped ends with the same checkpoints as one that was not.

    Args:
        metas: Meta of every readable checkpoint, by step.
        keep: How many of the newest are kept, besides the best.
        keep_period: The checkpoints of all multiples of this many epochs are kept, too; 0: none.

    Returns:
        Their steps.
    """
    planned = [step for step in sorted(metas) if metas[step].get("planned", True)]
    kept = {*planned[-keep:], *by_rank(metas)[:1], *_of_period(metas, keep_period)}
    kept.add(max(metas, default=0))
    return [step for step in sorted(metas) if step not in kept]


def _of_period(metas: Mapping[int, Meta], period: int) -> Iterable[int]:
    scored = {step: meta["metrics"] for step, meta in metas.items() if meta.get("metrics")}
    return (step for step, found in scored.items() if period and found["epoch"] % period == 0)


def delete(checkpoint: pathlib.Path) -> None:
    """Delete a checkpoint. One whose deletion is cut off does not stay half under its name.

    Of a link, only the link is deleted, and not what a user keeps elsewhere.
    """
    if checkpoint.is_symlink():
        checkpoint.unlink()
        return
    doomed = checkpoint.with_name(f"{checkpoint.name}{_UNFINISHED}-deleted")
    checkpoint.rename(doomed)
    shutil.rmtree(doomed)


def remove_unfinished(checkpoints: pathlib.Path) -> None:
    """Delete, as far as possible, what was left when a write or a deletion was cut off."""
    for path in checkpoints.glob(f"*{_UNFINISHED}*"):
        shutil.rmtree(path, ignore_errors=True)


def free_place(folder: pathlib.Path, name: str) -> pathlib.Path:
    """Return a path in a folder, created if missing, that nothing has yet: `30`, `30_1`, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    numbered = (folder / f"{name}_{number}" for number in itertools.count(1))
    return next(
        path for path in itertools.chain([folder / name], numbered) if not os.path.lexists(path)
    )
