"""A bundle with its model card: a folder that others can use, and put on the Hugging Face hub."""

import pathlib
from typing import Any

import numpy as np

from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.config_files import load_json
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.deployment.about import MODE, Translate, as_texts
from pix2pix_jax.deployment.model_card import model_card
from pix2pix_jax.runs.bundle import write_bundle
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator, load_generator
from pix2pix_jax.runs.translation import translate_batch


def write(
    path: pathlib.Path, folder: RunFolder, generator: Generator, about: dict[str, Any]
) -> None:
    """Write a bundle and its model card.

    Args:
        path: A folder, which exists.
        folder: The run's folder.
        generator: Its generator.
        about: What is said about the generator, see `about.describe`.

    Raises:
        InputError: The network is own code, or a package is missing.
    """
    write_bundle(path, folder.config, generator.variables, as_texts(about))
    public = flatten(load_json(path / "config.json"))
    card = model_card(folder, generator, about, public)
    (path / "README.md").write_text(card, encoding="utf-8")


def load(path: pathlib.Path) -> Translate:
    """Return what translates images by the generator in a bundle."""
    generator = load_generator(path)

    def translate(source: np.ndarray, condition: np.ndarray | None = None) -> np.ndarray:
        names = [str(number) for number in range(len(source))]
        at = generator.with_values(condition)
        fake = translate_batch(at, source, names, mode=MODE, batch_size=len(source))
        return generator.form.target.from_network(fake)

    return translate


def check_path(path: pathlib.Path) -> None:
    """Raise InputError unless a bundle can be written to a path: it is free, or an empty folder."""
    if path.exists() and not path.is_dir():
        raise InputError(f"--output {path}: is a file; give the name of a folder")
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"--output {path}: this folder is not empty; choose another, or delete it")
