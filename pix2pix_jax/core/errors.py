"""The one error that a user can cause, and mend."""

import importlib
from typing import Any


class InputError(ValueError):
    """Something from outside is wrong: a config value, a file, a flag, the shape of an array.

    Its message is one line that names the value, where it came from and the way out. Scripts print
    that line and exit with status 2; every other exception is a bug of the package and keeps its
    traceback.
    """


class NonFiniteError(InputError):
    """Numbers have become infinite or nan: networks in this state must not be saved."""


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
