"""The rows of a table while they are measured, each with its program."""

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
        malloc: Whether this package runs with malloc set as for training.
        extras: Requests to this package's programs, after all repetitions: `digest`, `kernels`,
            `save`.
        cache: Folder of compiled programs; '' compiles again.
        clone: Folder of the user's clone of the reference; None if there is no peer.
        variants: Names of `peers.VARIANTS` to measure besides the plain peer.
    """

    root: pathlib.Path
    pairs: int
    steps: int
    repetitions: int
    malloc: bool
    extras: tuple[str, ...]
    cache: str
    clone: pathlib.Path | None = None
    variants: tuple[str, ...] = ()


@dataclasses.dataclass
class Entry:
    """One row while it is measured.

    Attributes:
        row: Contents of the row so far.
        child: The program that is measured.
        do: The request that takes a repetition.
        runs: Its answers, by repetition.
        inferences: Its answers about inference, by repetition.
    """

    row: dict[str, Any]
    child: Child | None = None
    do: str = "run"
    runs: list[Answer] = dataclasses.field(default_factory=list)
    inferences: list[Answer] = dataclasses.field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether the program can still be asked."""
        return self.child is not None and "failed" not in self.row

    @property
    def title(self) -> str:
        """A description of the row, for messages."""
        row = self.row
        who = "ours" if row["program"] == "ours" else f"peer {row['name']}"
        return f"batch {row['batch_size']}, {row['dtype']}, {who}, {row['data']}"

    def ask(self, do: str, **arguments: Any) -> Answer:
        """Ask the program. If it fails, note that in the row and return an empty answer."""
        assert self.child is not None
        try:
            return self.child.ask(do, **arguments)
        except FailedError as error:
            self.row["failed"] = str(error)
            return {}


def start_ours(stack: contextlib.ExitStack, cases: Sequence[Case], plan: Plan) -> Iterator[Entry]:
    """Start this package's programs, one for each case, one after another.

    Args:
        stack: Ends the programs.
        cases: The cases.
        plan: How they are measured.

    Yields:
        The rows. Each program is stopped as soon as it is prepared.
    """
    environment = environments.for_ours(malloc=plan.malloc, shares_device=plan.clone is not None)
    for case in cases:
        asked: dict[str, Any] = {"case": dataclasses.asdict(case), "root": str(plan.root)}
        asked |= {"steps": plan.steps, "cache": plan.cache}
        entry = Entry(first_row(case, "ours", case.data, case.data))
        prepare(stack, entry, [*program("ours"), json.dumps(asked)], environment)
        yield entry


def first_row(case: Case, who: str, name: str, data: str) -> dict[str, Any]:
    """Return the contents of a row before anything is measured.

    Args:
        case: The case.
        who: `ours` or `peer`.
        name: Distinguishes it from other rows of the same program.
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
        "loop": case.loop if who == "ours" else "",
        "product_rows": case.product_rows if who == "ours" else None,
        "gflop_per_image": gflop_per_image(build_config(case, pathlib.Path())),
    }


def prepare(
    stack: contextlib.ExitStack, entry: Entry, command: list[str], environment: dict[str, str]
) -> None:
    """Start a program and wait until it is ready. If it fails, the row says so.

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
