"""Functions of the calling program that a run calls while it trains."""

from collections.abc import Callable

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
        """
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
        except Exception as error:
            self._failed = True
            raise CallbackError from error
