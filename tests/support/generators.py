"""Generators with drawn weights, which no run has trained."""

import jax
import jax.numpy as jnp
import numpy as np
from support import tiny
from support.networks import variables_of

from pix2pix_jax.core.config_files import save_json
from pix2pix_jax.data.pair_format import PHOTOS
from pix2pix_jax.runs.bundle import write_bundle
from pix2pix_jax.runs.digests import digest_of
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.translation import translate

SIDE = 16


def drawn_generator(module, *, form=PHOTOS, multiple=4, side=SIDE):
    """Return a generator whose every parameter and statistic has an effect.

    Initial values do not show whether biases, scales and statistics are used: they are 0 or 1.
    """
    variables = variables_of(module, np.zeros((1, side, side, form.source.depth)))
    rng = np.random.default_rng(0)
    drawn = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.2, leaf.shape), variables)
    statistics = jax.tree.map(np.abs, drawn["batch_stats"])  # variances are positive
    variables = {"params": drawn["params"], "batch_stats": statistics}
    as_float32 = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), variables)
    return Generator(module, as_float32, (side, side), form, multiple=multiple, fit="pad")


def drawn_bundle(folder, *, factor=1.0, **changes):
    """Write a bundle whose weights are drawn: what stands for a run, without any training.

    `model__norm="batch"` changes the key model.norm; `factor` is that of all parameters.
    """
    small = {"data.image_size": SIDE, "data.synthetic_pairs": (2, 2, 2)}
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    config = tiny.tiny_config(small | keys)
    folder.mkdir(parents=True)
    save_json(config, folder / "config.json")
    run = RunFolder(folder)
    side = run.networks.source_shape[0]
    variables = drawn_generator(run.networks.generator, form=run.form, side=side).variables
    variables["params"] = jax.tree.map(lambda leaf: factor * leaf, variables["params"])
    about = {"step": "7", "weights_sha256": digest_of(variables)}
    write_bundle(folder, config, variables, about)
    return folder


def draw(side, *shape):
    """Draw images as they are stored."""
    rng = np.random.default_rng(1)
    if side.dtype == "float32":
        return rng.uniform(side.low, side.high, (*shape, side.channels)).astype("float32")
    high = side.classes or np.iinfo(side.dtype).max + 1
    return rng.integers(0, high, (*shape, side.channels)).astype(side.dtype)


def ours(generator, sources):
    """Translate by this package."""
    return np.stack(translate(generator, list(sources), mode="deterministic", batch_size=1))
