"""Serve a trained generator over HTTP: POST an image, get its translation.

    pix2pix-jax serve --workdir runs/maps
    curl --data-binary @photo.jpg -o result.png http://127.0.0.1:8000/

There is no authentication: by default, only programs on this machine can connect.
"""

import argparse
import logging

from pix2pix_jax.commands import cli
from pix2pix_jax.commands.terminal import say
from pix2pix_jax.core.choices import EVAL_MODES, FITS
from pix2pix_jax.core.errors import require
from pix2pix_jax.core.signals import StopRequest
from pix2pix_jax.deployment.server.limits import MOST_PIXELS, Limits

logger = logging.getLogger(__name__)

_MODULES = ("starlette", "uvicorn", "python_multipart", "prometheus_client")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    cli.add_workdir_flag(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--port",
        type=cli.whole(0, 2**16 - 1),
        default=8000,
        help="port to listen on; 0: any that is free (default: 8000)",
    )
    cli.add_checkpoint_flag(parser)
    parser.add_argument(
        "--mode", default="paper", choices=EVAL_MODES, help="unless a request says otherwise"
    )
    parser.add_argument("--fit", default="", choices=FITS, help="as for sample")
    parser.add_argument(
        "--batch_size",
        type=cli.whole(0, 2**12),
        default=0,
        help="images that a GPU or TPU translates at once; 0 (default): as many as suit it",
    )
    _add_limits(parser)
    cli.add_cache_flag(parser)
    cli.add_trust_flag(parser)
    return parser.parse_args()


def _add_limits(parser: cli.Parser) -> None:
    """Add the flags of what clients are allowed."""
    by_fit = "2^24 if images are resized, 2^22 if tiled, 2^20 if padded"
    cli.add_limit_flag(parser, 0, by_fit)
    for name, largest, default, meaning in (
        ("max_bytes", 2**40, 2**25, "most bytes of a request's body"),
        ("max_held_bytes", 2**50, 2**30, "most bytes of all bodies and unpacked images at once"),
        ("max_queue", 2**20, 128, "most images in work at once; others get status 503"),
        ("max_connections", 2**16, 512, "most connections at once"),
        ("queue_seconds", 10**5, 60, "how long an image may wait for its turn"),
        ("read_seconds", 10**5, 30, "how long a client may take to send a request"),
        ("stop_seconds", 10**5, 25, "how long after a signal to go on with what was taken"),
    ):
        parser.add_argument(
            f"--{name}",
            type=cli.whole(1, largest),
            default=default,
            metavar="N",
            help=f"{meaning} (default: {default})",
        )


def main() -> None:
    """Serve until a signal comes."""
    flags = parse_arguments()
    for module in _MODULES:
        require(module, "serve")
    # These need JAX, for which --help does not wait.
    from pix2pix_jax.core.devices import enable_compilation_cache, keep_no_more_programs
    from pix2pix_jax.deployment.server import running
    from pix2pix_jax.deployment.server.pictures import Pictures
    from pix2pix_jax.deployment.server.service import Service
    from pix2pix_jax.runs.folder import RunFolder
    from pix2pix_jax.runs.generator import generator_of

    taken = running.bind(flags.host, flags.port)  # a port in use is known at once
    if running.is_open_to_others(taken):
        logger.warning(
            "--host %s: everyone who can reach this port can use the server, as it asks for no "
            "password and encrypts nothing; docs/deploy.md shows what to put before it",
            flags.host,
        )
    enable_compilation_cache(flags.compilation_cache)
    most_pixels = flags.max_pixels or max(MOST_PIXELS.values())
    folder = RunFolder(flags.workdir, trust_code=flags.trust_code, max_pixels=most_pixels)
    generator = generator_of(folder, flags.checkpoint, fit=flags.fit)
    say(f"step {generator.step} of {folder}")
    with StopRequest() as stop:
        stop.listen()
        pictures = Pictures(generator, flags.batch_size)
        limits = _limits(flags, generator.fit, generator.form.scale)
        service = Service(pictures, limits, mode=flags.mode)
        # Clients decide which sizes programs are compiled for: all of them would fill the disk.
        when_ready = (lambda: None) if generator.fit == "resize" else keep_no_more_programs
        running.serve(service, taken, stop, when_ready=when_ready)


def _limits(flags: argparse.Namespace, fit: str, scale: float) -> Limits:
    """Return what clients are allowed: of larger results, no more pixels than of others."""
    most = int(MOST_PIXELS[fit] / max(scale, 1) ** 2)
    return Limits(
        pixels=flags.max_pixels or most,
        body_bytes=flags.max_bytes,
        held_bytes=flags.max_held_bytes,
        queue=flags.max_queue,
        connections=flags.max_connections,
        queue_seconds=flags.queue_seconds,
        read_seconds=flags.read_seconds,
        stop_seconds=flags.stop_seconds,
    )
