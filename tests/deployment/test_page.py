"""The folder of a page: what is in it, what it refuses, and how it is served."""

import dataclasses
import http.client
import json
import re
import shutil
import threading

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from support import tiny
from support.generators import SIDE, drawn_bundle
from support.npm import npm_package
from support.scripts import refused, run_script

from pix2pix_jax import InputError, load_generator
from pix2pix_jax.core.config_files import save_json
from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.deployment import page_run
from pix2pix_jax.deployment.page import check_output, write_page
from pix2pix_jax.deployment.page_run import PageRun
from pix2pix_jax.deployment.page_runtime import FILES
from pix2pix_jax.deployment.page_server import PageServer
from pix2pix_jax.deployment.verification import Comparison
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.runs.folder import RunFolder

TEXTS = (".html", ".css", ".js", ".json")


@pytest.fixture(autouse=True)
def quick(one_device):
    """Compile for one device only."""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return npm_package(tmp_path_factory.mktemp("npm"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return drawn_bundle(tmp_path_factory.mktemp("runs") / "Drawn & <b>", data__direction="BtoA")


@pytest.fixture(scope="module")
def page(tmp_path_factory, run, package):
    """A page of a run, given twice."""
    output = tmp_path_factory.mktemp("pages") / "new" / "demo"
    flags = ("--workdir", run, "--workdir", run, "--output", output, "--runtime", package)
    with pytest.MonkeyPatch.context() as patch:
        tiny.see_one_device(patch)
        patch.setattr(PageServer, "serve_forever", lambda server: print(server.server_port))
        status, out, error = run_script("demo", *flags, "--port", 0)
    assert status == 0, error
    *_, line, port = out.splitlines()
    assert line == f"http://127.0.0.1:{port}/ shows it; Ctrl-C ends"
    assert out.count("compared on 2 validation images: largest difference") == 2
    return output


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_page_lists_its_files_and_nothing_else_is_left(page, package):
    contents = json.loads((page / "page.json").read_text())
    assert set(contents["files"]) == files_of(page)
    assert [path.name for path in page.parent.iterdir()] == ["demo"]
    for name in FILES:
        assert (page / "runtime" / name).read_text() == name
    assert "Copyright (c) Microsoft" in next((page / "runtime").glob("LICENSE*")).read_text()


def test_every_run_has_its_model_and_its_held_out_pairs(page, run):
    first, second = json.loads((page / "page.json").read_text())["runs"]
    assert (first["name"], second["name"]) == ("Drawn & <b>", "Drawn & <b> (2)")
    assert first["group"] == second["group"]
    assert first["targets"] == second["targets"]
    assert first["model"] != second["model"]
    expected = {"fit": "resize", "size": [SIDE, SIDE], "multiple": 4, "mode": "deterministic"}
    expected |= {"source": "rgb", "target": "rgb", "dtype": "uint8", "weights": "float16"}
    assert {name: first[name] for name in expected} == expected
    pairs = RunFolder(run).load_pairs("val")
    assert len(first["examples"]) == len(pairs) == 2
    for number, example in enumerate(first["examples"]):
        for side, name in enumerate(("source", "target")):
            picture = image_files.read_picture(page / example[name]).pixels
            np.testing.assert_array_equal(picture, pairs[number][side])


def test_photos_to_make_gray_and_gray_sources_are_not_the_same_sources(tmp_path, run, monkeypatch):
    nothing = object.__new__(Comparison)  # the network does not matter
    monkeypatch.setattr(page_run, "export", lambda *_, **__: nothing)
    generator = load_generator(run)
    forms = {"gray": generator.form, "photos": PairFormat(derivation=Derivation("gray"))}
    found = {}
    for name, form in forms.items():
        shown = PageRun(name, RunFolder(run), dataclasses.replace(generator, form=form))
        found[name], _ = page_run.write_run(shown, tmp_path / name)
    assert found["gray"]["group"] != found["photos"]["group"]
    assert found["gray"]["targets"] == found["photos"]["targets"]


def test_a_page_asks_nothing_of_others_and_says_nothing_of_the_machine(page, run):
    texts = {path: path.read_text() for path in page.rglob("*") if path.suffix in TEXTS}
    assert len(texts) >= 8
    for path, text in texts.items():
        assert "//" not in re.sub(r"(?m)(^|\s)// .*|/\*\*?$", "", text), path
        assert str(run.parent) not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', texts[page / "index.html"])
    assert "default-src 'none'" in policy[1]
    assert not re.search(r"http|\*", policy[1])


def test_what_the_page_refers_to_is_in_its_folder(page):
    found = set()
    for path in (*page.glob("*.html"), *page.glob("*.js")):
        found |= set(re.findall(r'"(?:\./)?([\w./-]+\.(?:m?js|css|wasm|json))"', path.read_text()))
    assert len(found) >= 8
    assert not [name for name in found if not (page / name).is_file()]


def test_a_second_page_takes_the_place_of_the_first_one_only(tmp_path, page, run, package):
    runs, output = [(RunFolder(run), load_generator(run))], tmp_path / "demo"
    shutil.copytree(page, output)
    second = write_page(runs, output, runtime=str(package))
    assert [path.name for path in (output / "runs").iterdir()] == ["1-drawn-b"]  # there were two
    assert second.size == sum((output / name).stat().st_size for name in files_of(output))
    (output / "runs" / "CNAME").write_text("mine")
    with pytest.raises(InputError, match=r"holds files that are not of a page: runs/CNAME; choose"):
        write_page(runs, output, runtime=str(package))
    assert (output / "runs" / "CNAME").read_text() == "mine"


@pytest.mark.parametrize("content", ["{", "[]", '{"made_by": "pix2pix_jax", "files": 3}'])
def test_a_folder_with_a_damaged_list_is_not_taken_for_a_page(tmp_path, content):
    (tmp_path / "page.json").write_text(content)
    with pytest.raises(InputError, match=r"not of a page: page\.json"):
        check_output(tmp_path)


class Sine(nn.Module):
    """A network with an operation that ONNX files are not written with."""

    @nn.compact
    def __call__(self, x, *, train, dropout_keys=None):
        return jnp.sin(x)


def test_a_network_that_onnx_cannot_hold_leaves_nothing(tmp_path, run, package):
    generator = dataclasses.replace(load_generator(run), module=Sine())
    with pytest.raises(InputError, match="sin: this part of the network has no counterpart"):
        write_page([(RunFolder(run), generator)], tmp_path / "new" / "demo", runtime=str(package))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (PairFormat(Encoding(no_data="0")), "marks pixels without data"),
        (PairFormat(Encoding(5)), "its sources have 5 channels of uint8, and browsers show gray"),
        (
            PairFormat(Encoding(), Encoding(1, "uint16", 0.0, 9.0)),
            "its targets have 1 channels of uint16",
        ),
        (PairFormat(Encoding(3, "float32", 0.0, 1.0)), "its sources have 3 channels of float32"),
        (
            PairFormat(derivation=Derivation("gray"), scale=2.0),
            "makes gray sources of another size from pictures",
        ),
    ],
)
def test_pixels_that_browsers_cannot_show_are_refused_before_any_work(tmp_path, run, form, message):
    generator = dataclasses.replace(load_generator(run), form=form)
    with pytest.raises(InputError, match=message):
        write_page([(RunFolder(run), generator)], tmp_path / "demo", runtime="none")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--output", "file"), "--output file: "),
        (("--output", "full"), "--output full: holds files that are not of a page: mine; choose"),
        ((), "there is no checkpoint"),
        (("--port", "65536"), "--port: '65536': expected a whole number from 0 to 65535"),
        (("--workdir", "run", "--data_root", "x"), "--data_root is given 1 times, and --workdir 2"),
    ],
)
def test_mistakes_are_one_line(tmp_path, flags, message):
    (tmp_path / "run").mkdir()
    save_json(tiny.tiny_config(), tmp_path / "run" / "config.json")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    (tmp_path / "file").touch()
    result = run_script("demo", "--workdir", "run", "--no_serve", *flags, folder=tmp_path)
    assert refused(result, message)
    assert not (tmp_path / "demo").exists()


def test_a_port_that_is_taken_is_named_before_any_work(tmp_path):
    with PageServer(tmp_path, 0) as server:
        result = run_script(
            "demo", "--workdir", "none", "--port", server.server_port, folder=tmp_path
        )
        assert refused(
            result, f"--port {server.server_port}: cannot be used (Address already in use)"
        )


@pytest.fixture
def ask(page):
    """Ask the server for a path; returns the answer and its content."""
    with PageServer(page, 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)

        def get(path):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer, answer.read()

        yield get
        connection.close()
        server.shutdown()


def test_files_are_served_with_types_that_browsers_ask_for(ask, page):
    model = json.loads((page / "page.json").read_text())["runs"][0]["model"]
    for path, expected in [
        ("", "text/html; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        (f"runtime/{FILES[0]}", "text/javascript; charset=utf-8"),
        (f"runtime/{FILES[1]}", "application/wasm"),
        (model, "application/octet-stream"),
    ]:
        answer, content = ask(f"/{path}")
        assert (answer.status, answer.getheader("Content-Type")) == (200, expected)
        assert content == (page / (path or "index.html")).read_bytes()
        assert answer.getheader("Cross-Origin-Opener-Policy") == "same-origin"
        assert answer.getheader("Cross-Origin-Embedder-Policy") == "require-corp"


@pytest.mark.parametrize("path", ["/runs/", "/none", "/%2e%2e/%2e%2e/etc/passwd"])
def test_other_paths_are_not_found_and_nothing_is_listed(ask, page, path):
    answer, content = ask(path)
    assert answer.status == 404
    assert str(page).encode() not in content
    assert b"1-drawn" not in content
    assert answer.getheader("Server") == "pix2pix_jax"
