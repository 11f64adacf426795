import shutil

import pytest
from support import tiny

from pix2pix_jax import train_and_evaluate


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The folder of a complete tiny run on one device. Tests must not change it."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        tiny.see_one_device(patch)
        train_and_evaluate(tiny.tiny_config(), folder)
    return folder


@pytest.fixture
def trained(whole, tmp_path):
    """A copy of that folder, to go on in."""
    return shutil.copytree(whole, tmp_path / "trained", copy_function=shutil.copy2)
