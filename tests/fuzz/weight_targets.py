"""Targets: weight files of every format, damaged; no code in them may run."""

import functools
import io
import os
import pathlib
import pickle
import tempfile

import numpy as np

from pix2pix_jax.core import weight_files
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.metrics import inception_weights
from pix2pix_jax.models.reference_layers import Architecture, entries
from pix2pix_jax.models.reference_weights import recognise, to_variables

from .mutations import mutate

_NETWORKS = (
    Architecture("unet", "batch", 5, 2, 3, 3),
    Architecture("resnet", "instance", 1, 2, 3, 3),
    Architecture("patch", "batch", 1, 2, 6, 1),
    Architecture("pixel", "batch", 0, 2, 6, 1),
)


class _Trap:
    """What runs code when it is unpickled: it makes a folder."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@functools.cache
def _scratch():
    folder = tempfile.TemporaryDirectory()
    return folder, pathlib.Path(folder.name)


def _marker():
    return _scratch()[1] / "code has run"


def _weights(architecture):
    rng = np.random.default_rng(0)
    return {
        entry.key: rng.standard_normal(entry.shape).astype(np.float32)
        for entry in entries(architecture)
    }


@functools.cache
def _npz():
    made = []
    for architecture in _NETWORKS:
        for save in (np.savez, np.savez_compressed):
            memory = io.BytesIO()
            save(memory, **_weights(architecture))
            made.append(memory.getvalue())
    memory = io.BytesIO()
    np.savez(memory, a=np.array([_Trap(_marker())], dtype=object))
    return [*made, memory.getvalue()]


@functools.cache
def _safetensors():
    from safetensors.numpy import save

    return [save(_weights(architecture)) for architecture in _NETWORKS]


@functools.cache
def _pth():
    import torch

    made = []
    for architecture in _NETWORKS:
        tensors = {key: torch.from_numpy(v) for key, v in _weights(architecture).items()}
        for content in (tensors, {"state_dict": tensors, "trap": _Trap(_marker())}):
            for new in (True, False):
                memory = io.BytesIO()
                torch.save(content, memory, _use_new_zipfile_serialization=new)
                made.append(memory.getvalue())
    return [*made, pickle.dumps(_Trap(_marker()))]


def _trial(make, suffix, rng):
    """Read a damaged file as the importer and as the loader of the Inception network do."""
    seeds = make()
    path = _scratch()[1] / f"w{suffix}"
    path.write_bytes(mutate(seeds[rng.integers(len(seeds))], rng, head=2048))
    accepted = False
    try:
        weights = weight_files.read(path)
        accepted = True
        assert all(isinstance(array, np.ndarray) for array in weights.values())
        _take(lambda: to_variables(weights, recognise(weights, str(path))))
        _take(lambda: inception_weights.to_variables(weights, str(path)))
    except InputError as error:
        _check(error)
    assert not _marker().exists(), "code in the file was run"
    return accepted


def _take(use):
    """Use arrays that were read; they may be those of no network."""
    try:
        use()
    except InputError as error:
        _check(error)


def _check(error):
    text = str(error)
    assert "\n" not in text
    assert str(_scratch()[1]) in text, f"does not name the file: {text!r}"


def _formats():
    made = {"npz": (_npz, ".npz")}
    for name, package, make in (
        ("pth", "torch", _pth),
        ("safetensors", "safetensors", _safetensors),
    ):
        try:
            __import__(package)
        except ModuleNotFoundError:
            continue
        made[name] = (make, f".{name}")
    return made


TARGETS = {f"weights: {name}": functools.partial(_trial, *how) for name, how in _formats().items()}
