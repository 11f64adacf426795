"""The table of recipes, which the page on data quotes."""

import pathlib

import pytest

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import set_value
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.training.recipes import RECIPES, choose_recipe, recipe_settings

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.parametrize(
    ("pairs", "epochs", "batch_size"),
    [
        (400, 200, 1),  # facades
        (1096, 200, 1),  # maps
        (2975, 200, 1),  # cityscapes
        (17_823, 17, 4),  # night2day
        (50_000, 15, 4),  # edges2shoes
        (137_000, 15, 4),  # edges2handbags
    ],
)
def test_the_papers_sets_get_the_papers_settings(pairs, epochs, batch_size):
    settings = recipe_settings(choose_recipe(pairs), pairs)
    assert (settings["train.epochs"], settings["train.batch_size"]) == (epochs, batch_size)
    assert settings["lr.schedule"] == ("linear" if batch_size == 1 else "constant")


@pytest.mark.parametrize("pairs", [1, 7, 99, 100, 399, 400, 4999, 5000, 10**6])
def test_every_number_of_pairs_has_settings_that_are_allowed(pairs):
    config = default_config()
    settings = recipe_settings(choose_recipe(pairs), pairs)
    for key, value in settings.items():
        set_value(config, key, value)
    resolve(config)
    assert settings["lr.decay_epochs"] <= settings["train.epochs"]
    assert settings["checkpoint.every_epochs"] % settings["eval.every_epochs"] == 0
    assert settings["checkpoint.every_epochs"] <= settings["train.epochs"]


def test_fewer_pairs_mean_more_epochs_but_no_more_steps():
    assert recipe_settings(choose_recipe(50), 50)["train.epochs"] == 400  # 20,000 steps
    assert recipe_settings(choose_recipe(5), 5)["train.epochs"] == 1000  # 5,000 steps


def test_what_the_user_chooses_decides_the_rest():
    recipe = choose_recipe(100)
    assert recipe_settings(recipe, 100, epochs=20)["lr.decay_epochs"] == 10
    settings = recipe_settings(recipe, 100, steps=1000, batch_size=4)
    assert (settings["train.epochs"], settings["eval.every_epochs"]) == (40, 16)
    assert recipe_settings(recipe, 100, steps=1000, global_batch_size=4) == settings | {
        "train.batch_size": 1
    }
    assert recipe_settings(recipe, 100, steps=1000, devices=4) == settings | {"train.batch_size": 1}


def test_the_page_on_data_quotes_the_table():
    text = PAGE.read_text()
    for row in RECIPES:
        epochs = f"{row.least_epochs} to {row.most_epochs}"
        if row.least_epochs == 1:
            epochs = f"up to {row.most_epochs}"
        average = f"{row.ema_decay:g}" if row.ema_decay else "none"
        changes = "all changes" if row.diffaugment else "none"
        line = (
            f"| {row.name} | {epochs} | {row.pairs_seen:,} | {row.batch_size} | {row.schedule} "
            f"| {average} | {changes} |"
        )
        assert line in text
