"""The installed package's version; setup.cfg is the place that sets it."""

import importlib.metadata

try:
    __version__ = importlib.metadata.version("pix2pix_jax")
except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+unknown"
