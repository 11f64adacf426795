"""The examples of docs/exporting.md, which must work where this package is not installed."""

import pathlib
import re
import sys

import numpy as np
import pytest
from PIL import Image
from support.generators import SIDE, draw, drawn_bundle
from support.scripts import run_script

from pix2pix_jax import load_generator, translate
from pix2pix_jax.images.encoding import PHOTO

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "exporting.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
OUTPUTS = {
    "onnx": "maps.onnx",
    "stablehlo": "maps.stablehlo",
    "bundle": "maps",
    "torch": "latest_net_G.pth",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run, a photo, and the run's generator in each format."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("examples")
    drawn_bundle(folder / "run")
    # The reference has no U-Net of fewer levels.
    drawn_bundle(folder / "deeper", data__image_size=32, model__levels=5)
    for kind, output in OUTPUTS.items():
        run = "deeper" if kind == "torch" else "run"
        flags = ("--workdir", run, "--format", kind, "--output", output)
        status, _, error = run_script("export", *flags, folder=folder)
        assert status == 0, error
    Image.fromarray(draw(PHOTO, 1, SIDE, SIDE)[0]).save(folder / "photo.png")
    return folder


def run_example(text, folder, monkeypatch):
    """Run an example in a folder, where the package cannot be imported."""
    monkeypatch.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pix2pix_jax"]:
        monkeypatch.setitem(sys.modules, name, None)
    names = {}
    exec(compile(text, str(PAGE), "exec"), names)
    return names


def test_there_is_an_example_of_each_format_of_about_ten_lines():
    assert len(EXAMPLES) == len(OUTPUTS)
    for text in EXAMPLES:
        assert len([line for line in text.splitlines() if line]) <= 11
        assert "pix2pix" not in text


@pytest.mark.parametrize("number", [0, 1])
def test_a_file_runs_without_the_package_and_gives_its_result(folder, monkeypatch, number):
    photo = np.asarray(Image.open(folder / "photo.png"))
    generator = load_generator(folder / "run")
    (expected,) = translate(generator, [photo], mode="deterministic", batch_size=1)
    run_example(EXAMPLES[number], folder, monkeypatch)
    found = np.asarray(Image.open(folder / ("onnx.png", "stablehlo.png")[number]))
    assert np.ptp(expected) > 50
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_bundle_is_read_without_the_package(folder, monkeypatch, capsys):
    generator = load_generator(folder / "run")
    parts = generator.variables["params"]["down_1"]["conv"]["kernel"]
    names = run_example(EXAMPLES[2], folder, monkeypatch)
    np.testing.assert_array_equal(names["weights"]["params.down_1.conv.kernel"], parts)
    assert capsys.readouterr().out == f"unet {names['count']:,} numbers after 7 steps\n"


def test_weights_for_pytorch_are_read_without_the_package(folder, monkeypatch, capsys):
    run_example(EXAMPLES[3], folder, monkeypatch)
    assert capsys.readouterr().out.endswith(
        f"features of the first layer: (1, 4, {SIDE // 2}, {SIDE // 2})\n"
    )
