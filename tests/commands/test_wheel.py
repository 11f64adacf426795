"""The package as it is installed from a wheel: its command, its configs and its templates."""

import configparser
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from support.scripts import SCRIPTS
from support.tiny import CACHE

ROOT = SCRIPTS.parent
SHRUNK = [
    "--config.train.steps=1",
    "--config.train.batch_size=1",
    "--config.data.image_size=32",
    "--config.data.synthetic_pairs=2,2,2",
    "--config.model.base_features=4",
    "--config.model.levels=2",
    "--config.loss.gan=none",
    "--config.log.tensorboard=False",
    f"--config.compilation_cache={CACHE}",
]


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def in_package(folder):
    """Return the files of the package in a folder, by their place in the wheel."""
    return {
        str(path.relative_to(folder))
        for path in (folder / "pix2pix_jax").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A source archive of a copy of the checkout."""
    source = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("pix2pix_jax", "configs", "docs", "scripts", "tests", ".ci", ".github"):
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    code = "import setuptools.build_meta as build; build.build_sdist('dist')"
    subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, check=True)
    (path,) = (source / "dist").glob("pix2pix_jax-*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(archive, tmp_path_factory):
    """A wheel that is built from the source archive, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(archive))
    (path,) = folder.glob("pix2pix_jax-*.whl")
    return path


@pytest.fixture(scope="module")
def call(wheel, tmp_path_factory):
    """Run the installed command in a folder; return its status, output and errors."""
    installed = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--target", str(installed), str(wheel))
    environment = os.environ | {"PYTHONPATH": str(installed), "XLA_FLAGS": ""}

    def start(*arguments, folder):
        result = subprocess.run(
            [installed / "bin" / "pix2pix-jax", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return result.returncode, result.stdout, result.stderr

    return start


def test_a_wheel_holds_every_file_of_the_package_and_the_configs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    configs = {f"pix2pix_jax/configs/{path.name}" for path in (ROOT / "configs").glob("*.py")}
    assert names == in_package(ROOT) | configs


def test_a_source_archive_holds_what_the_tests_and_the_docs_need(archive):
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    expected = {f"tests/{path.relative_to(ROOT / 'tests')}" for path in ROOT.glob("tests/*/*.py")}
    expected |= {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    expected |= {"CHANGELOG.md", "Dockerfile", ".ci/run", ".github/workflows/ci.yml"}
    assert expected <= names
    assert not [name for name in names if "__pycache__" in name]


def test_the_version_is_that_of_setup_cfg(call, tmp_path):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    expected = f"pix2pix-jax {setup['metadata']['version']}\n"
    assert call("--version", folder=tmp_path) == (0, expected, "")


def test_an_installed_package_trains_with_a_config_of_its_own(call, tmp_path):
    status, out, error = call("train", "--config", "demo", *SHRUNK, folder=tmp_path)
    assert status == 0, error
    assert "val l1" in out
    run = tmp_path / "runs" / "demo"
    assert "<svg" in (run / "report.html").read_text()
    (start,) = json.loads((run / "run.json").read_text())["starts"]
    assert start["command"].startswith("pix2pix-jax train --config demo --config.train.steps=1 ")
