"""Settings and small data for all tests."""

import gc
import os
import pathlib
import resource
import signal

# Before JAX starts: eight virtual CPU devices, so that one machine tests data parallelism.
# Compiling takes most of the tests' time, and few depend on how well XLA does it: modules that
# compare programs bit by bit, or with other packages, ask for `optimized`.
EMITTERS = "xla_cpu_use_fusion_emitters"  # of good code, which take most of XLA's time
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count=8 --{EMITTERS}=false"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

from support.annotations import check_annotations

check_annotations()

import jax
import numpy as np
import pytest
from PIL import Image
from support import tiny

from pix2pix_jax.core.devices import enable_compilation_cache, release_free_memory

_MOST_BYTES = 3e9  # that a process of the tests keeps between modules

enable_compilation_cache(tiny.CACHE)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    # Under nohup, all programs that tests start would ignore it too. They do not inherit a handler.
    signal.signal(signal.SIGHUP, lambda *_: None)
# Arrays whose ranks or types differ are a mistake more often than a wish.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(autouse=True, scope="module")
def bounded_memory():
    """Forget compiled programs when they take much memory: those of all modules take 5 GB."""
    yield
    statm = pathlib.Path("/proc/self/statm")  # Linux alone tells what is in use now
    pages = int(statm.read_text().split()[1]) if statm.exists() else 2**63
    if pages * resource.getpagesize() > _MOST_BYTES:
        jax.clear_caches()
        gc.collect()
        release_free_memory()


@pytest.fixture(scope="module")
def optimized():
    """Let XLA optimise the programs of a module, and the steps as it does for users."""
    compiled = jax.stages.Lowered.compile

    def compile_as_for_users(lowered, compiler_options=None):
        return compiled(lowered, {**(compiler_options or {}), EMITTERS: True})

    jax.config.update("jax_disable_most_optimizations", False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.stages.Lowered, "compile", compile_as_for_users)
        yield
    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def one_device(monkeypatch):
    """Make the package see one device only."""
    tiny.see_one_device(monkeypatch)


@pytest.fixture
def tiny_config():
    """The configuration of a run that takes a second, see `support.tiny`."""
    return tiny.tiny_config()


@pytest.fixture
def pairs_folder(tmp_path):
    """A data set of side-by-side JPEGs: 4 to train, 2 to validate, 64x32 pixels."""
    root = tmp_path / "pairs"
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 2)):
        (root / split).mkdir(parents=True)
        for number in range(count):
            coarse = Image.fromarray(rng.integers(0, 256, (4, 8, 3), np.uint8))
            coarse.resize((64, 32)).save(root / split / f"{number}.jpg", quality=95)
    return root
