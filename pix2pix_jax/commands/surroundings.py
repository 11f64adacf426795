"""What a command needs from the system around it, checked before anything heavy is imported."""

import logging
import pathlib
import sys
import warnings

from pix2pix_jax.core.errors import InputError

try:
    import resource
except ModuleNotFoundError:  # Windows has none
    resource = None  # type: ignore[assignment]

_LEAST_FILES = 128  # a training of a small data set has about 60 files open
_WANTED_FILES = 4096


def check() -> None:
    """Adapt this process to what the system allows.

    Raises:
        InputError: A command cannot work here.
    """
    _raise_limit_of_files()
    _let_warnings_pass()
    _quiet_image_readers()
    try:
        pathlib.Path.cwd()
    except FileNotFoundError:
        raise InputError("the current folder no longer exists; change to another one") from None


def _raise_limit_of_files() -> None:
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = hard if hard != resource.RLIM_INFINITY else _WANTED_FILES
    if soft != resource.RLIM_INFINITY and soft < min(most, _WANTED_FILES):
        soft = min(most, _WANTED_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and soft < _LEAST_FILES:
        raise InputError(
            f"this shell lets a program open {soft} files at once; raise that to {_LEAST_FILES} or "
            "more (ulimit -n)"
        )


def _let_warnings_pass() -> None:
    """Never turn a warning into an error, whatever PYTHONWARNINGS or -W says.

    Most of JAX's libraries warn of something while they are imported.
    """
    if any(option.startswith("error") for option in sys.warnoptions):
        warnings.resetwarnings()
        warnings.simplefilter("ignore", DeprecationWarning)


def _quiet_image_readers() -> None:
    """Leave out what Pillow and tifffile say of damaged files.

    If one cannot be read, the one line of that error says so; otherwise nothing was lost.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
