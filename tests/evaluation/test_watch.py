"""What is found in rows, by hand values."""

import math

import pytest

from pix2pix_jax.core.config import default_config, flatten
from pix2pix_jax.evaluation.watch import Patience, Settings, settings_of, watch_all


def settings(**changes):
    values = {"gan": "vanilla", "label_smoothing": 0.0, "metric": "l1", "best": "low"}
    return Settings(**{**values, "patience": 3, **changes})


def found(rows, kind, **changes):
    """Return the steps at which a kind was found; an epoch has 100 steps unless rows say more."""
    rows = [{"epoch": row["step"] / 100, **row} for row in rows]
    return [one.step for one in watch_all(rows, settings(**changes)) if one.kind == kind]


def losses(*sums, every=100):
    """Rows with the sum of the discriminator's losses, a fifth of it on fakes."""
    return [
        {"step": every * number, "d_loss_real": 0.8 * each, "d_loss_fake": 0.2 * each}
        for number, each in enumerate(sums, start=1)
    ]


@pytest.mark.parametrize(
    ("gan", "smoothing", "just_above", "just_below"),
    [
        ("vanilla", 0.0, 0.0279, 0.0276),  # 2 % of 2 log 2
        ("vanilla", 0.1, 0.3464, 0.3461),  # 0.32508, the least with such labels, + 2 % of 1.06121
        ("lsgan", 0.0, 0.0101, 0.0099),  # 2 % of twice 1/4
        ("lsgan", 0.1, 0.0082, 0.0080),  # 2 % of twice 0.45 squared
        ("hinge", 0.0, 0.0401, 0.0399),  # 2 % of 2
    ],
)
def test_a_discriminator_has_won_after_a_thousand_steps_near_its_least_loss(
    gan, smoothing, just_above, just_below
):
    options = {"gan": gan, "label_smoothing": smoothing}
    assert found(losses(*[just_above] * 12), "discriminator", **options) == []
    assert found(losses(*[just_below] * 9), "discriminator", **options) == []
    assert found(losses(*[just_below] * 20), "discriminator", **options) == [1000]


def test_one_row_above_starts_the_thousand_steps_again():
    assert found(losses(*[0.0] * 9, 0.5, *[0.0] * 10), "discriminator") == [2000]
    assert found(losses(*[0.0] * 11, 0.5, *[0.0] * 10), "discriminator") == [1000, 2200]
    assert found(losses(0.5, 0.0, every=2000), "discriminator") == [4000]


@pytest.mark.parametrize("gan", ["wgangp", "none", "of a later version"])
def test_losses_that_say_nothing_are_not_judged(gan):
    assert found(losses(*[-5.0] * 20), "discriminator", gan=gan) == []


def variations(*values, first=1000):
    return [
        {"step": first + 100 * number, "output_variation": value}
        for number, value in enumerate(values)
    ]


def test_outputs_ignore_their_source_in_two_evaluations_after_the_first_thousand_steps():
    assert found(variations(0.09, 0.09, 0.09), "source") == [1100]
    assert found(variations(0.11, 0.11), "source") == []
    assert found(variations(0.09, 0.2, 0.09, 0.2), "source") == []
    assert found(variations(0.09, 0.09, 0.2, 0.0, 0.0), "source") == [1100, 1400]
    assert found(variations(0.0, 0.0, 0.0, first=800), "source") == []


def scores(val, train=None, metric="l1"):
    """Rows with a score an epoch."""
    rows = [{"step": 100 * n, f"val_{metric}": each} for n, each in enumerate(val, start=1)]
    for row, each in zip(rows, train or [], strict=train is not None):
        row[f"train_{metric}"] = each
    return rows


FALLING = (0.5, 0.4, 0.39, 0.38, 0.37, 0.36, 0.35)
PARTING = (0.5, 0.4, 0.42, 0.43, 0.44, 0.45, 0.46)


def test_train_and_validation_scores_part():
    assert found(scores(PARTING, FALLING), "overfitting") == [700]  # five after the best
    assert found(scores(FALLING, FALLING), "overfitting") == []
    assert found(scores(PARTING), "overfitting") == []  # nothing is known of training pairs
    level = [0.4] * 7
    assert found(scores(PARTING, level), "overfitting") == []  # worse on validation pairs only
    assert found(scores(level, FALLING), "overfitting") == []  # not worse
    # Higher is better: the same with the other sign, around 20 dB.
    val, train = ([20 - 10 * each for each in side] for side in (PARTING, FALLING))
    options = {"metric": "psnr", "best": "high"}
    assert found(scores(val, train, "psnr"), "overfitting", **options) == [700]


def test_what_was_found_has_the_numbers_in_its_text():
    rows = [{"epoch": 1.0, **row} for row in scores(PARTING, FALLING)]
    text = next(str(one) for one in watch_all(rows, settings()) if one.kind == "overfitting")
    assert text.startswith(
        "epoch 1, step 700: overfitting: since epoch 1, l1 has got worse on validation pairs "
        "(0.4 to 0.45) and better on training pairs (0.4 to 0.36). "
    )


def test_scores_have_stopped_getting_better():
    assert found(scores([0.5, 0.4, 0.4, 0.41, 0.4]), "plateau") == [500]  # three after the best
    # Better by less than 0.1 % is not better; by more, it counts again.
    assert found(scores([0.4, 0.3999, 0.3998, 0.3997]), "plateau") == [400]
    assert found(scores([0.4, 0.3995, 0.3999, 0.39, 0.39, 0.39]), "plateau") == []
    # It is said once for each best score.
    assert found(scores([0.4] * 20), "plateau") == [400]
    assert found(scores([0.4] * 4 + [0.3] * 4), "plateau") == [400, 800]
    assert found(scores([20.0, 19.0, 19.0, 19.0], metric="psnr"), "plateau", metric="psnr") == []
    options = {"metric": "psnr", "best": "high"}
    assert found(scores([20.0, 19.0, 19.0, 19.0], metric="psnr"), "plateau", **options) == [400]


def test_a_kind_is_found_once_in_an_epoch():
    rows = losses(*[0.0] * 10, 0.5, *[0.0] * 10, 0.5, *[0.0] * 10)
    inside = [{**row, "epoch": row["step"] / 4000} for row in rows]
    assert found(inside, "discriminator") == [1000]
    assert found(rows, "discriminator") == [1000, 2100, 3200]


def test_patience_counts_again_after_its_end():
    patience = Patience(2, "low")
    assert [patience.add(score) for score in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0)] == [
        *(False, False, False, True, False, True, False, False)
    ]
    assert (patience.best, patience.since) == (1, 1)
    rising = Patience(2, "high")
    assert [rising.add(score) for score in (-3.0, -2.0, -2.0, -5.0)] == [False, False, False, True]
    assert rising.best == -2


def test_settings_are_read_from_what_a_run_has_kept():
    config = {**flatten(default_config()), "loss.gan": "hinge", "train.patience": 7}
    assert settings_of(config) == settings(gan="hinge", patience=7)
    assert settings_of({}) == settings(patience=30)
    assert settings_of({"train.patience": "many", "loss.label_smoothing": None}).patience == 30
    psnr = settings_of({"checkpoint.best_metric": "psnr"})
    assert (psnr.metric, psnr.best) == ("psnr", "high")
    own = settings_of({"checkpoint.best_metric": "mine"})  # who knows which way is better
    assert (own.metric, own.best) == ("l1", "low")


def test_a_score_that_is_nan_is_no_better_one():
    patience = Patience(2, "high")
    scores = (math.nan, math.nan, 1.0, math.nan, math.nan)
    assert [patience.add(score) for score in scores] == [False, False, False, False, True]
    assert patience.best == 1
