"""`import_torch`, by its flags, what it prints and the run that it makes."""

import json

import jax
import numpy as np
import pytest
from PIL import Image
from support.generators import drawn_bundle
from support.imported_runs import GENERATOR, import_twins
from support.scripts import refused, run_script
from support.torch_twins import make_twin, nchw, nhwc

from pix2pix_jax import InputError, load_generator, train_and_evaluate
from pix2pix_jax.core import weight_files
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.encoding import PHOTO
from pix2pix_jax.models.reference_weights import configure, recognise, to_variables
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import restore_discriminator


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A folder with G.pth, D.pth and the run made of them."""
    folder = tmp_path_factory.mktemp("imported")
    out = import_twins(folder)
    assert "G.pth: U-Net of 5 levels, batch norm, 8 features, 3 -> 3 channels" in out
    assert "pix2pix-jax sample --workdir run --input" in out
    drawn_bundle(folder / "bundle")
    return folder


def test_imported_weights_are_a_run_that_can_be_sampled(imported, tmp_path):
    generator = load_generator(imported / "run")
    assert generator.image_size == (32, 32)
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    flags = ("--mode", "deterministic", "--output", tmp_path / "out")
    status, _, error = run_script(
        "sample", "--workdir", "run", "--input", tmp_path / "photo.png", *flags, folder=imported
    )
    assert status == 0, error
    twin = make_twin(*GENERATOR).eval()
    expected = nhwc(twin(nchw(PHOTO.to_network(photo[None]))))[0]
    fake = image_files.read(tmp_path / "out" / "photo.png").astype(int)
    assert abs(fake - images.to_uint8(expected)).max() <= 1
    record = json.loads((imported / "run" / "run.json").read_text())
    assert "import_torch.py --weights G.pth" in record["starts"][0]["command"]
    assert json.loads((imported / "run" / "config.json").read_text())["data.direction"] == "BtoA"


def test_a_new_run_starts_with_imported_networks(imported, tmp_path, tiny_config, one_device):
    files = [weight_files.read(imported / name) for name in ("G.pth", "D.pth")]
    configure(tiny_config, *map(recognise, files))
    tiny_config.train.init_from = str(imported / "run")
    tiny_config.train.steps = 1
    tiny_config.optimizer.learning_rate = 0.0
    train_and_evaluate(tiny_config, tmp_path)
    generator = load_generator(tmp_path)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        discriminator = restore_discriminator(checkpoints, 1, RunFolder(tmp_path).networks)
    for weights, variables in zip(files, (generator.variables, discriminator), strict=True):
        params, _ = to_variables(weights, recognise(weights))
        jax.tree.map(np.testing.assert_array_equal, variables["params"], params)


def test_training_in_an_imported_folder_is_refused_with_the_way_out(imported, tiny_config):
    with pytest.raises(InputError, match=r"run: holds imported weights.*train\.init_from=\S+/run$"):
        train_and_evaluate(tiny_config, imported / "run")


def test_a_generator_alone_of_another_size_is_a_run(imported, tmp_path):
    flags = ("--weights", "G.pth", "--workdir", tmp_path / "run", "--image_size", 32, 64)
    status, _, error = run_script("import_torch", *flags, folder=imported)
    assert status == 0, error
    assert load_generator(tmp_path / "run").image_size == (32, 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "none.pth", "--workdir", "new"], "none.pth: there is no such file"),
        (["--weights", "D.pth", "--workdir", "new"], "D.pth: holds a discriminator"),
        (["--weights", "G.pth", "--workdir", "run"], "--workdir run: holds checkpoints already"),
        (
            ["--weights", "G.pth", "--workdir", "bundle"],
            "bundle: holds a run or a bundle",
        ),
        (
            ["--weights", "G.pth", "--workdir", "new", "--image_size", "40"],
            "multiples of 32",
        ),
    ],
)
def test_a_mistake_is_one_line_and_status_2(imported, arguments, message):
    assert refused(run_script("import_torch", *arguments, folder=imported), message)
    assert not (imported / "new").exists()
