"""The one error for what users can cause, and mend."""

import importlib
from collections.abc import Iterable
from typing import Any


class InputError(ValueError):
    """Something from outside is wrong: a config value, a file, a flag, the shape of an array.

    Its message is one line with the value, where it came from and what to do. Commands print that
    line and exit with status 2. Any other exception is a bug of the package and keeps its
    traceback.
    """


class NonFiniteError(InputError):
    """Numbers have become infinite or nan: networks in this state must not be saved."""


def some_of(names: Iterable[object], most: int = 3) -> str:
    """List the first of some names for a message, and say how many more there are.

    Args:
        names: What to list.
        most: How many are listed.

    Returns:
        Text such as `a.png, b.png, c.png and 2 more`.
    """
    texts = [str(name) for name in names]
    listed = ", ".join(texts[:most])
    if len(texts) > most:
        listed += f" and {len(texts) - most} more"
    return listed


def require(module: str, extra: str) -> Any:
    """Import an optional package.

    Args:
        module: Name to import, such as `cv2`.
        extra: Extra of this package that installs it.

    Returns:
        The module.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise InputError(
            f"the package {module} is missing: pip install 'pix2pix_jax[{extra}]' brings it (in a "
            f"checkout: pip install -e '.[{extra}]')"
        ) from None
