"""import_torch.py and export.py as a user runs them."""

import functools
import json

import jax
import numpy as np
import pytest
from PIL import Image
from support.scripts import run_process, run_script
from support.torch_twins import PatchTwin, UNetTwin, make_twin, nchw, nhwc, torch

from pix2pix_jax import InputError, load_generator, train_and_evaluate
from pix2pix_jax.core import weight_files
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import pixels as images
from pix2pix_jax.images.encoding import PHOTO
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.models.reference_weights import configure, recognise, to_variables
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.training.state import abstract_variables

PATCH = functools.partial(PatchTwin, layers=1)  # small, as a run that starts with it is compiled


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a script in this process."""
    return functools.partial(run_script, monkeypatch, capsys)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A folder with a generator and a discriminator of PyTorch's, and the run made of them."""
    folder = tmp_path_factory.mktemp("imported")
    torch.save(make_twin(UNetTwin, "batch").state_dict(), folder / "G.pth")
    torch.save(make_twin(PATCH, "batch").state_dict(), folder / "D.pth")
    status, out, error = run_process(
        "import_torch",
        *("--weights", "G.pth", "--discriminator", "D.pth"),
        *("--workdir", "run", "--direction", "BtoA"),
        folder=folder,
    )
    assert status == 0, error
    assert "G.pth: U-Net of 5 levels, batch norm, 8 features, 3 -> 3 channels" in out
    return folder


def test_imported_weights_are_a_run_that_can_be_sampled(imported, tmp_path):
    generator = load_generator(imported / "run")
    assert generator.image_size == (32, 32)
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    flags = ("--mode", "deterministic", "--output", tmp_path / "out")
    status, _, error = run_process(
        "sample", "--workdir", "run", "--input", tmp_path / "photo.png", *flags, folder=imported
    )
    assert status == 0, error
    twin = make_twin(UNetTwin, "batch").eval()
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
        shapes = abstract_variables(build_networks(tiny_config)[1], *[(1, 32, 32, 3)] * 2)
        discriminator = checkpoints.restore_discriminator(1, *shapes)
    for weights, variables in zip(files, (generator.variables, discriminator), strict=True):
        params, _ = to_variables(weights, recognise(weights))
        jax.tree.map(np.testing.assert_array_equal, variables["params"], params)


def test_training_in_an_imported_folder_is_refused_with_the_way_out(imported, tiny_config):
    with pytest.raises(InputError, match=r"run: holds imported weights.*train\.init_from=\S+/run$"):
        train_and_evaluate(tiny_config, imported / "run")


def test_a_run_without_a_discriminator_says_so_where_one_is_asked_for(imported, tmp_path, call):
    arguments = ("--weights", "G.pth", "--workdir", tmp_path / "run", "--image_size", 32, 64)
    status, _, error = call("import_torch", *arguments, folder=imported)
    assert status == 0, error
    assert load_generator(tmp_path / "run").image_size == (32, 64)
    flags = ("--format", "torch", "--network", "discriminator", "--output", tmp_path / "D.npz")
    status, _, error = call("export", "--workdir", tmp_path / "run", *flags, folder=imported)
    assert status == 2
    assert "this run has no discriminator" in error


@pytest.mark.parametrize("suffix", [".pth", ".npz"])
@pytest.mark.parametrize(("network", "file"), [("generator", "G.pth"), ("discriminator", "D.pth")])
def test_an_exported_network_is_the_imported_one_bit_by_bit(
    imported, tmp_path, call, network, file, suffix
):
    output = tmp_path / "new" / f"back{suffix}"
    flags = ("--workdir", "run", "--format", "torch", "--network", network, "--output", output)
    status, out, error = call("export", *flags, folder=imported)
    assert status == 0, error
    hint = "--netG unet_32 --ngf 8" if network == "generator" else "--n_layers_D 1 --ndf 8"
    assert f"{hint} --norm batch" in out
    back, original = weight_files.read(output), weight_files.read(imported / file)
    assert back.keys() == original.keys()
    for key, array in back.items():
        np.testing.assert_array_equal(array, original[key])
    if suffix == ".pth":
        twin = UNetTwin() if network == "generator" else PATCH()
        twin.load_state_dict(torch.load(output, weights_only=True))


def test_export_in_a_process_of_its_own_writes_a_file_or_ends_with_status_2(imported, tmp_path):
    output = tmp_path / "back.pth"
    flags = ("--workdir", "run", "--format", "torch", "--output", output)
    status, out, error = run_process("export", *flags, folder=imported)
    assert status == 0, error
    assert f"arrays in {output}" in out
    assert weight_files.read(output).keys() == weight_files.read(imported / "G.pth").keys()
    status, _, error = run_process("export", *flags, "--checkpoint", "3", folder=imported)
    assert status == 2
    assert error == "error: checkpoint '3': choose from best, latest, 0\n"


def test_import_in_a_process_of_its_own_ends_with_status_2_and_one_line(imported):
    flags = ("--weights", "G.pth", "--workdir", "run")
    status, _, error = run_process("import_torch", *flags, folder=imported)
    assert status == 2
    assert error == "error: --workdir run: holds checkpoints already; choose another\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "none.pth", "--workdir", "new"], "none.pth: there is no such file"),
        (["--weights", "D.pth", "--workdir", "new"], "D.pth: holds a discriminator"),
        (["--weights", "G.pth", "--workdir", "run"], "--workdir run: holds checkpoints already"),
        (
            ["--weights", "G.pth", "--workdir", "new", "--image_size", "40"],
            "multiples of 32",
        ),
    ],
)
def test_a_mistake_in_importing_is_one_line_and_status_2(imported, call, arguments, message):
    status, _, error = call("import_torch", *arguments, folder=imported)
    assert status == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (imported / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "w.h5"], "w.h5: expected a file ending in"),
        (["--output", "w.npz", "--checkpoint", "3"], "choose from best, latest, 0"),
        (["--output", "w.npz", "--workdir", "none"], "none: not the folder of a run"),
    ],
)
def test_a_mistake_in_exporting_is_one_line_and_status_2(imported, call, arguments, message):
    flags = ("--workdir", "run", "--format", "torch")
    status, _, error = call("export", *flags, *arguments, folder=imported)
    assert status == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (imported / arguments[1]).exists()
