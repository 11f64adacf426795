"""Turn weights of the PyTorch reference into the folder of a run.

    pix2pix-jax import_torch --weights latest_net_G.pth --workdir runs/facades_pretrained

Every command that uses a generator takes that folder like any other run. To continue training from
it, start a new run with --config.train.init_from=runs/facades_pretrained.
"""

import argparse
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from pix2pix_jax import InputError, default_config
from pix2pix_jax.commands import cli
from pix2pix_jax.commands.terminal import say
from pix2pix_jax.core import weight_files
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.models.reference_layers import Architecture
from pix2pix_jax.models.reference_weights import configure, recognise, to_variables
from pix2pix_jax.runs.checkpoint_files import steps_in
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.lock import RunLock
from pix2pix_jax.training.state import TrainState, create_train_state

Network = tuple[Architecture, tuple[Any, Any]]


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--weights",
        type=cli.filled_path,
        required=True,
        help=f"file with the generator: {', '.join(weight_files.FORMATS)}",
    )
    parser.add_argument("--workdir", type=cli.filled_path, required=True, help="folder to write")
    parser.add_argument(
        "--discriminator", type=cli.path, metavar="WEIGHTS", help="file with its discriminator"
    )
    parser.add_argument(
        "--root", type=cli.path, help="folder of side-by-side pairs to sample and evaluate"
    )
    parser.add_argument(
        "--direction",
        default="AtoB",
        choices=("AtoB", "BtoA"),
        help="which side of the pairs in --root is the source (default: AtoB)",
    )
    parser.add_argument(
        "--image_size",
        type=cli.whole(1, 2**14),
        nargs="+",
        metavar="PIXELS",
        help="side, or height and width (default: what a U-Net halves to one pixel, else 256)",
    )
    return parser.parse_args()


def load(path: str, role: str) -> Network:
    """Read a weight file and convert its arrays to our variables."""
    weights = weight_files.read(path)
    architecture = recognise(weights, path, role)
    params, batch_stats = to_variables(weights, architecture)
    say(f"{path}: {architecture}")
    return architecture, (jax.tree.map(jnp.asarray, params), jax.tree.map(jnp.asarray, batch_stats))


def build_config(
    flags: argparse.Namespace, generator: Architecture, discriminator: Architecture | None
) -> ConfigDict:
    """Return the config of a run with these networks."""
    config = default_config()
    configure(config, generator, discriminator)
    config.data.direction = flags.direction
    if flags.root:
        config.data.source, config.data.root = "side_by_side", flags.root
    side = 2**generator.depth if generator.network == "unet" else 256
    config.data.image_size = tuple(flags.image_size or (side,))
    if discriminator is None:
        config.loss.gan = "none"  # The folder has no discriminator.
    return config


def build_state(
    config: ConfigDict, generator: Network, discriminator: Network | None
) -> TrainState:
    """Return the state of step 0; a run that starts from it makes its own optimiser states."""
    networks = build_networks(config.model, config.data, adversarial=config.loss.gan != "none")
    state = create_train_state(networks, optax.identity(), optax.identity(), seed=config.seed)
    params, batch_stats = generator[1]
    state = state.replace(g_params=params, g_batch_stats=batch_stats)
    if discriminator is not None:
        params, batch_stats = discriminator[1]
        state = state.replace(d_params=params, d_batch_stats=batch_stats)
    return state


def main() -> None:
    """Read the weights and write the run's folder."""
    flags = parse_arguments()
    workdir = pathlib.Path(flags.workdir)
    folder = RunFolder(workdir)
    if steps_in(folder.checkpoints):
        raise InputError(f"--workdir {workdir}: holds checkpoints already; choose another")
    if folder.config_file.exists():
        raise InputError(f"--workdir {workdir}: holds a run or a bundle already; choose another")
    generator = load(flags.weights, "generator")
    discriminator = load(flags.discriminator, "discriminator") if flags.discriminator else None
    config = build_config(flags, generator[0], None if discriminator is None else discriminator[0])
    state = build_state(resolve(config), generator, discriminator)
    folder.path.mkdir(parents=True, exist_ok=True)
    with RunLock(folder.lock_file) as lock:
        lock.take()
        with Checkpoints(workdir) as checkpoints:
            meta = {"imported": True, "direction": flags.direction}
            checkpoints.save(0, state.items(), meta, None)
        folder.record_start(config, first_step=0, command=cli.command_line())
    command = f"pix2pix-jax sample --workdir {workdir} --input PHOTOS --output OUT"
    say(f"{workdir}: ready; sample with {command}")
