"""The rows of a table under way: each with the program that it is about."""

import contextlib
import dataclasses
import json
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarking import environments
from benchmarking.cases import Case, build_config, gflop_per_image
from benchmarking.children import Child, FailedError, program
from benchmarking.protocol import Answer


@dataclasses.dataclass(frozen=True)
class Plan:
    """How everything is measured.

    Attributes:
        root: Folder of the data set.
        pairs: Number of its training pairs.
        steps: Steps of a repetition.
        repetitions: Repetitions after one to warm up.
        malloc: Whether ours runs with malloc set as for training.
        save: Whether memory is measured during a save as well.
        cache: Folder of compiled programs; '' compiles again.
        clone: Folder of the user's clone of the reference; None: there is no peer.
        variants: Variants of the peer, besides the plain one: names of `peers.VARIANTS`.
    """

    root: pathlib.Path
    pairs: int
    steps: int
    repetitions: int
    malloc: bool
    save: bool
    cache: str
    clone: pathlib.Path | None = None
    variants: tuple[str, ...] = ()


@dataclasses.dataclass
class Entry:
    """One row under way.

    Attributes:
        row: What the row says, so far.
        child: The program that is measured.
        do: What it is asked for.
        runs: Its answers, by repetition.
    """

    row: dict[str, Any]
    child: Child | None = None
    do: str = "run"
    runs: list[Answer] = dataclasses.field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether it can still be measured."""
        return self.child is not None and "failed" not in self.row

    @property
    def title(self) -> str:
        """What the row is about."""
        row = self.row
        who = "ours" if row["program"] == "ours" else f"peer {row['name']}"
        return f"batch {row['batch_size']}, {row['dtype']}, {who}, {row['data']}"

    def ask(self, do: str, **arguments: Any) -> Answer:
        """Ask the program; an empty answer where it fails, which the row then says."""
        assert self.child is not None
        try:
            return self.child.ask(do, **arguments)
        except FailedError as error:
            self.row["failed"] = str(error)
            return {}


def start_ours(stack: contextlib.ExitStack, cases: Sequence[Case], plan: Plan) -> Iterator[Entry]:
    """Start ours, a program for each case, one after another.

    Args:
        stack: Ends the programs.
        cases: The cases.
        plan: How they are measured.

    Yields:
        The rows; each program is stopped when it is prepared.
    """
    environment = environments.for_ours(malloc=plan.malloc, shares_device=plan.clone is not None)
    for case in cases:
        asked: dict[str, Any] = {"case": dataclasses.asdict(case), "root": str(plan.root)}
        asked |= {"steps": plan.steps, "cache": plan.cache}
        entry = Entry(first_row(case, "ours", case.data, case.data))
        prepare(stack, entry, [*program("ours"), json.dumps(asked)], environment)
        yield entry


def first_row(case: Case, who: str, name: str, data: str) -> dict[str, Any]:
    """Return what a row says before anything is measured.

    Args:
        case: The case.
        who: `ours` or `peer`.
        name: What tells it from others of the same program.
        data: Where its pairs come from.
    """
    return {
        "program": who,
        "name": name,
        "batch_size": case.batch_size,
        "image_size": case.image_size,
        "dtype": case.dtype,
        "data": data,
        "base_features": case.base_features,
        "remat": case.remat and who == "ours",
        "accumulate": case.accumulate if who == "ours" else 1,
        "gflop_per_image": gflop_per_image(build_config(case, pathlib.Path())),
    }


def prepare(
    stack: contextlib.ExitStack, entry: Entry, command: list[str], environment: dict[str, str]
) -> None:
    """Start a program and wait until it is ready; where it fails, the row says so.

    Args:
        stack: Ends the program.
        entry: Its row.
        command: Program and arguments.
        environment: Its whole environment.
    """
    entry.child = stack.enter_context(Child(command, environment))
    try:
        entry.row |= entry.child.ready()
    except FailedError as error:
        entry.row["failed"] = str(error)
        return
    print(f"{entry.title}: ready", file=sys.stderr)
