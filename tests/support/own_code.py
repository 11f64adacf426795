"""Own code for tests: files that tell when they run, runs that keep them, records by hand."""

import hashlib
import json
import pathlib
import sys

import pytest

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode, own_keys

KEY = "model.generator"


def write_net(path, ran, number=1):
    path.write_text(
        f"with open({str(ran)!r}, 'a') as file:\n"
        f"    print('ran', file=file)\n"
        f"class Net:\n"
        f"    number = {number}\n"
        f"    def __init__(self, features=3):\n"
        f"        self.features = features\n"
    )
    return path


def times(ran):
    return len(ran.read_text().split()) if ran.exists() else 0


def given(*references, key=KEY):
    return {key: references}


def config_with(reference):
    config = default_config()
    config.model.generator = reference
    return config


def train(folder, reference):
    """Do what training does: load the user's references, and keep them with the run."""
    config = config_with(reference)
    code = OwnCode(folder, given=own_keys(config))
    code.load(reference, KEY)
    code.keep(config)


def refusal(reference, folder=None, key=KEY, **options):
    """Return the one line that loading a reference ends with."""
    with pytest.raises(InputError) as caught:
        OwnCode(folder, **options).load(reference, key)
    line = str(caught.value)
    assert "\n" not in line
    return line


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def record_of(folder):
    return folder / "code" / "code.json"


def write_record(folder, *entries):
    record_of(folder).parent.mkdir(parents=True, exist_ok=True)
    record_of(folder).write_text(json.dumps({"own_code": entries}))


def entry(reference, path, kind="file", digest=None, key=KEY):
    path = pathlib.Path(path)
    digest = digest or sha256(path)
    return {"key": key, "reference": reference, "kind": kind, "path": str(path), "sha256": digest}


def forget_loaded_files():
    """Let the next load run its file again, as a new process would."""
    for name in [name for name in sys.modules if name.startswith("own_code_")]:
        del sys.modules[name]
