"""What only Unix has is not needed: a run without the modules and names that Windows lacks."""

import os
import subprocess
import sys

WITHOUT = """
import os, pathlib, signal, sys
import flax.linen, jax, ml_collections, optax, orbax.checkpoint, PIL.Image, tensorboardX, tqdm

for module in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[module] = None
for name in ("SIGHUP", "SIGKILL", "SIGQUIT", "SIGALRM", "SIGPIPE"):
    delattr(signal, name)
for name in ("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "fork", "getuid", "geteuid", "statvfs"):
    delattr(os, name)

import pix2pix_jax
from pix2pix_jax.commands import ending, interrupts, surroundings
from support.tiny import tiny_config

interrupts.heed()
surroundings.check()
[getattr(pix2pix_jax, name) for name in pix2pix_jax.__all__]
config = tiny_config({"train.epochs": 1, "log.report": True, "log.tensorboard": True})
result = pix2pix_jax.train_and_evaluate(config, sys.argv[1])
generator = pix2pix_jax.load_generator(sys.argv[1])
print("steps", result.step, sorted(result.summary)[:1])
"""


def test_a_run_needs_nothing_that_only_unix_has(tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "XLA_FLAGS": ""}
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path / "run")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("steps 3")
