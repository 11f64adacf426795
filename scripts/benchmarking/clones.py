"""The user's clone of the PyTorch reference: its options, its model and its data loader.

This module needs the standard library and PyTorch only, because programs that import it must not
import JAX.
"""

import argparse
import itertools
import sys
import types
from collections.abc import Mapping
from typing import Any


class Clone:
    """A clone, whose modules can be imported from now on.

    Its own data sets import torchvision; its model does not. If torchvision is missing, the model
    can be used all the same.

    Attributes:
        has_loader: Whether its data loader can be used.
    """

    def __init__(self, folder: str) -> None:
        """Put a folder before this one on Python's path: `data` is the clone's."""
        sys.path[0] = folder
        self.has_loader = not _stand_in_for_torchvision()

    def parse(self, arguments: Mapping[str, object], *, gpu: bool) -> Any:
        """Let the clone's own parser read options for training.

        Args:
            arguments: Values by flag; None for a flag without a value. What this version of the
                reference does not know is left out: some versions have no `--gpu_ids`, and their
                training script chooses the device.
            gpu: Whether to use the first GPU.
        """
        import torch
        from options.train_options import TrainOptions

        arguments = {**arguments, "--gpu_ids": 0 if gpu else -1}
        known = TrainOptions().initialize(argparse.ArgumentParser()).format_help()
        flags = [
            (name,) if value is None else (name, str(value))
            for name, value in arguments.items()
            if name in known
        ]
        sys.argv = ["train.py", *itertools.chain.from_iterable(flags)]
        options = TrainOptions().parse()
        if not hasattr(options, "device"):
            options.device = torch.device("cuda:0" if gpu else "cpu")
        return options

    def build_model(self, options: Any) -> Any:
        """Build the model that options describe, with fresh weights."""
        from models import create_model

        model = create_model(options)
        model.setup(options)
        return model

    def open_data(self, options: Any) -> Any:
        """Return the data that options describe: iterable again and again, batch by batch."""
        from data import create_dataset

        return create_dataset(options)


def _stand_in_for_torchvision() -> bool:
    """Put a stand-in into the place of torchvision if it is missing; return whether it was."""
    try:
        import torchvision  # noqa: F401
    except ModuleNotFoundError:
        transforms: Any = types.ModuleType("torchvision.transforms")
        transforms.InterpolationMode = types.SimpleNamespace(BICUBIC=3)
        package: Any = types.ModuleType("torchvision")
        package.transforms = transforms
        sys.modules.update({"torchvision": package, "torchvision.transforms": transforms})
        return True
    return False
