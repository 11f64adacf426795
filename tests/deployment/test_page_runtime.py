"""The two files of onnxruntime-web that a page needs, and where they come from."""

import hashlib
import logging
import re
import tarfile

import pytest
from support.file_server import serve
from support.npm import npm_package

from pix2pix_jax import InputError
from pix2pix_jax.deployment import page_runtime
from pix2pix_jax.deployment.page_runtime import FILES, VERSION, write_runtime


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return npm_package(tmp_path_factory.mktemp("npm"))


def files_of(folder):
    return {path.name for path in folder.iterdir()}


def archive_of(package, path):
    with tarfile.open(path, "w:gz") as archive:
        archive.add(package, "package")
    return path


def test_the_runtime_comes_from_a_folder_or_an_archive(tmp_path, package):
    archive = archive_of(package, tmp_path / "a.tgz")
    for number, source in enumerate((package, archive)):
        assert write_runtime(tmp_path / str(number), str(source)) == VERSION
        assert files_of(tmp_path / str(number)) == set(FILES)


def test_another_version_of_the_runtime_is_taken_with_a_warning(tmp_path, package, caplog):
    other = tmp_path / "other"
    (other / "dist").mkdir(parents=True)
    for path in package.glob("dist/*"):
        (other / "dist" / path.name).write_bytes(path.read_bytes())
    (other / "package.json").write_text('{"name": "onnxruntime-web", "version": "9.0.0"}')
    with caplog.at_level(logging.WARNING):
        assert write_runtime(tmp_path / "new", str(other)) == "9.0.0"
    assert f"is version 9.0.0; the page was tested with {VERSION}" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path / "none", "none: there is no such file or folder"),
        (lambda path: path / "dist", "dist: has no package.json; give the npm package onnx"),
        (
            lambda path: path / "package.json",
            "cannot be read as a .tgz (file could not be opened successfully)",
        ),
    ],
)
def test_what_is_not_the_runtime_is_refused(tmp_path, package, change, message):
    with pytest.raises(InputError, match=re.escape(message)):
        write_runtime(tmp_path / "new", str(change(package)))


@pytest.mark.parametrize("about", ["[]", "{", '{"name": "onnxruntime-node"}'])
def test_another_package_is_refused(tmp_path, package, about):
    (tmp_path / "dist").mkdir()
    for path in package.glob("dist/*"):
        (tmp_path / "dist" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "package.json").write_text(about)
    with pytest.raises(InputError, match="is not the npm package onnxruntime-web"):
        write_runtime(tmp_path / "new", str(tmp_path))


def test_an_archive_that_is_cut_short_is_refused(tmp_path, package):
    content = archive_of(package, tmp_path / "whole.tgz").read_bytes()
    path = tmp_path / "cut.tgz"
    path.write_bytes(content[:-40])
    with pytest.raises(InputError, match=r"cut\.tgz: cannot be read as a \.tgz"):
        write_runtime(tmp_path / "new", str(path))


def test_the_runtime_is_downloaded_once_and_checked(tmp_path, package, monkeypatch):
    archive = archive_of(package, tmp_path / "a.tgz")
    cache = tmp_path / "cache"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve(tmp_path) as address:
        url = f"{address}/a.tgz"
        with pytest.raises(InputError, match="has the SHA-256"):
            write_runtime(tmp_path / "new", cache=str(cache), url=url)
        monkeypatch.setattr(
            page_runtime, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest()
        )
        write_runtime(tmp_path / "new", cache=str(cache), url=url)
    write_runtime(tmp_path / "again", cache=str(cache), url=url)  # the server is gone
    (cache / "a.tgz").write_bytes(b"other")
    with pytest.raises(
        InputError, match=r"delete it and a\.tgz\.sha256, and run the command again"
    ):
        write_runtime(tmp_path / "again", cache=str(cache), url=url)


def test_without_a_network_the_message_names_the_flag(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(InputError, match=r"npm pack onnxruntime-web@.* and give it with --runtime"):
        write_runtime(tmp_path, cache=str(tmp_path), url="http://127.0.0.1:9/a.tgz")
