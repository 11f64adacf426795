"""TrainState: everything that a step changes, as arrays only."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import PyTree

from pix2pix_jax.models.build import Networks
from pix2pix_jax.models.initial import draw_variables

# The items of a checkpoint, and the fields of the state in each. Sampling reads the first one only.
_ITEMS = {
    "generator": ("g_params", "g_batch_stats", "g_ema"),
    "discriminator": ("d_params", "d_batch_stats"),
    "training": ("step", "rng", "g_opt_state", "d_opt_state", "diffaugment_share"),
}
# Fields that a checkpoint lacks where they are empty: older ones have never heard of them.
_OPTIONAL = ("diffaugment_share",)


class TrainState(struct.PyTreeNode):
    """Both networks, both optimisers, the step and the random key.

    All fields are arrays or trees of arrays. They are typed Any, since they may also be abstract.

    Attributes:
        step: Number of steps taken, int32.
        rng: The run's random key. It never changes: the random draws of a step depend on this key,
            the step's number and the example's place in the global batch alone.
        g_params: Parameters of the generator.
        g_batch_stats: Running statistics of the generator's batch norms; empty without batch norm.
        g_opt_state: State of the generator's optimiser.
        g_ema: Moving average of the generator's parameters; empty if none is kept.
        d_params: Parameters of the discriminator; empty, like every `d_*` field, if there is no
            discriminator.
        d_batch_stats: Running statistics of the discriminator's batch norms.
        d_opt_state: State of the discriminator's optimiser.
        diffaugment_share: Share of images that each change of what the discriminator sees is made
            to, float32; empty unless it adapts, see `DiffAugment`.
        perceptual: Weights of the network of the perceptual loss; empty if there is none. No
            checkpoint holds them: they never change.
        rate_factor: Factor of both learning rates, float32; empty unless it depends on scores. No
            checkpoint holds it: it follows from the scores, see `watching`.
    """

    step: Any
    rng: Any
    g_params: Any
    g_batch_stats: Any
    g_opt_state: Any
    g_ema: Any
    d_params: Any
    d_batch_stats: Any
    d_opt_state: Any
    diffaugment_share: Any = ()
    perceptual: Any = ()
    rate_factor: Any = ()

    def scaled(self, updates: PyTree) -> PyTree:
        """Return an optimiser's updates times `rate_factor`."""
        if isinstance(self.rate_factor, tuple):
            return updates
        return jax.tree.map(lambda update: update * self.rate_factor, updates)

    def items(self) -> dict[str, dict[str, Any]]:
        """Return the state as the items of a checkpoint: `generator`, `discriminator`, `training`.

        `runs.checkpoints` saves and restores them by these names.
        """
        absent = [name for name in _OPTIONAL if isinstance(getattr(self, name), tuple)]
        return {
            item: {name: getattr(self, name) for name in names if name not in absent}
            for item, names in _ITEMS.items()
        }

    @classmethod
    def from_items(cls, items: Mapping[str, Mapping[str, Any]]) -> "TrainState":
        """Return the state that has these `items`."""
        return cls(**{name: value for item in items.values() for name, value in item.items()})


def create_train_state(
    networks: Networks,
    g_tx: optax.GradientTransformation,
    d_tx: optax.GradientTransformation,
    *,
    seed: int,
    initializer: str = "normal",
    with_ema: bool = False,
    adaptive: bool = False,
) -> TrainState:
    """Create the state of step 0.

    Args:
        networks: Generator and discriminator.
        g_tx: Optimiser of the generator.
        d_tx: Optimiser of the discriminator.
        seed: Seed of the initial values and of all random draws.
        initializer: Of kernels declared with `models.initial.KERNEL`, one of `INITIALIZERS`.
        with_ema: Whether a moving average of the generator's parameters is kept.
        adaptive: Whether there is a `diffaugment_share`.

    Returns:
        The state. Under `jax.eval_shape`, it is the abstract state that a restore asks for.
    """
    blueprints = {"g": networks.generator_blueprint}
    if networks.discriminator_blueprint is not None:
        blueprints["d"] = networks.discriminator_blueprint
    drawn = jax.tree.map(jnp.asarray, draw_variables(blueprints, seed, initializer))
    g_params, g_batch_stats = drawn["g"]
    d_params, d_batch_stats = drawn.get("d", ({}, {}))
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        rng=jax.random.key(seed),
        g_params=g_params,
        g_batch_stats=g_batch_stats,
        g_opt_state=g_tx.init(g_params),
        g_ema=jax.tree.map(jnp.copy, g_params) if with_ema else {},
        d_params=d_params,
        d_batch_stats=d_batch_stats,
        d_opt_state=d_tx.init(d_params),
        diffaugment_share=jnp.zeros((), jnp.float32) if adaptive else (),
    )
