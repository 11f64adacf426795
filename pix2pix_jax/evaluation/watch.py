"""What the table of a run says about the run: judged row by row, from its numbers alone.

The same rows always give the same findings, in training and in a report. Thresholds:

- The discriminator has won: for 1,000 steps, in every row, the sum of its two losses was below 2 %
  of that of a discriminator that cannot decide.
- Outputs ignore their source: in two evaluations one after the other, from step 1,000 on, outputs
  varied less than 10 % as much as targets (`metrics.variation`).
- Overfitting: no best score for 5 evaluations, and the mean of the last three is 2 % worse than the
  best on validation pairs, but 2 % better than it then was on training pairs.
- Scores have stopped getting better: none was the best by 0.1 % for `train.patience` evaluations.
"""

import collections
import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Protocol

from pix2pix_jax.core.config import default_config, flatten
from pix2pix_jax.evaluation.metrics.table import Direction, best_of
from pix2pix_jax.evaluation.metrics.variation import VARIATION

Row = Mapping[str, float]

WON_STEPS = 1000
_WON_SHARE = 0.02
_LEAST_VARIATION = 0.1
_LEAST_STEPS = 1000  # before, an output that ignores its source is normal
_OVERFITTING_EVALUATIONS = 5
_OVERFITTING_SHARE = 0.02
_RECENT = 3  # evaluations, over whose mean noise does not count
_BETTER_SHARE = 0.001


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that a run's user should know.

    Attributes:
        kind: What it is about, such as `overfitting`.
        step: Step of the row that shows it.
        epoch: Epochs done there.
        text: What was seen, and what helps.
    """

    kind: str
    step: int
    epoch: float
    text: str

    def __str__(self) -> str:
        return f"epoch {self.epoch:g}, step {self.step:,}: {self.text}"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What decides how rows are judged.

    Attributes:
        gan: `loss.gan`.
        label_smoothing: `loss.label_smoothing`.
        metric: Metric of the scores.
        best: Which of its values are the best.
        patience: Evaluations without a better score, after which scores have stopped.
    """

    gan: str
    label_smoothing: float
    metric: str
    best: Direction
    patience: int


def settings_of(config: Mapping[str, object]) -> Settings:
    """Return what decides how a run's rows are judged.

    An own metric says only where it is loaded which of its values are the best. L1, which every run
    has, is then judged instead.

    Args:
        config: Values by key, as in `config.json`; what is missing, or not of a key's type, takes
            its default.
    """
    defaults = flatten(default_config())

    def value(key: str) -> object:
        found = config.get(key, defaults[key])
        same = type(found) is type(defaults[key])
        return found if same else defaults[key]

    metric = str(value("checkpoint.best_metric"))
    best = best_of(metric)
    if best is None:
        metric, best = "l1", "low"
    smoothing, patience = value("loss.label_smoothing"), value("train.patience")
    assert isinstance(smoothing, float)
    assert isinstance(patience, int)
    return Settings(str(value("loss.gan")), smoothing, metric, best, patience)


class Patience:
    """Counts scores since the last one that was better than all before."""

    def __init__(self, patience: int, best: Direction) -> None:
        """Begin without scores.

        Args:
            patience: Number of scores without a better one, after which it is at an end.
            best: Which scores are the best.
        """
        self._patience = patience
        self._sign = 1 if best == "low" else -1
        self._least = math.inf
        self.since = 0

    @property
    def best(self) -> float:
        """The best score."""
        return self._sign * self._least

    def add(self, score: float) -> bool:
        """Take the next score; return whether patience is at an end, and then count again.

        nan is never better.
        """
        lowered = math.inf if math.isnan(score) else self._sign * score
        needed = abs(self._least) * _BETTER_SHARE if math.isfinite(self._least) else 0.0
        if lowered < self._least - needed or self._least == math.inf:
            self._least, self.since = lowered, 0
            return False
        self.since += 1
        over = self.since >= self._patience
        if over:
            self.since = 0
        return over


class _Judge(Protocol):
    """Sees rows one after the other."""

    kind: str

    def add(self, row: Row) -> str | None:
        """Return what is to be said after a row: once, until it has been otherwise."""
        ...


class _Won:
    kind = "discriminator"

    def __init__(self, settings: Settings) -> None:
        self._range = _losses_of_discriminator(settings.gan, settings.label_smoothing)
        self._before = 0.0
        self._since: float | None = None
        self._told = False

    def add(self, row: Row) -> str | None:
        if self._range is None or not row.keys() >= {"d_loss_real", "d_loss_fake"}:
            return None
        before, self._before = self._before, row["step"]
        least, undecided = self._range
        share = (row["d_loss_real"] + row["d_loss_fake"] - least) / (undecided - least)
        if share >= _WON_SHARE:
            self._since, self._told = None, False
            return None
        self._since = before if self._since is None else self._since
        if self._told or row["step"] - self._since < WON_STEPS:
            return None
        self._told = True
        return (
            f"the discriminator has won: for {WON_STEPS:,} steps, its losses were below "
            f"{_WON_SHARE:.0%} of those of one that cannot decide, and teach the generator little. "
            "Try a lower optimizer.discriminator_learning_rate, a smaller "
            "model.discriminator_features, loss.label_smoothing=0.1 or model.spectral_norm=True"
        )


def _losses_of_discriminator(gan: str, smoothing: float) -> tuple[float, float] | None:
    """Return the least sum of a discriminator's losses, and that of one that cannot decide.

    None for a loss without such values: a critic's is unbounded.
    """
    real = 1 - smoothing  # the label
    if gan == "vanilla":
        parts = [part * math.log(part) for part in (real, smoothing) if part > 0]
        return -math.fsum(parts), 2 * math.log(2)
    if gan == "lsgan":
        return 0.0, real**2 / 2  # the best answer to both is half the label
    return (0.0, 2.0) if gan == "hinge" else None


class _Ignores:
    kind = "source"

    def __init__(self) -> None:
        self._low = 0

    def add(self, row: Row) -> str | None:
        value = row.get(VARIATION.name)
        if value is None:
            return None
        ignores = value < _LEAST_VARIATION and row["step"] >= _LEAST_STEPS
        self._low = self._low + 1 if ignores else 0
        if self._low != 2:  # once
            return None
        return (
            "the outputs ignore their source: from pair to pair they vary only "
            f"{value:.0%} as much as the targets. In a short run this passes; else check that the "
            "pairs belong together, or try a higher loss.reconstruction_weight"
        )


class _Overfits:
    kind = "overfitting"

    def __init__(self, settings: Settings) -> None:
        self._metric = settings.metric
        self._sign = 1 if settings.best == "low" else -1
        self._best: tuple[float, float, float] | None = None  # validation, training, epoch
        self._since = 0
        self._recent: collections.deque[tuple[float, float]] = collections.deque(maxlen=_RECENT)
        self._told = False

    def add(self, row: Row) -> str | None:
        sides = f"val_{self._metric}", f"train_{self._metric}"
        if not row.keys() >= set(sides):
            return None
        val, train = (self._sign * row[side] for side in sides)
        self._recent.append((val, train))
        if self._best is None or val < self._best[0]:
            self._best, self._since, self._told = (val, train, row.get("epoch", 0.0)), 0, False
            return None
        self._since += 1
        best_val, best_train, epoch = self._best
        val, train = (sum(side) / len(side) for side in zip(*self._recent, strict=True))
        worse = val - best_val >= _OVERFITTING_SHARE * abs(best_val)
        better = best_train - train >= _OVERFITTING_SHARE * abs(best_train)
        if self._told or self._since < _OVERFITTING_EVALUATIONS or not (worse and better):
            return None
        self._told = True
        best_val, val, best_train, train = (
            self._sign * each for each in (best_val, val, best_train, train)
        )
        return (
            f"overfitting: since epoch {epoch:g}, {self._metric} has got worse on validation pairs "
            f"({best_val:.4g} to {val:.4g}) and better on training pairs ({best_train:.4g} to "
            f"{train:.4g}). Use the best checkpoint; more pairs, more augmentation or a smaller "
            "model.base_features help"
        )


class _Stalls:
    kind = "plateau"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._patience = Patience(settings.patience, settings.best)
        self._told: float | None = None

    def add(self, row: Row) -> str | None:
        score = row.get(f"val_{self._settings.metric}")
        if score is None or not self._patience.add(score) or self._told == self._patience.best:
            return None
        self._told = self._patience.best
        return (
            f"val {self._settings.metric} has not got better for {self._settings.patience} "
            f"evaluations (best {self._patience.best:.4g}). Pictures may still: look at them; "
            "train.stop_when=plateau ends a run here"
        )


class Watch:
    """Judges the rows of a run one after the other; a kind is found at most once in an epoch."""

    def __init__(self, settings: Settings) -> None:
        """Begin before the first row."""
        self._judges: tuple[_Judge, ...] = (
            _Won(settings),
            _Ignores(),
            _Overfits(settings),
            _Stalls(settings),
        )
        self._found_in: dict[str, int] = {}

    def add(self, row: Row) -> list[Finding]:
        """Judge the next row, as `metrics.csv` has it; `step` must be there."""
        epoch, found = row.get("epoch", 0.0), []
        for judge in self._judges:
            text = judge.add(row)
            if text is not None and self._found_in.get(judge.kind) != math.ceil(epoch):
                self._found_in[judge.kind] = math.ceil(epoch)
                found.append(Finding(judge.kind, int(row["step"]), epoch, text))
        return found


def watch_all(rows: Iterable[Row], settings: Settings) -> list[Finding]:
    """Return what was found in the rows of a run, in their order."""
    watch = Watch(settings)
    return [finding for row in rows for finding in watch.add(row)]
