import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from pix2pix_jax import InputError
from pix2pix_jax.core import devices
from pix2pix_jax.core.training_keys import COMPILATION_CACHE


def test_hardware_and_versions_are_plain_values_for_the_record():
    hardware, versions = devices.describe_hardware(), devices.describe_versions()
    assert json.loads(json.dumps(hardware)) == hardware
    assert hardware["devices"] == 8
    assert versions["jax"] == jax.__version__


def test_the_peak_of_memory_counts_what_was_touched():
    code = (
        "from pix2pix_jax.core import devices;"
        "before = devices.peak_resident_gigabytes();"
        "block = b'x' * 300_000_000;"
        "devices.release_free_memory();"
        "print(before, devices.peak_resident_gigabytes() - before)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    before, more = map(float, result.stdout.split())
    assert 0.05 < before < 2
    assert 0.25 < more < 0.35


@pytest.fixture
def cache():
    """Return what JAX is set to after the compilation cache was asked for, from a setting."""
    name = "jax_compilation_cache_dir"
    at_first = getattr(jax.config, name)

    def ask(folder=None, before=None):
        jax.config.update(name, before)
        devices.enable_compilation_cache(folder)
        return getattr(jax.config, name)

    yield ask
    jax.config.update(name, at_first)


def test_compiled_programs_are_kept_where_the_user_says(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    own = str(tmp_path / ".cache" / "pix2pix_jax")
    assert cache() == cache(COMPILATION_CACHE) == own
    assert cache(before=str(tmp_path / "set")) == str(tmp_path / "set")
    assert cache("~/x", before=str(tmp_path / "set")) == str(tmp_path / "x")
    assert cache("", before=str(tmp_path / "set")) is None


def test_programs_can_be_kept_no_more(cache, tmp_path):
    cache(str(tmp_path))
    compilation_cache.reset_cache()  # it has opened the tests' own folder
    double = jax.jit(lambda values: 2 * values)
    try:
        double(np.zeros(5, np.float32))
        kept = sorted(tmp_path.iterdir())
        assert kept
        devices.keep_no_more_programs()
        double(np.zeros(6, np.float32))
        assert sorted(tmp_path.iterdir()) == kept
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        compilation_cache.reset_cache()


def test_a_folder_where_others_can_write_is_not_executed_from(cache, tmp_path, caplog):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o1777)
    assert cache(str(folder)) is None
    assert f"compiled programs are not kept: {folder}: all users can write there" in caplog.text
    folder.chmod(0o755)
    assert cache(str(folder)) == str(folder)


def test_a_folder_of_another_user_is_not_executed_from(cache, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    if tmp_path.stat().st_uid == 0:  # what belongs to root is as safe as the system
        os.chown(tmp_path, 12345, -1)
    assert cache(str(tmp_path)) is None
    assert "belongs to another user" in caplog.text


def test_without_a_folder_for_compiled_programs_nothing_ends(cache, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    assert cache(str(tmp_path / "file" / "cache")) is None
    assert "compiled programs are not kept" in caplog.text
    assert cache("~nobody-of-this-name/cache") is None
    assert "home folder ~nobody-of-this-name is not known" in caplog.text


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 8 bytes"), "out of device memory: less"),
        (MemoryError("8 bytes"), "out of memory: less"),
    ],
)
def test_out_of_memory_is_one_line_with_the_way_out(error, line):
    with pytest.raises(InputError, match=f"^{line}$"), devices.out_of_memory_as("less"):
        raise error


def test_another_error_of_the_device_is_left_alone():
    error = jax.errors.JaxRuntimeError("INTERNAL: broken")
    with pytest.raises(jax.errors.JaxRuntimeError), devices.out_of_memory_as("less"):
        raise error
