"""What a file of another program says about the generator in it: its contract and its origin."""

import dataclasses
import json
import logging
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.version import __version__
from pix2pix_jax.images.palettes import load_palette
from pix2pix_jax.images.stacked import SourceEncoding, StackedEncoding
from pix2pix_jax.runs.bundle import origin_of
from pix2pix_jax.runs.digests import digest_of
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator

logger = logging.getLogger(__name__)

MODE = "deterministic"
# What runs a file: from images as stored, and the numbers beside them, to images as stored.
Translate = Callable[..., Shaped[np.ndarray, "n h2 w2 d"]]


# Metrics of images that are label maps, each class in its own colour.
_OF_LABELS = ("class_accuracy", "class_iou", "pixel_accuracy")


def describe(folder: RunFolder, generator: Generator) -> dict[str, Any]:
    """Describe a run's generator to other programs.

    Args:
        folder: The run's folder.
        generator: Its generator.

    Returns:
        Values of JSON by name: `network` and `norm`; `mode`; `image_size` (height, width) of the
        training, `multiple` of which the sides of an image must be, and `fit`, what this package
        does with other images; `source` and `target`, how pixels are stored (several sources:
        `parts`, whose channels follow each other in this order); `color`, `lab` if these are
        lightness and colour of CIE Lab, else `as stored`; `step`, `weights_sha256`, `run`
        (a digest of the run's configuration) and `pix2pix_jax` (the version); `target_scale`, how
        many times as large as a source its result is, if that is not 1; `condition`, the numbers
        beside the image in their order, if there are any; and `palette`, the colours of classes, if
        targets are label maps. Nothing in it tells about the machine.
    """
    model = folder.settings.model
    about = {
        "network": type(generator.module).__name__,
        "norm": model.norm,
        "mode": MODE,
        "image_size": list(generator.image_size),
        "multiple": generator.multiple,
        "fit": generator.fit,
        "source": _describe_side(generator.form.source),
        "target": _describe_side(generator.form.target),
        "color": "lab" if generator.form.is_lab else "as stored",
        "step": generator.step,
        "weights_sha256": digest_of(generator.variables),
        "run": origin_of(folder),
        "pix2pix_jax": __version__,
    }
    if generator.form.scale != 1:
        about["target_scale"] = generator.form.scale
    if generator.numbers is not None:
        names = ("mean", "deviation", "low", "high")
        rows = zip(*(getattr(generator.numbers, name) for name in names), strict=True)
        values = [dict(zip(names, row, strict=True)) for row in rows]
        about["condition"] = dict(zip(generator.numbers.names, values, strict=True))
    palette = _palette(folder)
    return about if palette is None else about | {"palette": palette}


def as_texts(about: dict[str, Any]) -> dict[str, str]:
    """Return values for metadata that can only be text: what is no text becomes JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in about.items()
    }


def _palette(folder: RunFolder) -> dict[str, list[int]] | None:
    """Return the colours of the classes of a run's label maps; None if it has no label maps."""
    name, metrics = folder.settings.eval.palette, folder.settings.eval.metrics
    if name == default_config().eval.palette and not set(_OF_LABELS).intersection(metrics):
        return None
    try:
        palette = load_palette(name)
    except InputError as error:
        logger.warning("%s; the metadata will have no palette", error)
        return None
    colours = palette.colours[: len(palette.classes)].tolist()
    return dict(zip(palette.classes, colours, strict=True))


def _describe_side(side: SourceEncoding) -> dict[str, Any]:
    """Describe how a side is stored; of several sources, also each of them in order."""
    if isinstance(side, StackedEncoding):
        named = zip(side.names, side.parts, strict=True)
        parts = [{"name": name, **_describe_side(part)} for name, part in named]
        return {"channels": side.channels, "dtype": side.dtype, "parts": parts}
    described: dict[str, Any] = {"channels": side.channels, "dtype": side.dtype}
    described |= {"classes": side.classes} if side.classes else {"range": [side.low, side.high]}
    return described if side.no_data is None else described | {"no_data": side.no_data}


def in_float32(generator: Generator) -> Generator:
    """Return a generator that computes in float32 whatever the run did, as exported files do.

    Recomputing blocks to save memory, which is for training, is switched off too.
    """
    there = {field.name for field in dataclasses.fields(generator.module)}
    wanted: dict[str, Any] = {"dtype": jnp.dtype("float32"), "remat": False}
    changes = {name: value for name, value in wanted.items() if name in there}
    module: nn.Module = generator.module.clone(**changes)
    return dataclasses.replace(generator, module=module)
