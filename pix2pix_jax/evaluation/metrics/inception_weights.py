"""Published weights of FID's Inception v3, as our variables.

torch-fidelity and pytorch-fid publish the same file under two names. It holds the weights of the
TensorFlow graph, converted to PyTorch (Apache License 2.0).
"""

import functools
import os
import pathlib
from collections.abc import Mapping

import flax
import jax
import jax.numpy as jnp
import numpy as np

from pix2pix_jax.core import weight_files
from pix2pix_jax.core.downloads import CACHE, Published, published_file
from pix2pix_jax.core.errors import InputError, require, some_of
from pix2pix_jax.core.files import expand
from pix2pix_jax.evaluation.metrics.inception import SIZE, InceptionV3, Variables

URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

# The file's names at torch-fidelity and at pytorch-fid.
_FILE_NAMES = ("weights-inception-2015-12-05-6726825d.pth", "pt_inception-2015-12-05-6726825d.pth")
_CONVERTED = "inception-2015-12-05.npz"
_TIMEOUT = 30.0  # seconds
_PYTORCH_NAMES = {
    "kernel": "weight",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
}
# Axes of a matrix and of a convolution's kernel, by their number.
_TO_PYTORCH = {2: (1, 0), 4: (3, 2, 0, 1)}
_TO_FLAX = {2: (1, 0), 4: (2, 3, 1, 0)}


def load_inception(path: str | os.PathLike = "", *, cache: str | os.PathLike = CACHE) -> Variables:
    """Load the weights: from a file, from the cache, or for the first time from the internet.

    Args:
        path: File whose arrays have the published names, in one of `weight_files.FORMATS`. '': the
            cache; if it is empty, the file is downloaded from `URL` (96 MB), which needs PyTorch
            once.
        cache: Folder of the download and of the arrays converted from it (.npz).

    Returns:
        Variables of `inception.InceptionV3`, on the default device.

    Raises:
        InputError: The file is missing, broken or of another network, or cannot be downloaded.
    """
    if path:
        return to_variables(weight_files.read(path), str(path))
    folder = pathlib.Path(expand(cache))
    converted = folder / _CONVERTED
    if not converted.is_file():
        require("torch", "torch")
        folder.mkdir(parents=True, exist_ok=True)
        weight_files.write(converted, weight_files.read(_published(folder)))
    return to_variables(weight_files.read(converted), str(converted))


def to_variables(weights: Mapping[str, np.ndarray], place: str) -> Variables:
    """Arrange the published arrays as Flax variables.

    Args:
        weights: Arrays by name.
        place: Where they come from, for errors.

    Returns:
        `params` and `batch_stats`, float32, on the default device.

    Raises:
        InputError: A name is missing or unknown, or an array has another shape.
    """
    # Some programs write a count of the training batches into such files, others do not.
    given = {name for name in weights if not name.endswith(".num_batches_tracked")}
    wrong = sorted(given ^ published_shapes().keys())
    if wrong:
        raise InputError(
            f"{place}: not FID's Inception v3: {len(wrong)} names missing or unknown "
            f"({some_of(wrong)}); its weights are at {URL}"
        )
    flat = {}
    for name, (path, shape) in _layout().items():
        array = weights[name]
        if array.shape != shape:
            raise InputError(
                f"{place}: {name} has shape {array.shape}, FID's Inception v3 has {shape}; its "
                f"weights are at {URL}"
            )
        axes = _TO_FLAX.get(array.ndim)
        flat[path] = jnp.asarray(np.array(array.transpose(axes), np.float32, order="C"))
    return flax.traverse_util.unflatten_dict(flat)


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the arrays in the published file."""
    return {name: shape for name, (_, shape) in _layout().items()}


@functools.cache
def _layout() -> dict[str, tuple[tuple[str, ...], tuple[int, ...]]]:
    """Map each published name to our path and the published shape."""
    image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
    variables = jax.eval_shape(InceptionV3().init, jax.random.key(0), image)
    layout = {}
    for path, leaf in flax.traverse_util.flatten_dict(variables).items():
        _, *modules, name = path
        axes = _TO_PYTORCH.get(leaf.ndim, (0,))
        shape = tuple(leaf.shape[axis] for axis in axes)
        layout[".".join([*modules, _PYTORCH_NAMES.get(name, name)])] = (path, shape)
    return layout


def _published(folder: pathlib.Path) -> pathlib.Path:
    """Return the published file in a folder; download it if it is missing."""
    name, *others = _FILE_NAMES
    hint = f"put that file at {folder / name}, or give the path of another copy"
    published = Published(URL, SHA256, name, tuple(others))
    return published_file(published, folder, hint=hint, timeout=_TIMEOUT)
