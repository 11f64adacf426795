"""A run on several sources, from its training to what comes out of it."""

import json
import shutil

import numpy as np
import pytest
from support import tiny
from support.runs import assert_bit_equal, assert_same_but_for_sums, final_state

from pix2pix_jax import InputError, load_generator, train_and_evaluate, translate
from pix2pix_jax.deployment.export import export
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.image_folders import translate_folder
from pix2pix_jax.runs.video import check_format

SIDE = 16


def write_sources(root, names, size=(SIDE, SIDE)):
    """Write a photo, a label map and heights for each name; return their folders."""
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        images = {
            "A1": rng.integers(0, 256, (*size, 3)).astype(np.uint8),
            "A2": rng.integers(0, 4, (*size, 1)).astype(np.uint8),
            "A3": rng.normal(0, 3, (*size, 1)).astype(np.float32),
            "B": rng.integers(0, 256, (*size, 3)).astype(np.uint8),
        }
        for folder, image in images.items():
            path = root / folder / f"{name}{'.tif' if folder == 'A3' else '.png'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            image_files.write(path, image)
    return [root / folder for folder in ("A1", "A2", "A3")]


def config_of(root, **changes):
    return tiny.tiny_config(
        {
            "data.source": "folders",
            "data.root": str(root),
            "data.split": (8, 2, 0),
            "data.source_channels": (3, 1, 1),
            "data.source_dtype": ("uint8", "uint8", "float32"),
            "data.source_classes": (0, 4, 0),
            "data.source_range": (0, 255, 0, 255, -9, 9),
            "data.image_size": SIDE,
            "augment.color_jitter": (0.1, 0.1, 0.1),
            "augment.cutout": 0.2,
            "train.global_batch_size": 8,
            "train.epochs": 3,
        }
        | changes
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_sources(folder, [f"{number}" for number in range(10)])
    return folder


@pytest.fixture(scope="module")
def workdir(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train_and_evaluate(config_of(root), folder)
    return folder


def test_a_resumed_run_is_equal_to_the_bit(root, workdir, tmp_path):
    parts = shutil.copytree(workdir, tmp_path / "parts")
    shutil.rmtree(parts / "checkpoints" / "3")
    (parts / "summary.json").unlink()
    assert train_and_evaluate(config_of(root), parts).step == 3
    assert_bit_equal(final_state(parts), final_state(workdir))


def test_one_device_sees_what_eight_see(root, workdir, tmp_path, monkeypatch):
    eight = final_state(workdir)
    tiny.see_one_device(monkeypatch)
    train_and_evaluate(config_of(root), tmp_path)
    assert_same_but_for_sums(final_state(tmp_path), eight)


def test_pictures_have_the_sources_side_by_side(workdir):
    shown = image_files.read(workdir / "training_pairs.png", 3)
    assert shown.shape[1] == 3 * SIDE + 2 * 4 + 4 + SIDE


def test_results_are_named_after_the_first_sources_files(workdir, tmp_path):
    generator = load_generator(workdir)
    inputs = write_sources(tmp_path / "new", ["x", "y"], (20, 12))
    image_files.write(inputs[1] / "y.png", np.zeros((40, 30, 1), np.uint8))  # of another size
    given = ",".join(map(str, inputs))
    written = translate_folder(generator, given, tmp_path / "out", mode="deterministic")
    assert [path.name for path in written] == ["x.png", "y.png"]
    assert image_files.read(written[1], 3).shape == (20, 12, 3)
    single = [inputs[0] / "x.png", inputs[1] / "x.png", inputs[2] / "x.tif"]
    (alone,) = translate_folder(generator, single, tmp_path / "one", mode="deterministic")
    (array,) = translate(generator, [tuple(single)], mode="deterministic")
    for result in (alone, tmp_path / "out" / "x.png"):
        np.testing.assert_array_equal(image_files.read(result, 3), array)


def test_tiles_are_cut_from_all_sources(workdir, tmp_path):
    generator = load_generator(workdir, fit="tile", tile=16, overlap=4)
    inputs = write_sources(tmp_path / "new", ["x"], (24, 40))
    (path,) = translate_folder(generator, inputs, tmp_path / "out", mode="deterministic")
    sources = (inputs[0] / "x.png", inputs[1] / "x.png", inputs[2] / "x.tif")
    whole = generator(sources, mode="deterministic")
    np.testing.assert_array_equal(image_files.read(path, 3), whole)
    image_files.write(inputs[1] / "x.png", np.zeros((8, 8, 1), np.uint8))
    with pytest.raises(InputError, match=r"x\.png: sources of different size: 24 x 40, 8 x 8"):
        translate_folder(generator, inputs, tmp_path / "out")


def test_wrong_inputs_are_one_line(workdir, tmp_path):
    generator = load_generator(workdir)
    inputs = write_sources(tmp_path / "new", ["x"])
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"this run has 3 sources \(A1, A2, A3\); give 3 files or"):
        translate_folder(generator, inputs[0], out)
    with pytest.raises(InputError, match=r"this run has 3 sources \(A1, A2, A3\); give 3 files or"):
        translate_folder(generator, [*inputs, inputs[0]], out)
    with pytest.raises(InputError, match=r"x\.png .*: .*replace an input|x\.png would replace"):
        translate_folder(generator, inputs, inputs[1])
    (inputs[2] / "x.tif").rename(inputs[2] / "z.tif")
    with pytest.raises(InputError, match=r"no file x\.\* in .*A3; each source needs its file"):
        translate_folder(generator, inputs, out)
    with pytest.raises(InputError, match=r"image 0: 2 sources; expected 3, in this order: A1, A2"):
        translate(generator, [(inputs[0] / "x.png", inputs[1] / "x.png")])
    with pytest.raises(InputError, match=r"3 sources .* and a video is one"):
        check_format(generator.form)


def test_an_exported_file_takes_the_stacked_image_and_names_its_parts(workdir, tmp_path):
    folder, generator = RunFolder(workdir), load_generator(workdir)
    found = export(folder, generator, tmp_path / "a.onnx", "onnx")
    assert found.difference < 1
    export(folder, generator, tmp_path / "bundle", "bundle")
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert "3 sources, whose channels are stacked in float32 in this order: A1: 3 channels" in card
    assert json.loads((tmp_path / "bundle" / "config.json").read_text())["data.source_classes"]
    stacked = np.zeros((1, SIDE, SIDE, 5), np.float32)
    for run in (workdir, tmp_path / "bundle"):
        (fake,) = translate(load_generator(run), stacked, mode="deterministic")
        assert fake.shape == (SIDE, SIDE, 3)
