import json
import subprocess
import sys

import jax

from pix2pix_jax.core import devices


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


def test_an_empty_folder_switches_the_compilation_cache_off(monkeypatch):
    calls = []
    monkeypatch.setattr(jax.config, "update", lambda *call: calls.append(call))
    devices.enable_compilation_cache("")
    assert calls == []
    devices.enable_compilation_cache("~/x")
    assert calls[0][0] == "jax_compilation_cache_dir"
    assert not calls[0][1].startswith("~")
