"""A run whose targets are twice as large as their sources."""

import shutil

import numpy as np
import pytest
from PIL import Image
from support import tiny
from support.runs import assert_bit_equal, assert_same_but_for_sums, final_state

from pix2pix_jax import InputError, load_generator, train_and_evaluate, translate
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.models.own_networks import check_generator
from pix2pix_jax.runs.folder import RunFolder

SIDE = 16


def config_of(**changes):
    return tiny.tiny_config(
        {
            "data.image_size": SIDE,
            "data.synthetic_pairs": (8, 2, 0),  # a step is an epoch
            "data.target_scale": 2,
            "loss.diffaugment": ("translation",),
            "train.global_batch_size": 8,
            **changes,
        }
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, train_and_evaluate(config_of(), folder).summary


def test_a_resumed_run_is_equal_to_the_bit(run, tmp_path):
    folder, summary = run
    parts = shutil.copytree(folder, tmp_path / "parts")
    shutil.rmtree(parts / "checkpoints" / "2")
    (parts / "summary.json").unlink()
    result = train_and_evaluate(config_of(), parts)
    assert_bit_equal(final_state(parts), final_state(folder))
    assert result.summary["val"]["l1"] == summary["val"]["l1"]
    assert np.isfinite(list(summary["val"].values())).all()
    # What needs no learning, at the target's size.
    assert 0 < summary["baseline"]["mean_target_l1"] < summary["baseline"]["copy_source_l1"] < 1


def test_one_device_sees_what_eight_see(run, tmp_path, monkeypatch):
    eight = final_state(run[0])
    tiny.see_one_device(monkeypatch)
    train_and_evaluate(config_of(), tmp_path)
    assert_same_but_for_sums(final_state(tmp_path), eight)


def test_pictures_and_results_have_the_size_of_targets(run, monkeypatch):
    tiny.see_one_device(monkeypatch)
    picture = Image.open(next((run[0] / "samples").glob("*.png")))
    assert picture.size == (3 * 2 * SIDE + 2 * 4, 2 * 2 * SIDE + 4)  # two rows of three
    generator = load_generator(run[0])
    (fake,) = translate(generator, [np.zeros((SIDE + 3, SIDE, 3), np.uint8)])
    assert fake.shape == (2 * (SIDE + 3), 2 * SIDE, 3)


def test_a_run_does_not_go_on_at_another_scale(run):
    with pytest.raises(InputError, match=r"another network: .*data\.target_scale: 2\.0 -> 3\.0"):
        train_and_evaluate(config_of(**{"data.target_scale": 3}), run[0])


def test_an_own_network_of_another_scale_is_told_what_is_expected(run):
    folder = RunFolder(run[0])
    networks = folder.networks
    shapes = {"source_shape": networks.source_shape, "target_shape": (SIDE, SIDE, 3)}
    with pytest.raises(InputError, match=r"gives \(2, 32, 32, 3\), expected \(2, 16, 16, 3\)"):
        check_generator(networks.generator, "own.py:Net", folder.code, **shapes)


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize("scale", [0.5, 3.0, 4.0])
def test_every_scale_trains(tmp_path, scale):
    changes = {"data.target_scale": scale, "train.global_batch_size": 0, "train.steps": 1}
    result = train_and_evaluate(config_of(**changes), tmp_path)
    assert np.isfinite(result.summary["val"]["l1"])
    (fake,) = translate(result.generator(), [np.zeros((SIDE, SIDE, 3), np.uint8)])
    assert fake.shape == (*scaled((SIDE, SIDE), scale), 3)
