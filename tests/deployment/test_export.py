"""Whole exports: what is checked before a file gets its name, and what is left if it does not."""

import json
import sys

import onnx
import pytest
from support import tiny
from support.generators import SIDE, drawn_bundle
from support.scripts import refused, run_script

from pix2pix_jax import InputError, load_generator
from pix2pix_jax.core.config_files import save_json
from pix2pix_jax.core.version import __version__
from pix2pix_jax.deployment.export import export
from pix2pix_jax.runs.digests import digest_of
from pix2pix_jax.runs.folder import RunFolder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What stands for a run, whose computation is not that of its files: bfloat16."""
    folder = tmp_path_factory.mktemp("runs") / "drawn"
    labels = {"eval__metrics": ("l1", "class_iou"), "data__direction": "BtoA"}
    return drawn_bundle(folder, model__dtype="bfloat16", **labels)


@pytest.fixture(autouse=True)
def quick(one_device):
    """Compile for one device only."""


def exported(run, path, kind):
    status, out, error = run_script("export", "--workdir", run, "--format", kind, "--output", path)
    assert status == 0, error
    assert "compared on 2 validation images: largest difference" in out
    assert f"in {path}" in out
    return out


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


def test_an_onnx_file_says_what_it_takes_and_where_it_comes_from(run, tmp_path):
    exported(run, tmp_path / "new" / "a.onnx", "onnx")
    model = onnx.load(tmp_path / "new" / "a.onnx")
    check_about({entry.key: read(entry.value) for entry in model.metadata_props}, run)
    axes = [
        [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert axes == [["batch", "height", "width", 3]] * 2
    assert str(tmp_path).encode() not in model.SerializeToString()


def test_a_stablehlo_file_has_a_json_file_that_says_so(run, tmp_path):
    exported(run, tmp_path / "a.stablehlo", "stablehlo")
    about = json.loads((tmp_path / "a.json").read_text())
    check_about(about, run)
    assert about["shape"] == "(batch, 4*height, 4*width, 3)"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.stablehlo"]


def test_a_bundle_is_the_generator_with_a_card_that_leaves_the_licence_open(run, tmp_path):
    out = exported(run, tmp_path / "new" / "bundle", "bundle")
    assert "largest difference 0 of 255 levels" in out
    bundle = tmp_path / "new" / "bundle"
    assert digest_of(load_generator(bundle).variables) == digest_of(load_generator(run).variables)
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bundle"]
    card = (bundle / "README.md").read_text()
    header = card.split("---\n")[1]
    assert "library_name: pix2pix_jax\npipeline_tag: image-to-image\ntags:\n- pix2pix\n" in header
    assert "\nlicense:" not in header
    for line in ("| `model.dtype` | `'bfloat16'` |", "Step 7 of the run", "has no scores of these"):
        assert line in card
    assert str(tmp_path) not in card + (bundle / "config.json").read_text()


def test_a_card_has_the_scores_of_the_step_and_no_others(tmp_path):
    run = drawn_bundle(tmp_path / "run")
    (run / "metrics.csv").write_text("step,epoch,val_l1\n6,1,0.9\n7,2,0.25\n")
    for step, mean in ((6, 0.8), (7, 0.125)):
        folder = run / "evaluation" / f"test_{step}"
        folder.mkdir(parents=True)
        metrics = {"psnr": {"mean": mean}}
        scores = {"checkpoint": step, "n": 5, "split": "test", "mode": "paper", "metrics": metrics}
        (folder / "metrics.json").write_text(json.dumps(scores))
    export(RunFolder(run), load_generator(run), tmp_path / "bundle", "bundle")
    card = (tmp_path / "bundle" / "README.md").read_text()
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


def test_a_run_without_a_checkpoint_is_one_line(tmp_path):
    (tmp_path / "run").mkdir()
    save_json(tiny.tiny_config(), tmp_path / "run" / "config.json")
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
