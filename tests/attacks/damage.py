"""Every file of a tiny run's newest checkpoint is damaged: is a wrong weight ever used?

    python -m tests.attacks.damage

Each file in turn is cut in half, emptied, filled with zeros, deleted, or has one bit flipped. Then
the run goes on to its end, and the generator translates an image. The run must end with the bits of
one that was not harmed; the image must be that of the newest checkpoint or of the one before.
Nothing may print a traceback.
"""

import argparse
import collections
import logging
import pathlib
import random
import shutil
import sys
import tempfile

import numpy as np

from pix2pix_jax import load_generator, train_and_evaluate, translate
from pix2pix_jax.core.config_files import load_config, override
from pix2pix_jax.core.errors import InputError
from tests.attacks import tiny_run

_KEYS = {
    "data.synthetic_pairs": "4,2,1",
    "checkpoint.every_epochs": "1",
    "log.report": "False",
    "log.tensorboard": "False",
}
PHOTO = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)


def flip(file, rng):
    content = bytearray(file.read_bytes())
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


DAMAGES = {
    "cut": lambda file, rng: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "emptied": lambda file, rng: file.write_bytes(b""),
    "zeroed": lambda file, rng: file.write_bytes(bytes(file.stat().st_size)),
    "deleted": lambda file, rng: file.unlink(),
    "one bit": flip,
}


class Lines(logging.Handler):
    """Counts what the package logs."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def config_of(epochs):
    config = load_config("demo")
    # A constant rate: with another one, steps that are taken again in a longer run would differ.
    keys = {**tiny_run.KEYS, "train.epochs": str(epochs), "lr.schedule": "constant"}
    for key, value in keys.items():
        override(config, key, value)
    return config


def picture(workdir):
    return translate(load_generator(workdir, "latest"), [PHOTO], mode="deterministic")[0].tobytes()


def judge(run, wanted, pictures):
    """Use a damaged run as users do; return what happened, and what is wrong."""
    handler, logger = Lines(), logging.getLogger("pix2pix_jax")
    logger.addHandler(handler)
    try:
        image = picture(run)
        sampled = len(handler.lines)
        train_and_evaluate(config_of(3), run)
    except InputError as error:
        return "an error", [f"one line: {error}"]
    except Exception as error:  # what must not happen
        return "a traceback", [f"{type(error).__name__}: {error}"]
    finally:
        logger.removeHandler(handler)
    faults = [] if image in pictures else ["the picture is of other weights"]
    if image == pictures[0] and sampled:
        faults.append("the picture is that of an older checkpoint, without a word")
    if tiny_run.digest_of_state(run) != wanted:
        faults.append("the run ends with other weights")
    used = any("is used instead" in line for line in handler.lines)
    return "goes on from the one before" if used else "unharmed", faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=4, help="bits to flip in each file, in turn")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    logging.getLogger("pix2pix_jax").propagate = False
    tiny_run.KEYS.update(_KEYS)
    counts, bad, rng = collections.Counter(), 0, random.Random(flags.seed)
    with tempfile.TemporaryDirectory(prefix="damage_") as folder:
        home = pathlib.Path(folder)
        train_and_evaluate(config_of(2), home / "run")
        shutil.copytree(home / "run", home / "whole")
        train_and_evaluate(config_of(3), home / "whole")
        wanted = tiny_run.digest_of_state(home / "whole")
        newest = max((home / "run/checkpoints").iterdir(), key=lambda path: int(path.name))
        shutil.copytree(home / "run", home / "older")
        shutil.rmtree(home / "older/checkpoints" / newest.name)
        pictures = [picture(home / "run"), picture(home / "older")]
        files = sorted(path for path in newest.rglob("*") if path.is_file())
        print(f"{len(files)} files", flush=True)
        for file in files:
            for name, damage in DAMAGES.items():
                for _ in range(flags.flips if damage is flip else 1):
                    run = home / "trial"
                    shutil.copytree(home / "run", run)
                    damage(run / file.relative_to(home / "run"), rng)
                    how, faults = judge(run, wanted, pictures)
                    counts[name, how] += 1
                    bad += bool(faults)
                    if faults:
                        print(f"{file.relative_to(newest)} {name}: {'; '.join(faults)}", flush=True)
                    shutil.rmtree(run)
    for (name, how), count in sorted(counts.items()):
        print(f"{name:8} {how:28} {count}")
    print(f"{counts.total()} trials, {bad} with faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
