"""Write a page that translates pictures in the browser, and show it.

    pix2pix-jax demo --workdir runs/maps
    pix2pix-jax demo --workdir runs/maps --workdir runs/facades --output demo --no_serve

The page is a folder of static files, which any web server can serve: the networks run in the
visitor's browser, and the pictures stay there. It needs the npm package onnxruntime-web, which is
downloaded once (33 MB), or taken from --runtime.
"""

import argparse
import contextlib
import itertools
import pathlib
import sys

from pix2pix_jax.commands import cli
from pix2pix_jax.commands.terminal import say


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = cli.Parser(__doc__)
    parser.add_argument(
        "--workdir",
        required=True,
        action="append",
        type=cli.filled_path,
        help="folder of a run, or a bundle; give it again for more runs in the same page",
    )
    parser.add_argument(
        "--output",
        default="demo",
        type=cli.filled_path,
        help="folder to write (default: demo); an older page in it is replaced",
    )
    cli.add_checkpoint_flag(parser)
    parser.add_argument(
        "--runtime",
        default="",
        type=cli.path,
        metavar="PATH",
        help="the npm package onnxruntime-web: its folder or its .tgz (default: downloaded once)",
    )
    parser.add_argument(
        "--port",
        type=cli.whole(0, 2**16 - 1),
        default=8000,
        help="port on 127.0.0.1 (default: 8000); 0 for any that is free",
    )
    parser.add_argument("--no_serve", action="store_true", help="write the page, and end")
    parser.add_argument(
        "--data_root",
        action="append",
        type=cli.path,
        default=[],
        help="where the run's data is now; with more runs, give it once for each",
    )
    cli.add_trust_flag(parser)
    flags = parser.parse_args()
    runs, roots = len(flags.workdir), len(flags.data_root)
    if roots not in (0, runs):
        parser.error(f"--data_root is given {roots} times, and --workdir {runs}: give it for each")
    return flags


def main() -> None:
    """Write the page and serve it."""
    flags = parse_arguments()
    # These need JAX, for which --help does not wait.
    from pix2pix_jax.deployment.page import check_output, write_page
    from pix2pix_jax.deployment.page_server import PageServer
    from pix2pix_jax.runs.folder import RunFolder
    from pix2pix_jax.runs.generator import generator_of

    output = pathlib.Path(flags.output)
    check_output(output)
    with contextlib.ExitStack() as stack:
        if not flags.no_serve:  # a port that is taken is known before the work
            server = stack.enter_context(PageServer(output, flags.port))
        folders = [
            RunFolder(path, trust_code=flags.trust_code, data_root=root)
            for path, root in itertools.zip_longest(flags.workdir, flags.data_root, fillvalue="")
        ]
        runs = [(folder, generator_of(folder, flags.checkpoint)) for folder in folders]
        page = write_page(runs, output, runtime=flags.runtime)
        for name, found in page.compared.items():
            say(f"{name}: {found}")
        say(f"{page.size:,} bytes in {page.path}")
        if not flags.no_serve:
            say(f"{server.url} shows it; Ctrl-C ends")
            sys.stdout.flush()  # it may be a pipe, and the server does not end by itself
            server.serve_forever()
