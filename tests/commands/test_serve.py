import io
import json
import signal
import socket
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from support.generators import drawn_bundle
from support.scripts import refused, run_script, start_process
from support.server import CONTENT, IMAGE

from pix2pix_jax import load_generator, translate
from pix2pix_jax.images import files as image_files


def test_a_run_without_a_checkpoint_is_one_line(tmp_path):
    answer = run_script("serve", "--workdir", tmp_path / "none", "--port", 0, folder=tmp_path)
    assert refused(answer, "none")


def test_a_port_in_use_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        answer = run_script("serve", "--workdir", tmp_path, "--port", port, folder=tmp_path)
    assert refused(answer, f"--host 127.0.0.1 --port {port}: cannot be listened on (Address alre")


@pytest.mark.parametrize("module", ["starlette", "uvicorn", "python_multipart"])
def test_a_missing_package_names_the_extra(tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    answer = run_script("serve", "--workdir", tmp_path, "--port", 0, folder=tmp_path)
    assert refused(answer, f"the package {module} is missing: pip install 'pix2pix_jax[serve]'")


def test_an_address_that_others_reach_is_warned_of(tmp_path):
    answer = run_script(
        *("serve", "--workdir", tmp_path / "none", "--host", "0.0.0.0", "--port", 0),
        folder=tmp_path,
    )
    (line,) = answer[1].splitlines()
    assert line.startswith("warning: --host 0.0.0.0: everyone who can reach this port can use")


def next_line(process, start):
    """Read what a server prints up to a line that begins so; return its rest."""
    for line in process.stdout:
        if line.startswith(start):
            return line.removeprefix(start).strip()
    raise AssertionError(process.stderr.read())


def test_a_run_is_served_until_sigterm(tmp_path):
    run = drawn_bundle(tmp_path / "run")
    process = start_process("serve", "--workdir", run, "--port", 0, folder=tmp_path)
    try:
        url = next_line(process, "listening on ")
        next_line(process, "ready after ")
        health = json.load(urllib.request.urlopen(f"{url}health", timeout=60))
        answer = urllib.request.urlopen(f"{url}?mode=deterministic", CONTENT, timeout=60).read()
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(url, b"text", timeout=60)
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, error) == (0, "")
    assert out == "stopping: what was taken is answered within 25 seconds\n"
    assert json.load(refusal.value) == {"error": "image: not an image file"}
    generator = load_generator(run)
    assert health["step"] == generator.step
    (expected,) = translate(generator, [IMAGE], mode="deterministic")
    # Programs for one device and for eight may round differently.
    found = image_files.read(io.BytesIO(answer)).astype(int)
    np.testing.assert_allclose(found, expected, atol=1)
