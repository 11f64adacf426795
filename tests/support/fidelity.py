"""torch-fidelity, the independent implementation that FID and its kin are compared with."""

import importlib.util
import sys
from unittest import mock

import pytest

# What torch-fidelity names of torchvision when it is imported; nothing of it is used here.
TORCHVISION = tuple(
    f"torchvision{part}" for part in ("", ".datasets", ".transforms", ".transforms.functional")
)


def fidelity(module):
    """Import a module of torch-fidelity, with an empty torchvision where there is none."""
    pytest.importorskip("torch", reason="torch-fidelity needs PyTorch")
    if importlib.util.find_spec("torch_fidelity") is None:
        pytest.skip("torch-fidelity, the reference of these metrics, is not installed")
    missing = TORCHVISION if importlib.util.find_spec("torchvision") is None else ()
    sys.modules.update({name: mock.MagicMock() for name in missing})
    try:
        return importlib.import_module(f"torch_fidelity.{module}")
    finally:
        for name in missing:
            del sys.modules[name]
