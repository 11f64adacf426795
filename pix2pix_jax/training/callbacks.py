"""Functions of the calling program that a run calls while it trains."""

import inspect
from collections.abc import Callable
from typing import Any

from pix2pix_jax.core.errors import InputError, shown

Callback = Callable[[int, dict[str, float]], object]


class CallbackError(Exception):
    """A callback has raised an error, which is the cause of this one."""


class Callbacks:
    """What a run calls, with the number of steps taken and plain numbers by name.

    What a callback returns is ignored. Once one has raised an error, none is called any more.
    """

    def __init__(self, on_step: Callback | None = None, on_epoch: Callback | None = None) -> None:
        """Take the functions; None for none.

        Args:
            on_step: Called with the losses of a step once they are known, which is up to two steps
                later; where several steps are one call (`train.steps_per_call`), with their means.
            on_epoch: Called at the end of each epoch, and after each evaluation within one, once
                the checkpoint that is due is saved. It gets the row of `metrics.csv`: epoch,
                learning rate, losses, scores, speed.

        Raises:
            InputError: One of them cannot be called with these two.
        """
        _check("on_step", on_step, "losses")
        _check("on_epoch", on_epoch, "values")
        self._on_step, self._on_epoch = on_step, on_epoch
        self._failed = False

    def step(self, step: int, losses: dict[str, float]) -> None:
        """Call `on_step`.

        Raises:
            CallbackError: It has raised an error.
        """
        self._call(self._on_step, step, losses)

    def epoch(self, step: int, values: dict[str, float]) -> None:
        """Call `on_epoch`.

        Raises:
            CallbackError: It has raised an error.
        """
        self._call(self._on_epoch, step, values)

    def _call(self, callback: Callback | None, step: int, values: dict[str, float]) -> None:
        if callback is None or self._failed:
            return
        try:
            callback(step, {name: float(value) for name, value in values.items()})
        except BaseException as error:  # sys.exit() and KeyboardInterrupt are ways to stop, too
            self._failed = True
            raise CallbackError from error


def _check(name: str, callback: Any, values: str) -> None:
    """Raise InputError unless a callback can be called; hours later would be too late."""
    if callback is None:
        return
    wrong = f"{name}={shown(callback)}: expected a function of two values, step and {values}"
    if not callable(callback):
        raise InputError(wrong)
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):  # built-in functions have none
        return
    try:
        signature.bind(0, {})
    except TypeError as error:
        raise InputError(f"{wrong} ({error})") from None
