"""A generator without its run: its weights and the run's configuration, to be passed on.

A bundle is a folder that stands for a run where only the generator is used. `config.json` is the
configuration, as in a run. `generator.safetensors` has the weights, named by their places, such as
`params.down_0.conv.kernel`; texts in its header say where they come from.
"""

import pathlib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from ml_collections import ConfigDict

from pix2pix_jax.core import config_files, weight_files
from pix2pix_jax.core.config import default_config, get
from pix2pix_jax.core.errors import InputError, require, shown, some_of
from pix2pix_jax.core.own_code import is_own, own_keys
from pix2pix_jax.runs.digests import digest_of, named_leaves
from pix2pix_jax.runs.folder import RunFolder

T = TypeVar("T")

WEIGHTS_FILE = "generator.safetensors"
_A_STEP = re.compile(r"[0-9]{1,10}")
_STEP, _DIGEST = "step", "weights_sha256"  # texts that a bundle must have
# What these say is of the machine, or of the account, that the run was made with.
_PRIVATE = (
    "compilation_cache",
    "data.root",
    "data.archive",
    "data.condition",
    "eval.lpips_file",
    "eval.palette",
    "log.wandb_project",
    "loss.perceptual_file",
    "train.init_from",
)


def is_bundle(folder: RunFolder) -> bool:
    """Return whether a folder holds a bundle, and no checkpoints of a run."""
    return (folder.path / WEIGHTS_FILE).is_file() and not folder.checkpoints.exists()


def write_bundle(
    path: pathlib.Path, config: ConfigDict, variables: PyTree, about: Mapping[str, str]
) -> None:
    """Write a bundle.

    Args:
        path: A folder, which exists.
        config: The run's configuration. What it says about the machine, such as where the data is,
            is left out, and so is own code, which the generator does not need.
        variables: `params` and `batch_stats` of the generator.
        about: Texts for the header of the weights; `step` and `weights_sha256` are among them.

    Raises:
        InputError: The generator itself is own code, or the package safetensors is missing.
    """
    if is_own(config.model.generator):
        raise InputError(
            f"model.generator={shown(config.model.generator)}: a bundle holds no own code; choose "
            "--format stablehlo, which holds the network itself"
        )
    arrays = {
        name: np.array(leaf, order="C") for name, leaf in sorted(named_leaves(variables).items())
    }
    content = require("safetensors.numpy", "safetensors").save(arrays, metadata=dict(about))
    (path / WEIGHTS_FILE).write_bytes(content)
    config_files.save_json(_public(config), path / "config.json")


def _public(config: ConfigDict) -> ConfigDict:
    """Return a configuration without what is private, and without own code."""
    public, default = config.copy_and_resolve_references(), default_config()
    changed = [*_PRIVATE, *own_keys(config)]
    changed += ["loss.extra_weights"] if "loss.extra" in changed else []
    if is_own(config.checkpoint.best_metric):
        changed.append("checkpoint.best_metric")
    for key in changed:
        config_files.set_value(public, key, get(default, key))
    if "data.source" in changed:  # the default would be data that is not the run's
        public.data.source = "folders"
    return public


def place_of(folder: RunFolder, step: int) -> pathlib.Path:
    """Return where a folder has the weights of a step: a file of a bundle, a folder of a run."""
    return folder.path / WEIGHTS_FILE if is_bundle(folder) else folder.checkpoints / str(step)


def step_of(folder: RunFolder, checkpoint: str) -> int:
    """Return the training step of a bundle's weights.

    Args:
        folder: A folder with a bundle.
        checkpoint: What is asked for: `best`, `latest` or a step.

    Raises:
        InputError: It does not say its step, or another one is asked for.
    """
    text = _texts(folder).get(_STEP, "")
    if not _A_STEP.fullmatch(text):
        raise InputError(f"{folder.path / WEIGHTS_FILE}: does not say its {_STEP}; is it complete?")
    if checkpoint not in ("best", "latest", text):
        raise InputError(
            f"{folder}: checkpoint {shown(checkpoint)}: a bundle has one, of step {text}; choose "
            f"best, latest or {text}"
        )
    return int(text)


def read_bundle(folder: RunFolder) -> PyTree:
    """Read the weights of a bundle.

    Args:
        folder: A folder with a bundle.

    Returns:
        `params` and `batch_stats`.

    Raises:
        InputError: It is damaged, or of another network than its configuration says.
    """
    path = folder.path / WEIGHTS_FILE
    arrays = weight_files.read(path)
    params, batch_stats = folder.networks.generator_shapes
    shapes = named_leaves({"params": params, "batch_stats": batch_stats})
    differ = [
        name
        for name in sorted(shapes.keys() | arrays.keys())
        if name not in shapes or name not in arrays or shapes[name].shape != arrays[name].shape
    ]
    if differ:
        raise InputError(
            f"{path}: holds another network than {folder.config_file} says: {some_of(differ)}"
        )
    variables: dict[str, Any] = {"params": {}, "batch_stats": {}}
    for name, array in arrays.items():
        *place, last = name.split(".")
        inner = variables
        for part in place:
            inner = inner.setdefault(part, {})
        inner[last] = array
    if digest_of(variables) != _texts(folder).get(_DIGEST):
        raise InputError(f"{path}: is damaged: its digest is not that of its arrays; get it again")
    return variables


class Bundle:
    """The generator of a bundle, read as `Checkpoints` reads those of a run: it is the only one."""

    def __init__(self, folder: RunFolder) -> None:
        """Open a bundle.

        Args:
            folder: A folder with a bundle.
        """
        self._folder = folder

    def __enter__(self) -> "Bundle":
        return self

    def __exit__(self, *exception: object) -> None:
        """Do nothing: no file is open."""

    @property
    def steps(self) -> list[int]:
        """The step of the weights."""
        return [step_of(self._folder, "latest")]

    @property
    def metas(self) -> dict[int, dict[str, Any]]:
        """What is known of the step: nothing, as of imported weights."""
        return {step: {} for step in self.steps}

    def choose(self, which: str, items: Collection[str] | None = None) -> int:
        """Return the step; see `step_of`. The weights are verified when they are read."""
        return step_of(self._folder, which)

    def use(self, which: str, attempt: Callable[[int], T]) -> tuple[int, T]:
        """Return the step, and what `attempt` makes of it; see `step_of`."""
        step = self.choose(which)
        return step, attempt(step)

    def verify(self, step: int, items: Collection[str] | None = None) -> bool:
        """Read the weights and compare them with their digest; return True.

        Raises:
            InputError: See `read_bundle`.
        """
        read_bundle(self._folder)
        return True

    def restore(self, step: int, abstract: Mapping[str, PyTree]) -> dict[str, PyTree]:
        """Return the item `generator`, the only one; a moving average is its parameters.

        Raises:
            InputError: See `read_bundle`.
        """
        read = jax.tree.map(jnp.asarray, read_bundle(self._folder))
        item = {"g_params": read["params"], "g_batch_stats": read["batch_stats"], "g_ema": {}}
        return {"generator": item}


def origin_of(folder: RunFolder) -> str:
    """Return the digits that stand for a run's configuration; a bundle keeps those of its run."""
    return _texts(folder).get("run", folder.hash) if is_bundle(folder) else folder.hash


def _texts(folder: RunFolder) -> dict[str, str]:
    """Return the texts in the header of the weights."""
    return weight_files.read_texts(folder.path / WEIGHTS_FILE)
