"""pix2pix in JAX: paired image-to-image translation.

The public names are imported when they are first used, so that a command can set up the memory
allocator before JAX is loaded.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pix2pix_jax.core.allocator import keep_memory
    from pix2pix_jax.core.config import default_config
    from pix2pix_jax.core.config_files import load_config
    from pix2pix_jax.core.errors import InputError
    from pix2pix_jax.core.version import __version__
    from pix2pix_jax.runs.draws import translate_draws
    from pix2pix_jax.runs.generator import Generator, load_generator
    from pix2pix_jax.runs.translation import translate
    from pix2pix_jax.training.loop import train_and_evaluate

__all__ = [
    "Generator",
    "InputError",
    "__version__",
    "default_config",
    "keep_memory",
    "load_config",
    "load_generator",
    "train_and_evaluate",
    "translate",
    "translate_draws",
]

_MODULES = {
    "Generator": "runs.generator",
    "InputError": "core.errors",
    "__version__": "core.version",
    "default_config": "core.config",
    "keep_memory": "core.allocator",
    "load_config": "core.config_files",
    "load_generator": "runs.generator",
    "train_and_evaluate": "training.loop",
    "translate": "runs.translation",
    "translate_draws": "runs.draws",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
