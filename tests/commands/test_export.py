"""`export`, by its flags, what it prints and the file it writes."""

import numpy as np
import pytest
from PIL import Image
from support.imported_runs import PATCH, import_twins
from support.scripts import refused, run_script
from support.torch_twins import UNetTwin, torch

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.core import weight_files


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported")
    import_twins(folder)
    return folder


@pytest.mark.parametrize("suffix", [".pth", ".npz"])
@pytest.mark.parametrize(("network", "file"), [("generator", "G.pth"), ("discriminator", "D.pth")])
def test_an_exported_network_equals_the_imported_one_bit_by_bit(
    imported, tmp_path, network, file, suffix
):
    output = tmp_path / "new" / f"back{suffix}"
    flags = ("--workdir", "run", "--format", "torch", "--network", network, "--output", output)
    status, out, error = run_script("export", *flags, folder=imported)
    assert status == 0, error
    assert f"arrays in {output}" in out
    hint = "--netG unet_32 --ngf 8" if network == "generator" else "--n_layers_D 1 --ndf 8"
    assert f"{hint} --norm batch" in out
    back, original = weight_files.read(output), weight_files.read(imported / file)
    assert back.keys() == original.keys()
    for key, array in back.items():
        np.testing.assert_array_equal(array, original[key])
    if suffix == ".pth":
        twin = UNetTwin() if network == "generator" else PATCH()
        twin.load_state_dict(torch.load(output, weights_only=True))


def test_a_run_without_a_discriminator_says_so_if_one_is_asked_for(imported, tmp_path):
    run = tmp_path / "run"
    result = run_script("import_torch", "--weights", "G.pth", "--workdir", run, folder=imported)
    assert result[0] == 0, result[2]
    flags = ("--format", "torch", "--network", "discriminator", "--output", tmp_path / "D.npz")
    result = run_script("export", "--workdir", run, *flags, folder=imported)
    assert refused(result, "this run has no discriminator")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "w.h5"], "w.h5: expected a file ending in"),
        (["--output", "w.npz", "--checkpoint", "3"], "checkpoint '3': choose from best, latest, 0"),
        (["--output", "w.npz", "--workdir", "none"], "none: not the folder of a run"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(imported, arguments, message):
    flags = ("--workdir", "run", "--format", "torch")
    assert refused(run_script("export", *flags, *arguments, folder=imported), message)
    assert not (imported / arguments[1]).exists()


def test_the_networks_of_class_index_sources_have_a_channel_for_each_class(
    tmp_path, tiny_config, one_device
):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for side, shape, high in (("A", (32, 32), 8), ("B", (32, 32, 3), 256)):
            folder = tmp_path / "data" / side / split
            folder.mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(0, high, shape, np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    tiny_config.data.source, tiny_config.data.root = "folders", str(tmp_path / "data")
    tiny_config.data.source_classes = 8
    tiny_config.model.levels, tiny_config.train.steps = 5, 1
    train_and_evaluate(tiny_config, tmp_path / "run")

    shapes = {}
    for network in ("generator", "discriminator"):
        flags = ("--format", "torch", "--network", network, "--output", f"{network}.npz")
        status, out, error = run_script("export", "--workdir", "run", *flags, folder=tmp_path)
        assert status == 0, error
        shapes[network] = weight_files.read(tmp_path / f"{network}.npz"), out
    generator, said = shapes["generator"]
    assert generator["model.model.0.weight"].shape == (4, 8, 4, 4)
    assert "8 -> 3 channels" in said
    assert shapes["discriminator"][0]["model.0.weight"].shape == (4, 8 + 3, 4, 4)
