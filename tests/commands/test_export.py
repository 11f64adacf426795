"""`export`, by its flags, what it prints and the file it writes."""

import numpy as np
import pytest
from support.imported_runs import PATCH, import_twins
from support.scripts import refused, run_script
from support.torch_twins import UNetTwin, torch

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
