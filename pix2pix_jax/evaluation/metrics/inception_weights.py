"""Published weights of the FID's Inception v3 -> our variables.

torch-fidelity and pytorch-fid publish one file under two names: the TensorFlow graph's weights,
converted to PyTorch (Apache License 2.0).
"""

import functools
import hashlib
import http.client
import os
import pathlib
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping

import flax
import jax
import jax.numpy as jnp
import numpy as np

from pix2pix_jax.core import weight_files
from pix2pix_jax.core.errors import InputError, require
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.evaluation.metrics.inception import SIZE, InceptionV3, Variables

URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
CACHE = "~/.cache/pix2pix_jax"

# The one file's names at torch-fidelity and at pytorch-fid.
_FILE_NAMES = ("weights-inception-2015-12-05-6726825d.pth", "pt_inception-2015-12-05-6726825d.pth")
_CONVERTED = "inception-2015-12-05.npz"
_SHOWN = 3  # names in an error
_TIMEOUT = 30  # seconds without an answer
_NO_CONNECTION = (
    urllib.error.URLError,
    ConnectionError,
    TimeoutError,
    http.client.HTTPException,
)
_PYTORCH_NAMES = {
    "kernel": "weight",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
}
# Axes of a matrix and of a convolution's kernel.
_TO_PYTORCH = {2: (1, 0), 4: (3, 2, 0, 1)}
_TO_FLAX = {2: (1, 0), 4: (2, 3, 1, 0)}


def load_inception(path: str | os.PathLike = "", *, cache: str | os.PathLike = CACHE) -> Variables:
    """Load the weights: from a file, from the cache, or, the first time, from the net.

    Args:
        path: File with the published names of arrays, in one of `weight_files.FORMATS`; '': the
            cache, filled where it is empty from `URL` (96 MB), which needs PyTorch once.
        cache: Folder where the download and the arrays read from it (.npz) are kept.

    Returns:
        Variables of `inception.InceptionV3`, on the default device.

    Raises:
        InputError: The file is missing, broken or of another network; there is no connection.
    """
    if path:
        return to_variables(weight_files.read(path), str(path))
    folder = pathlib.Path(cache).expanduser()
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
        place: Where they are from, for errors.

    Returns:
        `params` and `batch_stats`, float32, on the default device.

    Raises:
        InputError: A name is missing or unknown, or an array has another shape.
    """
    # Files of one content count the batches of training or not, depending on who wrote them.
    given = {name for name in weights if not name.endswith(".num_batches_tracked")}
    wrong = sorted(given ^ published_shapes().keys())
    if wrong:
        shown = ", ".join(wrong[:_SHOWN]) + (", ..." if len(wrong) > _SHOWN else "")
        raise InputError(
            f"{place}: not the FID's Inception v3: {len(wrong)} names missing or unknown "
            f"({shown}); its weights are at {URL}"
        )
    flat = {}
    for name, (path, shape) in _layout().items():
        array = weights[name]
        if array.shape != shape:
            raise InputError(
                f"{place}: {name} has shape {array.shape}, the FID's Inception v3 has {shape}; its "
                f"weights are at {URL}"
            )
        axes = _TO_FLAX.get(array.ndim)
        flat[path] = jnp.asarray(np.array(array.transpose(axes), np.float32, order="C"))
    return flax.traverse_util.unflatten_dict(flat)


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the arrays that a file of weights holds."""
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
    """Return the published file in a folder, fetched where it is not there."""
    for name in _FILE_NAMES:
        if (folder / name).is_file():
            _refuse_other(folder / name, folder / name)
            return folder / name
    path = folder / _FILE_NAMES[0]
    try:
        with atomic_path(path) as temporary:
            with (
                urllib.request.urlopen(URL, timeout=_TIMEOUT) as answer,
                temporary.open("wb") as to,
            ):
                shutil.copyfileobj(answer, to)
            _refuse_other(temporary, URL)
    except _NO_CONNECTION as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise InputError(
            f"{URL} cannot be fetched ({reason}): bring that file to {path}, or name its path"
        ) from None
    return path


def _refuse_other(path: pathlib.Path, place: str | os.PathLike) -> None:
    """Raise InputError where a file is not the published one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise InputError(
            f"{place}: its SHA-256 begins with {found[:8]}, that of the weights with {SHA256[:8]}: "
            f"cut short, or another file; fetch it again from {URL}"
        )
