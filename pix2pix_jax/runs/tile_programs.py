"""The programs that translate tiles, and that measure what all tiles of an image share."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree, Shaped

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.exactness import Exactness
from pix2pix_jax.data.numbers import as_arguments
from pix2pix_jax.images.stacked import SourceEncoding
from pix2pix_jax.models.initial import abstract_variables
from pix2pix_jax.models.layers import STATISTICS, PlacedKeys
from pix2pix_jax.models.receptive_field import receptive_radius
from pix2pix_jax.runs.generator import Generator

Tile = Shaped[np.ndarray, "h w c"]


def _translate(
    module: nn.Module,
    encoding: SourceEncoding,
    train: bool,
    variables: PyTree,
    keys: Any,
    source: Array,
    beside: Mapping[str, Any],
) -> Float[Array, "h2 w2 d"]:
    fake, _ = module.apply(
        variables,
        encoding.to_network(source),
        train=train,
        dropout_keys=keys,
        mutable=["batch_stats"],
        **beside,
    )
    return jnp.asarray(fake)[0]


def _measure(
    module: nn.Module,
    encoding: SourceEncoding,
    train: bool,
    variables: PyTree,
    keys: Any,
    source: Array,
    beside: Mapping[str, Any],
) -> PyTree:
    """Return the statistics of the norms that use an image's own; nothing if there are none."""
    _, found = module.apply(
        variables,
        encoding.to_network(source),
        train=train,
        dropout_keys=keys,
        mutable=["batch_stats", STATISTICS],
        **beside,
    )
    return {STATISTICS: found[STATISTICS]} if STATISTICS in found else {}


@functools.cache
def _compiled(function: Callable[..., Any], exactness: Exactness) -> Callable[..., Any]:
    return exactness.jit(function, ("module", "encoding", "train"))


@functools.cache
def has_own_statistics(module: nn.Module, depth: int, side: int, *, train: bool) -> bool:
    """Return whether a network has norms that use an image's own statistics; from its trace alone.

    Args:
        module: The generator.
        depth: Channels that it sees.
        side: A side of an image that it takes.
        train: As in a call of the network.
    """
    shape = (1, side, side, depth)
    params, batch_stats = abstract_variables(module, shape)

    def apply(variables: PyTree, source: Array) -> PyTree:
        return module.apply(variables, source, train=train, mutable=["batch_stats", STATISTICS])[1]

    variables = {"params": params, "batch_stats": batch_stats}
    return STATISTICS in jax.eval_shape(apply, variables, jax.ShapeDtypeStruct(shape, jnp.float32))


class TileTranslator:
    """Translates the tiles of images, one at a time, on the first of the local devices.

    Attributes:
        shares: Whether all tiles of an image get statistics that `measure` finds.
    """

    def __init__(self, generator: Generator, *, mode: str) -> None:
        """Place the weights.

        Args:
            generator: The generator; its `tiling.norm` says where norms take statistics from.
            mode: `paper` or `deterministic`.

        Raises:
            InputError: There are no running statistics, and they are asked for; or no numbers
                beside the image, and the generator takes some.
        """
        running = generator.tiling.norm == "running"
        if running and not jax.tree.leaves(generator.variables.get("batch_stats", {})):
            raise InputError(
                "--tile_norm running: this run's generator has no running statistics, which only "
                "model.norm='batch' keeps; choose whole or tile"
            )
        self._device = jax.local_devices()[0]
        self._variables = jax.device_put(dict(generator.variables), self._device)
        self._beside = jax.device_put(as_arguments(generator.rows(1)), self._device)
        self._key = jax.random.key(generator.seed)
        self._drops = mode == "paper"
        self._train = mode == "paper" and not running
        # Own networks may use keys in any way.
        self._by_place = receptive_radius(generator.module) is not None
        self._generator = generator
        self.shares = generator.tiling.norm == "whole" and has_own_statistics(
            generator.module,
            generator.form.source.depth,
            2 * generator.multiple,
            train=self._train,
        )

    def measure(self, source: Tile, name_hash: int) -> PyTree:
        """Return the statistics of an image, for all its tiles.

        Args:
            source: The image, or a sample of it, as stored.
            name_hash: From `translation.name_hashes`: it decides the image's dropout.
        """
        return self._call(_measure, self._variables, source, name_hash, 0, 0)

    def __call__(
        self, source: Tile, statistics: PyTree, name_hash: int, top: int, left: int
    ) -> Float[np.ndarray, "h2 w2 d"]:
        """Translate a tile.

        Args:
            source: The tile as stored.
            statistics: From `measure`; empty: the tile's own.
            name_hash: As for `measure`.
            top: The tile's first row in the image.
            left: Its first column.

        Returns:
            The result in [-1, 1].
        """
        variables = {**self._variables, **statistics}
        return np.asarray(self._call(_translate, variables, source, name_hash, top, left))

    def _call(
        self, function: Callable[..., Any], variables: PyTree, source: Tile, *place: int
    ) -> Any:
        program = _compiled(function, self._generator.exactness)
        return program(
            self._generator.module,
            self._generator.form.source,
            self._train,
            variables,
            self._keys(len(source), *place),
            jax.device_put(source[None], self._device),
            self._beside,
        )

    def _keys(
        self, height: int, name_hash: int, top: int, left: int
    ) -> PlacedKeys | Key[Array, " n"] | None:
        """Return what decides the dropout of a tile; None in mode `deterministic`."""
        if not self._drops:
            return None
        key = jax.random.fold_in(self._key, np.uint32(name_hash))
        if self._by_place:
            return PlacedKeys(key[None], jnp.int32(top), jnp.int32(left), height=height)
        return jax.random.fold_in(jax.random.fold_in(key, top), left)[None]
