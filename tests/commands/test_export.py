"""`export`, by its flags, what it prints and the file it writes."""

import numpy as np
import pytest
from PIL import Image
from support.imported_runs import PATCH, import_twins
from support.scripts import refused, run_script
from support.torch_twins import UNetTwin, torch

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.core import weight_files
from pix2pix_jax.deployment.torch_file import describe_flags
from pix2pix_jax.models.reference_layers import Architecture


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
    hint = "--netG has no unet of 5 levels, only unet_128, unet_256, resnet_6blocks, resnet_9blocks"
    if network == "discriminator":
        hint = "--netD n_layers --n_layers_D 1 --ndf 8 --norm batch"
    assert hint in out
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
    ("architecture", "channels", "flags"),
    [
        (("unet", "batch", 8, 64, 3, 3), (3, 3), "--netG unet_256 --ngf 64 --norm batch"),
        (("unet", "instance", 7, 8, 3, 3), (3, 3), "--netG unet_128 --ngf 8 --norm instance"),
        (
            ("resnet", "batch", 9, 64, 1, 3),
            (1, 3),
            "--netG resnet_9blocks --ngf 64 --norm batch --input_nc 1",
        ),
        (
            ("pixel", "batch", 0, 64, 4, 1),
            (3, 1),
            "--netD pixel --ndf 64 --norm batch --output_nc 1",
        ),
    ],
)
def test_flags_are_those_that_the_reference_has(architecture, channels, flags):
    assert describe_flags(Architecture(*architecture), channels, dropout=True) == flags


@pytest.mark.parametrize(("network", "depth"), [("unet", 5), ("unet", 9), ("resnet", 4)])
def test_a_network_that_no_flags_build_is_said_to_have_none(network, depth):
    said = describe_flags(Architecture(network, "batch", depth, 64, 3, 3), (3, 3), dropout=True)
    assert said.startswith(f"no flags build it, as --netG has no {network} of {depth} ")
    assert "unet_128, unet_256, resnet_6blocks, resnet_9blocks" in said


def test_an_output_that_cannot_be_written_is_one_line(imported):
    flags = ("--workdir", "run", "--format", "torch", "--output", "G.pth/w.npz")
    assert refused(
        run_script("export", *flags, folder=imported), "G.pth is not a folder; choose another"
    )


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
