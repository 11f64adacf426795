import jax
import numpy as np
import pytest
from support.runs import final_state, tiny_run

from pix2pix_jax import InputError, load_generator
from pix2pix_jax.core.config_files import load_json, save_json
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import generator_of, restore_discriminator, restore_generator


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Train two epochs of three steps, with a moving average and batch norm."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    return tiny_run(folder, train__ema_decay=0.5, model__norm="batch")


@pytest.fixture(scope="module")
def state(workdir):
    return final_state(workdir)


def assert_equal(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_a_loaded_generator_is_the_trained_one(workdir, state):
    generator = load_generator(workdir, "latest")
    assert_equal(generator.variables, {"params": state.g_ema, "batch_stats": state.g_batch_stats})
    weights = jax.tree.leaves(state.g_params), jax.tree.leaves(state.g_ema)
    assert any(np.any(ours != theirs) for ours, theirs in zip(*weights, strict=True))


def test_checkpoints_are_chosen_by_name_and_step(workdir):
    assert load_generator(workdir, "latest").step == 6
    assert load_generator(workdir).step in (3, 6)
    assert load_generator(workdir, 3).step == 3
    with pytest.raises(InputError, match="'4': choose from best, latest, 3, 6"):
        load_generator(workdir, 4)
    with pytest.raises(InputError, match="not the folder of a run"):
        load_generator(workdir / "samples")


def test_a_generator_is_described_in_one_line_without_its_weights(workdir):
    text = repr(load_generator(workdir, 3))
    assert text.startswith("Generator(UNet, 1,611 parameters, step 3, 32 x 32 pixels, 3 -> 3 chan")
    assert "\n" not in text


def test_an_open_folder_gives_the_same_generator(workdir):
    generator = generator_of(RunFolder(workdir), 3, seed=7, fit="pad")
    assert_equal(generator.variables, load_generator(workdir, 3).variables)
    assert (generator.seed, generator.fit, generator.step) == (7, "pad", 3)


def test_each_network_is_restored_by_itself(workdir, state):
    folder = RunFolder(workdir)
    with Checkpoints(workdir, read_only=True) as checkpoints:
        generator = restore_generator(checkpoints, 6, folder.networks, with_ema=True)
        discriminator = restore_discriminator(checkpoints, 6, folder.networks)
    assert_equal(generator, {"params": state.g_ema, "batch_stats": state.g_batch_stats})
    assert_equal(discriminator, {"params": state.d_params, "batch_stats": state.d_batch_stats})


def test_a_run_without_a_discriminator_says_so(tmp_path):
    folder = RunFolder(tiny_run(tmp_path / "run", loss__gan="none"))
    with (
        Checkpoints(folder.path, read_only=True) as checkpoints,
        pytest.raises(InputError, match=r"loss\.gan='none': this run has no discriminator"),
    ):
        restore_discriminator(checkpoints, 6, folder.networks)


@pytest.mark.parametrize(
    ("resize", "wanted", "fit"),
    [
        ("resize_and_crop", "", "resize"),
        ("resize", "", "resize"),
        ("crop", "", "pad"),
        ("scale_width", "", "pad"),
        ("none", "", "pad"),
        ("none", "resize", "resize"),
        ("resize", "pad", "pad"),
    ],
)
def test_images_are_resized_if_the_run_resized_its_own(workdir, tmp_path, resize, wanted, fit):
    config = load_json(workdir / "config.json")
    config.data.resize = resize
    save_json(config, tmp_path / "config.json")
    (tmp_path / "checkpoints").symlink_to(workdir / "checkpoints")
    found = load_generator(tmp_path, fit=wanted)
    assert (found.fit, found.multiple, found.image_size) == (fit, 4, (32, 32))


def test_an_unknown_fit_names_the_choices(workdir):
    with pytest.raises(InputError, match="fit 'stretch': choose from resize, pad"):
        load_generator(workdir, fit="stretch")


def test_a_config_of_another_network_is_told_from_damage(workdir, tmp_path):
    config = load_json(workdir / "config.json")
    config.model.base_features = 8
    save_json(config, tmp_path / "config.json")
    (tmp_path / "checkpoints").symlink_to(workdir / "checkpoints")
    with pytest.raises(InputError, match=r"is not damaged.*kernel has shape .* instead of"):
        load_generator(tmp_path)
