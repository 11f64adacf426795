"""Run trials of targets, and count what came of them.

A target is a function that takes a random generator, makes one damaged input from it, and gives it
to a reader. It returns whether the input was accepted, and raises if anything else happened than
that or an InputError of one line.
"""

import dataclasses
import importlib
import pathlib
import time
import traceback
from collections.abc import Callable

import numpy as np

Target = Callable[[np.random.Generator], bool]
SLOWEST = 10.0  # seconds that a trial may take


@dataclasses.dataclass
class Counts:
    """What came of the trials of a target.

    Attributes:
        name: The target.
        accepted: Number of inputs that were taken.
        refused: Number that were refused as they should be.
        failures: Seed of each failed trial, and what happened.
        slowest: Seconds that the slowest trial took.
    """

    name: str
    accepted: int = 0
    refused: int = 0
    failures: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    slowest: float = 0.0

    @property
    def trials(self) -> int:
        """Number of trials."""
        return self.accepted + self.refused + len(self.failures)

    def run(self, target: Target, seed: int) -> None:
        """Do one trial."""
        start = time.monotonic()
        try:
            accepted = target(np.random.default_rng(seed))
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"
            self.failures.append((seed, " ".join(text.split())[:500]))
            return
        finally:
            took = time.monotonic() - start
            self.slowest = max(self.slowest, took)
        if took > SLOWEST:
            self.failures.append((seed, f"took {took:.0f} s"))
        elif accepted:
            self.accepted += 1
        else:
            self.refused += 1


def find_targets() -> dict[str, Target]:
    """Return the targets of all modules `<what>_targets.py` beside this one, by their names."""
    found: dict[str, Target] = {}
    for path in sorted(pathlib.Path(__file__).parent.glob("*_targets.py")):
        found |= importlib.import_module(f".{path.stem}", __package__).TARGETS
    return found


def run_all(
    targets: dict[str, Target], *, seconds: float, seed: int, most: int = 10**9
) -> list[Counts]:
    """Try the targets in turn, until the time is over or each had its number of trials."""
    counts = {name: Counts(name) for name in targets}
    end, number = time.monotonic() + seconds, 0
    while number < most and time.monotonic() < end:
        for name, target in targets.items():
            counts[name].run(target, seed + number)
        number += 1
    return list(counts.values())
