"""`train --help_config` and `train --print_config`: the keys, and a config with all of them."""

import pytest
from support.scripts import refused, run_script

from pix2pix_jax import InputError, default_config
from pix2pix_jax.commands.config_help import describe_keys
from pix2pix_jax.core.config import flatten
from pix2pix_jax.core.config_files import load_config, override
from pix2pix_jax.core.keys import KEYS


def names(text):
    return [line.partition(" = ")[0] for line in text.splitlines() if not line.startswith(" ")]


def test_every_key_has_its_default_its_choices_and_its_meaning():
    text = " ".join(describe_keys().split())
    assert names(describe_keys()) == list(KEYS)
    for name, key in KEYS.items():
        assert f"{name} = {key.default!r} {' '.join(key.meaning.split())}" in text
    assert "the adversarial loss; none: no discriminator choose from hinge, lsgan" in text


@pytest.mark.parametrize("word", ["augment.cutout", "--config.augment.cutout", "Square Hole"])
def test_a_word_chooses_keys_by_their_name_or_their_meaning(word):
    assert names(describe_keys(word)) == ["augment.cutout"]


def test_a_word_chooses_keys_by_what_they_may_be():
    assert names(describe_keys("pixel_shuffle")) == ["model.upsample"]


def test_a_word_that_no_key_has_is_answered_with_the_nearest_key():
    with pytest.raises(InputError, match=r"'batch_sze': no key has .* the nearest is .*batch_size"):
        describe_keys("batch_sze")


@pytest.mark.parametrize(("columns", "widest"), [("60", 60), ("500", 100)])
def test_lines_are_as_wide_as_the_terminal_and_at_most_100(monkeypatch, columns, widest):
    monkeypatch.setenv("COLUMNS", columns)
    lines = [line for line in describe_keys().splitlines() if line.startswith(" ")]
    assert widest - 10 < max(map(len, lines)) <= widest


def test_the_command_prints_them_without_a_config(tmp_path):
    status, out, error = run_script("train", "--help-config", "cutout", folder=tmp_path)
    assert (status, error) == (0, "")
    assert out.startswith("augment.cutout = 0.0\n    side of a square hole")
    assert refused(run_script("train", "--help_config", "zq", folder=tmp_path), "'zq': no key")


CHANGES = {
    "data.source": "folders",
    "data.root": "my 'pairs'",
    "data.image_size": "(32, 64)",
    "augment.flip": "False",
    "optimizer.learning_rate": "1e-3",
    "loss.extra": "own.py:loss",
}


def test_the_printed_config_is_one_that_config_takes_back(tmp_path):
    flags = [f"--config.{key}={text}" for key, text in CHANGES.items()]
    status, out, error = run_script(
        "train", "--config", "maps", *flags, "--print_config", folder=tmp_path
    )
    assert (status, error) == (0, "")
    file = tmp_path / "printed.py"
    file.write_text(out)
    expected = load_config("maps")
    for key, text in CHANGES.items():
        override(expected, key, text)
    assert flatten(load_config(file)) == flatten(expected)
    assert flatten(expected) != flatten(default_config())
    assert [path.name for path in tmp_path.iterdir()] == ["printed.py"]


def test_a_config_that_could_not_be_used_is_not_printed(tmp_path):
    arguments = ["--config", "maps", "--config.model.norm=bath", "--print_config"]
    assert refused(run_script("train", *arguments, folder=tmp_path), "model.norm='bath': choose")
