"""A bundle in the place of a run."""

import json

import pytest
from support import tiny
from support.generators import drawn_bundle
from support.own_code import config_with
from support.scripts import refused, run_script

from pix2pix_jax import InputError, load_generator
from pix2pix_jax.core.config_files import load_json, save_json
from pix2pix_jax.core.keys import KEYS
from pix2pix_jax.core.rules import Text
from pix2pix_jax.evaluation.run_scores import choose_step, find_checkpoints
from pix2pix_jax.runs.bundle import WEIGHTS_FILE, write_bundle
from pix2pix_jax.runs.digests import digest_of
from pix2pix_jax.runs.folder import RunFolder

# Texts of the configuration that name a part of the data, or a metric.
NO_PATHS = {"data.mask", "data.tfds_source", "data.tfds_target", "checkpoint.best_metric"}


@pytest.fixture
def bundle(tmp_path):
    return drawn_bundle(tmp_path / "bundle", model__norm="batch")


def test_a_bundle_gives_back_every_bit_of_the_generator(tmp_path, bundle):
    generator = load_generator(bundle, seed=3)
    about = {"step": "8", "weights_sha256": digest_of(generator.variables)}
    (tmp_path / "copy").mkdir()
    write_bundle(tmp_path / "copy", load_json(bundle / "config.json"), generator.variables, about)
    copy = load_generator(tmp_path / "copy", 8)
    assert digest_of(copy.variables) == digest_of(generator.variables)
    assert (copy.step, generator.step, generator.seed) == (8, 7, 3)
    assert (copy.module, copy.form) == (generator.module, generator.form)


def test_a_bundle_says_nothing_of_the_machine_and_refers_to_no_own_code(tmp_path):
    texts = {key for key, entry in KEYS.items() if type(entry.rule) is Text}
    private = {
        **{key: f"/home/me/{key}" for key in texts - NO_PATHS},
        "compilation_cache": "/home/me/cache",
        "data.root": "/home/me/data",
        "data.source": "/home/me/code.py:source",
        "eval.lpips_file": "/home/me/alex.npz",
        "eval.palette": "/home/me/palette.json",
        "log.wandb_project": "me",
        "loss.extra": ("/home/me/code.py:loss",),
        "loss.extra_weights": (2.0,),
        "loss.perceptual_file": "/home/me/vgg.npz",
        "train.init_from": "/home/me/run",
    }
    drawn = drawn_bundle(tmp_path / "drawn")
    config = tiny.tiny_config(private)
    (tmp_path / "bundle").mkdir()
    generator = load_generator(drawn)
    about = {"step": "1", "weights_sha256": digest_of(generator.variables)}
    write_bundle(tmp_path / "bundle", config, generator.variables, about)
    text = (tmp_path / "bundle" / "config.json").read_text()
    assert "/home" not in text
    assert '"me"' not in text
    assert json.loads(text)["data.source"] == "folders"


def test_own_data_with_masks_or_several_sources_leaves_a_bundle_that_can_be_read(tmp_path):
    for name, changes in {
        "masks": {"data.mask": "own"},
        "several": {"data.source_channels": (3, 1)},
    }.items():
        config = tiny.tiny_config({"data.source": "pairs.py:source", **changes})
        (tmp_path / name).mkdir()
        write_bundle(tmp_path / name, config, {"params": {}}, {})
        assert RunFolder(tmp_path / name).form.masked == (name == "masks")


def test_a_bundle_whose_generator_is_own_code_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"model\.generator='nets\.py:Net': .*stablehlo"):
        write_bundle(tmp_path, config_with("nets.py:Net"), {"params": {}}, {})
    assert not list(tmp_path.iterdir())


def test_damage_is_told_from_another_network_and_another_step(bundle):
    weights = bundle / WEIGHTS_FILE
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match="is damaged"):
        load_generator(bundle)
    weights.write_bytes(whole[:-9])
    for read in (load_generator, lambda path: find_checkpoints(RunFolder(path))):
        with pytest.raises(InputError, match="cannot be read as a "):
            read(bundle)
    weights.write_bytes(whole)
    with pytest.raises(
        InputError, match="'3': a bundle has one, of step 7; choose best, latest or 7"
    ):
        load_generator(bundle, 3)
    config = load_json(bundle / "config.json")
    config.model.norm = "instance"
    save_json(config, bundle / "config.json")
    with pytest.raises(InputError, match=r"another network than .*config\.json says: batch_stats"):
        load_generator(bundle)


@pytest.mark.parametrize("step", ["", "-1", "\N{ARABIC-INDIC DIGIT THREE}", "9" * 5000])
def test_a_step_that_is_no_number_is_refused(bundle, step):
    generator = load_generator(bundle)
    about = {"step": step, "weights_sha256": digest_of(generator.variables)}
    write_bundle(bundle, load_json(bundle / "config.json"), generator.variables, about)
    with pytest.raises(InputError, match="does not say its step; is it complete"):
        load_generator(bundle)


def test_commands_take_a_bundle_in_the_place_of_a_run(tmp_path, bundle, one_device):
    flags = ("--workdir", bundle, "--output", tmp_path / "out")
    status, out, error = run_script("sample", "--split", "val", *flags)
    assert status == 0, error
    assert f"step 7: 2 images in {tmp_path / 'out'}" in out
    folder = RunFolder(bundle)  # what `evaluate` asks before it loads the generator
    assert (choose_step(folder, "best"), find_checkpoints(folder)) == (7, {7: None})
    status, out, error = run_script("check", *flags[:2])
    assert status == 0, error
    assert "generator.safetensors  ok     step 7, equal to its digest" in out


def test_a_bundle_without_its_data_says_where_to_give_it(tmp_path):
    bundle = drawn_bundle(tmp_path / "bundle", data__source="side_by_side", data__root="pairs")
    result = run_script("sample", "--workdir", bundle, "--split", "val", "--output", tmp_path / "o")
    assert refused(result, "does not say where its data is; say where with --data_root")
    assert load_generator(bundle).step == 7  # it needs no data
