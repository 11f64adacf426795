"""Whole exports, by the command: what is checked, what is written, and who can use it."""

import json
import pathlib
import re
import resource
import shutil
import sys

import huggingface_hub.constants
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from PIL import Image
from support.generators import SIDE, draw, drawn_bundle, drawn_generator
from support.hub_server import hub_server
from support.scripts import refused, run_script
from support.tiny import see_one_device, tiny_config

from pix2pix_jax import InputError, load_generator, translate
from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.config_files import save_json
from pix2pix_jax.core.version import __version__
from pix2pix_jax.deployment.about import describe, in_float32
from pix2pix_jax.deployment.export import export
from pix2pix_jax.deployment.model_card import model_card
from pix2pix_jax.images.encoding import PHOTO
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.runs.digests import digest_of
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import generator_of

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "exporting.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
# As the page calls them, in its order.
CHECKED = ("onnx", "stablehlo", "bundle")
OUTPUTS = {
    "onnx": "maps.onnx",
    "stablehlo": "maps.stablehlo",
    "bundle": "maps",
    "torch": "latest_net_G.pth",
}


@pytest.fixture(scope="module", autouse=True)
def quick():
    """Compile for one device only."""
    with pytest.MonkeyPatch.context() as patch:
        see_one_device(patch)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What stands for a run with label maps as targets."""
    folder = tmp_path_factory.mktemp("runs") / "drawn"
    return drawn_bundle(folder, eval__metrics=("l1", "class_iou"))


def export_run(run, output, kind, *flags):
    """Export by the command; return what it prints."""
    flags = ("--workdir", run, "--format", kind, "--output", output, *flags)
    status, out, error = run_script("export", *flags)
    assert status == 0, error
    return out


@pytest.fixture(scope="module")
def exports(run, tmp_path_factory):
    """A folder with a photo, and the run's generator in the formats that run; what was printed."""
    folder = tmp_path_factory.mktemp("exports") / "new"
    printed = {kind: export_run(run, folder / OUTPUTS[kind], kind) for kind in CHECKED}
    Image.fromarray(draw(PHOTO, 1, SIDE, SIDE)[0]).save(folder / "photo.png")
    return folder, printed


def check_about(about, run):
    """Compare what a file says about a generator with the generator."""
    assert about["weights_sha256"] == digest_of(load_generator(run).variables)
    expected = {"network": "UNet", "norm": "instance", "mode": "deterministic", "fit": "resize"}
    expected |= {"image_size": [SIDE, SIDE], "multiple": 4, "step": 7, "pix2pix_jax": __version__}
    pixels = {"channels": 3, "dtype": "uint8", "range": [0.0, 255.0]}
    expected |= {"source": pixels, "target": pixels, "run": RunFolder(run).hash}
    assert {name: about[name] for name in expected} == expected
    assert about["palette"]["road"] == [128, 64, 128]
    assert len(about["palette"]) == 19


def read(text):
    """Return the value of a text of metadata: JSON, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def test_each_format_is_compared_before_it_gets_its_name(exports):
    folder, printed = exports
    for kind, said in printed.items():
        assert "compared on 2 validation images: largest difference " in said
        assert " ms an image (this package: " in said
        assert f"in {folder / OUTPUTS[kind]}\n" in said
    assert "largest difference 0 of 255 levels" in printed["bundle"]
    names = {"maps", "maps.json", "maps.onnx", "maps.stablehlo", "photo.png"}
    assert {path.name for path in folder.iterdir()} == names


def test_an_onnx_file_says_what_it_takes_and_where_it_comes_from(run, exports):
    model = onnx.load(exports[0] / "maps.onnx")
    check_about({entry.key: read(entry.value) for entry in model.metadata_props}, run)
    axes = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert axes == [["batch", "height", "width", 3]] * 2
    assert str(run.parent).encode() not in model.SerializeToString()


def test_a_stablehlo_file_has_a_json_file_that_says_so(run, exports):
    about = json.loads((exports[0] / "maps.json").read_text())
    check_about(about, run)
    assert about["shape"] == "(batch, 4*height, 4*width, 3)"


def test_a_bundle_is_the_generator_with_a_card_that_leaves_the_licence_open(run, exports):
    bundle = exports[0] / "maps"
    assert digest_of(load_generator(bundle).variables) == digest_of(load_generator(run).variables)
    card = (bundle / "README.md").read_text()
    header = card.split("---\n")[1]
    assert "library_name: pix2pix_jax\npipeline_tag: image-to-image\ntags:\n- pix2pix\n" in header
    assert "\nlicense:" not in header
    for line in ("| `model.levels` | `2` |", "Step 7 of the run", "has no scores of these"):
        assert line in card
    assert str(run.parent) not in card + (bundle / "config.json").read_text()


def test_a_bundle_is_put_on_the_hub_as_it_was_written(run, tmp_path, monkeypatch):
    with hub_server("hf_mine") as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.address)
        monkeypatch.setenv("HF_TOKEN", hub.token)
        out = export_run(run, tmp_path / "bundle", "bundle", "--push", "me/maps")
    assert out.endswith(f"{hub.address}/me/maps\n")
    assert hub.created == [{"name": "maps", "organization": "me"}]
    assert sorted(hub.files) == ["README.md", "config.json", "generator.safetensors"]
    assert hub.files == {path.name: path.read_bytes() for path in (tmp_path / "bundle").iterdir()}


def run_example(number, folder, monkeypatch):
    """Run an example of the docs in a folder, where this package cannot be imported."""
    monkeypatch.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pix2pix_jax"]:
        monkeypatch.setitem(sys.modules, name, None)
    names = {}
    exec(compile(EXAMPLES[number], str(PAGE), "exec"), names)
    return names


def test_the_docs_have_an_example_of_each_format_of_about_ten_lines():
    assert len(EXAMPLES) == len(OUTPUTS)
    for text in EXAMPLES:
        assert len([line for line in text.splitlines() if line]) <= 11
        assert "pix2pix" not in text


@pytest.mark.parametrize(("number", "result"), [(0, "onnx.png"), (1, "stablehlo.png")])
def test_a_file_runs_without_this_package(run, exports, monkeypatch, number, result):
    photo = np.asarray(Image.open(exports[0] / "photo.png"))
    (expected,) = translate(load_generator(run), [photo], mode="deterministic", batch_size=1)
    run_example(number, exports[0], monkeypatch)
    found = np.asarray(Image.open(exports[0] / result))
    (exports[0] / result).unlink()
    assert np.ptp(expected) > 50
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_bundle_is_read_without_this_package(run, exports, monkeypatch, capsys):
    kernel = load_generator(run).variables["params"]["down_1"]["conv"]["kernel"]
    names = run_example(2, exports[0], monkeypatch)
    np.testing.assert_array_equal(names["weights"]["params.down_1.conv.kernel"], kernel)
    assert capsys.readouterr().out == f"unet {names['count']:,} numbers after 7 steps\n"


def test_weights_for_pytorch_are_read_without_this_package(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    # The reference has no U-Net of fewer levels.
    run = drawn_bundle(tmp_path / "run", data__image_size=32, model__levels=5)
    export_run(run, tmp_path / OUTPUTS["torch"], "torch")
    Image.fromarray(draw(PHOTO, 1, SIDE, SIDE)[0]).save(tmp_path / "photo.png")
    run_example(3, tmp_path, monkeypatch)
    size = f"{SIDE // 2}, {SIDE // 2}"
    assert capsys.readouterr().out.endswith(f"features of the first layer: (1, 4, {size})\n")


def test_a_run_in_bfloat16_is_exported_in_float32():
    generator = drawn_generator(UNet(levels=2, dtype=jnp.dtype("bfloat16"), remat=True))
    assert in_float32(generator).module == UNet(levels=2, dtype=jnp.dtype("float32"))


def test_a_card_has_the_scores_of_the_step_and_no_others(run, tmp_path):
    run = shutil.copytree(run, tmp_path / "run")
    (run / "metrics.csv").write_text("step,epoch,val_l1\n6,1,0.9\n7,2,0.25\n")
    for step, mean in ((6, 0.8), (7, 0.125)):
        folder = run / "evaluation" / f"test_{step}"
        folder.mkdir(parents=True)
        metrics = {"psnr": {"mean": mean}}
        scores = {"checkpoint": step, "n": 5, "split": "test", "mode": "paper", "metrics": metrics}
        (folder / "metrics.json").write_text(json.dumps(scores))
    folder, generator = RunFolder(run), load_generator(run)
    card = model_card(folder, generator, describe(folder, generator), flatten(folder.config))
    assert "| l1 | 0.25 |" in card
    assert (
        "Of 5 test pairs, mode paper:\n\n| metric | mean |\n| --- | --- |\n| psnr | 0.125 |" in card
    )
    assert "0.9" not in card
    assert "0.8" not in card


def test_a_file_that_differs_is_not_written_and_nothing_is_left(tmp_path):
    """Kernels beyond what 16 bits can hold become infinite."""
    run = drawn_bundle(tmp_path / "run", factor=1e6, data__source="side_by_side", data__root="away")
    output = tmp_path / "new" / "a.onnx"
    flags = ("--workdir", run, "--format", "onnx", "--output", output, "--weights", "float16")
    result = run_script("export", *flags)
    assert refused(result, "not written, as it differs by")
    assert refused(result, "--weights float32 keeps all digits")
    assert refused(result, "random images, as there are no validation pairs")
    assert not output.parent.exists()


@pytest.mark.parametrize("kind", CHECKED)
def test_on_a_full_disk_nothing_is_left(run, tmp_path, kind):
    generator, limits = load_generator(run), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # of a file: it fails likewise
    try:
        with pytest.raises(InputError, match=r"--output .*: cannot be written \(File too large\)"):
            export(RunFolder(run), generator, tmp_path / "new" / OUTPUTS[kind], kind)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "output", "message"),
    [
        ("onnx", "folder", "is a folder; give the name of a file: "),
        ("stablehlo", "folder", "generator.stablehlo"),
        ("onnx", "a.pth", "a.pth: expected a file ending in .onnx"),
        ("bundle", "folder", "this folder is not empty; choose another, or delete it"),
        ("bundle", "folder/file", "folder/file: is a file; give the name of a folder"),
    ],
)
def test_an_output_of_another_kind_is_refused_before_any_work(tmp_path, kind, output, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    flags = ("--workdir", "none", "--format", kind, "--output", output)
    assert refused(run_script("export", *flags, folder=tmp_path), message)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--format", "torch", "--weights", "float16"),
            "--weights float16 goes with --format onnx",
        ),
        (("--format", "onnx", "--network", "discriminator"), "goes with --format torch"),
        (("--format", "onnx", "--push", "me/maps"), "--push me/maps goes with --format bundle"),
        (("--format", "bundle", "--push", "maps"), "--push maps: expected owner/name"),
    ],
)
def test_flags_of_another_format_are_refused(tmp_path, flags, message):
    result = run_script("export", "--workdir", "x", "--output", "y", *flags, folder=tmp_path)
    assert refused(result, message)


def test_data_that_is_not_where_the_user_says_is_not_passed_over(run, tmp_path):
    flags = ("--format", "onnx", "--output", "a.onnx", "--data_root", "nowhere")
    result = run_script("export", "--workdir", run, *flags, folder=tmp_path)
    assert refused(result, "--data_root nowhere: there is no such folder")
    assert not list(tmp_path.iterdir())


def test_a_run_without_a_checkpoint_is_one_line(tmp_path):
    (tmp_path / "run").mkdir()
    save_json(tiny_config(), tmp_path / "run" / "config.json")
    flags = ("--workdir", "run", "--format", "onnx", "--output", "a.onnx")
    assert refused(run_script("export", *flags, folder=tmp_path), "there is no checkpoint")


@pytest.mark.parametrize("module", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_with_its_extra(run, tmp_path, monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        InputError, match=rf"{module} is missing: pip install 'pix2pix_jax\[onnx\]'"
    ):
        export(RunFolder(run), load_generator(run), tmp_path / "a.onnx", "onnx")
    assert not list(tmp_path.iterdir())


def test_a_json_file_that_is_no_metadata_is_not_replaced(run, tmp_path):
    (tmp_path / "pairs.json").write_text("{}")
    folder = RunFolder(run)
    with pytest.raises(InputError, match=r"pairs\.json would be replaced by the metadata"):
        export(folder, generator_of(folder), tmp_path / "pairs.stablehlo", "stablehlo")
    assert (tmp_path / "pairs.json").read_text() == "{}"
    assert not (tmp_path / "pairs.stablehlo").exists()
