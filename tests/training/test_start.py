import jax
import numpy as np
import pytest
from support.generators import drawn_bundle

from pix2pix_jax import InputError, load_generator, train_and_evaluate
from pix2pix_jax.core.config_files import set_value
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.training.run import prepare_run
from pix2pix_jax.training.start import adopt_levels, with_networks_of

pytestmark = pytest.mark.usefixtures("one_device")


@pytest.fixture(autouse=True)
def all_messages(caplog):
    caplog.set_level("INFO", logger="pix2pix_jax")


def best_networks(config, workdir):
    """Return the networks of a run's best checkpoint, as items of a checkpoint."""
    items = jax.eval_shape(prepare_run(config, workdir).create_state).items()
    del items["training"]
    with Checkpoints(workdir, read_only=True) as checkpoints:
        return checkpoints.restore(checkpoints.best, items)


def start_from(folder, config, workdir):
    """Return the state of step 0, before and after the networks of another run are put in."""
    run = prepare_run(config, workdir)
    fresh = run.create_state()
    return fresh, with_networks_of(fresh, RunFolder(folder), run.networks)


def assert_equal(ours, theirs):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_starts_with_both_networks_of_another(tiny_config, tmp_path, caplog):
    tiny_config.model.norm = "batch"
    train_and_evaluate(tiny_config, tmp_path / "old")
    old = best_networks(tiny_config, tmp_path / "old")
    tiny_config.train.init_from = str(tmp_path / "old")
    tiny_config.seed = 7
    fresh, state = start_from(tmp_path / "old", tiny_config, tmp_path / "new")
    for item in ("generator", "discriminator"):
        assert_equal(state.items()[item], old[item])
    assert_equal(state.g_opt_state, fresh.g_opt_state)
    assert state.step == 0
    assert "starts with the generator and discriminator of step" in caplog.text
    assert train_and_evaluate(tiny_config, tmp_path / "new").step == 6


def test_another_discriminator_starts_fresh(tiny_config, tmp_path, whole, caplog):
    tiny_config.train.init_from = str(whole)
    tiny_config.model.discriminator = "pixel"
    tiny_config.train.ema_decay = 0.9
    fresh, state = start_from(whole, tiny_config, tmp_path / "new")
    assert_equal(state.d_params, fresh.d_params)
    assert_equal(state.g_ema, state.g_params)
    assert "starts with the generator of step" in caplog.text


def test_a_bundle_gives_the_generator(tiny_config, tmp_path, caplog):
    bundle = drawn_bundle(tmp_path / "bundle", data__image_size=32)
    tiny_config.train.init_from = str(bundle)
    fresh, state = start_from(bundle, tiny_config, tmp_path / "new")
    assert_equal(state.g_params, load_generator(bundle).variables["params"])
    assert_equal(state.d_params, fresh.d_params)
    assert "starts with the generator of step 7 in" in caplog.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model.levels": 3, "data.image_size": 64}, r"model\.levels: 2 -> 3\."),
        (
            {"model.upsample": "nearest", "model.dropout": 0.1, "model.discriminator_layers": 2},
            r"model\.upsample: 'transposed' -> 'nearest'\.",
        ),
    ],
)
def test_the_settings_that_make_another_generator_are_named(
    tiny_config, tmp_path, whole, changes, reason
):
    for key, value in {"train.init_from": str(whole), **changes}.items():
        set_value(tiny_config, key, value)
    with pytest.raises(InputError, match=f"holds another generator: {reason}"):
        prepare_run(tiny_config, tmp_path / "new")


def test_another_image_size_keeps_the_levels_of_the_networks_it_starts_with(
    tiny_config, tmp_path, whole
):
    changes = {"train.init_from": str(whole), "model.levels": 0, "data.image_size": 64}
    for key, value in changes.items():
        set_value(tiny_config, key, value)
    run = prepare_run(tiny_config, tmp_path / "new")
    assert run.networks.generator.levels == 2
    assert run.given.model.levels == 2
    # The folder's own config says it once the run has a checkpoint, wherever the other run is then.
    run.folder.record_start(run.given, first_step=0, command="")
    (run.folder.checkpoints / "1").mkdir(parents=True)
    tiny_config.train.init_from = str(tmp_path / "gone")
    assert adopt_levels(run.folder, tiny_config).model.levels == 2
    set_value(tiny_config, "train.init_from", str(whole))
    set_value(tiny_config, "data.image_size", 33)
    with pytest.raises(InputError, match=r"data\.image_size=\(33, 33\): the U-Net halves"):
        prepare_run(tiny_config, tmp_path / "odd")


def test_another_generator_is_refused_before_anything_is_written(tiny_config, tmp_path, whole):
    tiny_config.train.init_from = str(whole)
    tiny_config.model.base_features = 8
    with pytest.raises(InputError, match=r"another generator: model.base_features: 4 -> 8"):
        train_and_evaluate(tiny_config, tmp_path / "new")
    tiny_config.train.init_from = str(tmp_path / "none")
    with pytest.raises(InputError, match="none: not the folder of a run"):
        train_and_evaluate(tiny_config, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_bundle_is_no_place_to_train_in(tiny_config, tmp_path):
    bundle = drawn_bundle(tmp_path / "bundle", data__image_size=32)
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    with pytest.raises(InputError, match=r"is a bundle.*train\.init_from="):
        train_and_evaluate(tiny_config, bundle)
    for name, content in before.items():
        assert (bundle / name).read_bytes() == content
