"""Weights & Biases as a destination of a run's numbers and pictures."""

import pathlib
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pix2pix_jax.core.errors import InputError, require

_ID_FILE = "wandb_id.txt"


class WandbWriter:
    """Scalars and pictures of a run on Weights & Biases; a resumed run goes on there as well."""

    def __init__(self, workdir: pathlib.Path, project: str, config: dict[str, Any]) -> None:
        """Start a run there, or go on with the one whose name is in the folder.

        Args:
            workdir: The run's folder, which keeps the id and, in offline mode, what is to be sent.
            project: Name of the project.
            config: Flat configuration.

        Raises:
            InputError: wandb is not installed, or not logged in.
        """
        wandb = require("wandb", "wandb")
        path = workdir / _ID_FILE
        known = path.read_text().strip() if path.exists() else None
        try:
            self._run = wandb.init(
                project=project,
                name=workdir.name,
                id=known,
                resume="allow",
                dir=str(workdir),
                config=config,
                settings=wandb.Settings(silent=True),
            )
        except wandb.errors.Error as error:
            raise InputError(
                f"log.wandb=True: {' '.join(str(error).split())[:160]}; run 'wandb login', or set "
                "WANDB_MODE=offline"
            ) from None
        self._image = wandb.Image
        path.write_text(f"{self._run.id}\n")

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Log named numbers of a step."""
        self._run.log(values, step=step)

    def image(self, step: int, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Log the picture under one name for all steps, which gives it a slider."""
        self._run.log({"samples": self._image(image, caption=name)}, step=step)

    def close(self) -> None:
        """Send what is left, and end the run's session."""
        self._run.finish()
