"""What stands in the way of a bundle to the hub."""

import sys

import huggingface_hub.constants
import pytest
from support.hub_server import hub_server
from support.scripts import refused, run_script

from pix2pix_jax import InputError
from pix2pix_jax.deployment.hub import Hub


@pytest.fixture
def hub(monkeypatch):
    with hub_server("hf_mine") as server:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.address)
        monkeypatch.setenv("HF_TOKEN", server.token)
        yield server


def test_what_the_hub_refuses_is_one_line_and_says_that_the_bundle_is_there(
    tmp_path, hub, monkeypatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(InputError, match=r"--push me/maps: .*403.*bundle is complete") as found:
        Hub("me/maps").push(tmp_path / "bundle", "Step 1")
    assert "hf_other" not in str(found.value)


def test_what_pushing_needs_is_asked_for_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    flags = ("--format", "bundle", "--output", "b", "--push", "me/maps", "--workdir", "none")
    result = run_script("export", *flags, folder=tmp_path)
    assert refused(result, "not logged in to the hub: run `hf auth login`, or set HF_TOKEN")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    result = run_script("export", *flags, folder=tmp_path)
    assert refused(result, "pip install 'pix2pix_jax[hub]'")
