"""Check arguments and results against their annotations while the tests run."""

import importlib.util
import pathlib

from beartype import BeartypeConf
from beartype.claw import beartype_package
from jaxtyping import install_import_hook

PACKAGE = "pix2pix_jax"
# Of a module that has one of these, beartype alone would not understand every annotation.
NEED_JAXTYPING = ("jax", "numpy", "Strip", "async def", "TYPE_CHECKING")


def check_annotations():
    """Check every function of the package that is imported from now on, as mypy does unrun.

    jaxtyping compares shapes too. Modules without arrays do without it: it would take half of the
    time of their many small functions.
    """
    root = pathlib.Path(importlib.util.find_spec(PACKAGE).origin).parent
    with_jaxtyping = [
        ".".join((PACKAGE, *file.relative_to(root).with_suffix("").parts))
        for file in root.rglob("*.py")
        if any(word in _code_of(file) for word in NEED_JAXTYPING)
    ]
    conf = BeartypeConf(claw_is_pep526=False, warning_cls_on_decorator_exception=None)
    beartype_package(PACKAGE, conf=conf)
    install_import_hook(with_jaxtyping, "beartype.beartype")


def _code_of(file):
    """Return a module's text without the package's own name."""
    return file.read_text(encoding="utf-8").replace(PACKAGE, "")
