"""When a run halts, by hand: seven pairs in batches of two are three steps an epoch."""

import pytest

from pix2pix_jax.core.config import default_config
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.training.halts import Halts, build_halts

TIMELINE = Timeline(pairs=7, global_batch=2, seed=0)


def halts(stop=10, log_steps=100, timeline=TIMELINE, **options):
    return Halts(timeline, stop, log_steps, **options)


def steps_of(is_due, stop=10):
    return [step for step in range(1, stop + 1) if is_due(step)]


def all_halts(halts):
    step, found = halts.timeline.first_step, []
    while step < halts.stop:
        step = halts.next_halt(step)
        found.append(step)
    return found


@pytest.mark.parametrize(("stop", "epochs"), [(1, 1), (3, 1), (4, 2), (9, 3), (10, 4)])
def test_the_last_epoch_counts_if_it_is_cut_short(stop, epochs):
    assert halts(stop).epochs == epochs


def test_a_run_halts_at_the_end_of_each_epoch_and_at_its_own():
    assert all_halts(halts()) == [3, 6, 9, 10]


def test_a_run_halts_at_evaluations_within_epochs_too():
    assert all_halts(halts(eval_steps=4)) == [3, 4, 6, 8, 9, 10]


def test_a_call_ends_at_a_row_or_at_a_halt():
    ends = [halts(log_steps=2, eval_steps=5).end_of_call(step) for step in range(10)]
    assert ends == [2, 2, 3, 4, 5, 6, 8, 8, 9, 10]


def test_rows_come_every_so_many_steps():
    assert steps_of(halts(log_steps=4).row_is_due) == [4, 8]


@pytest.mark.parametrize(
    ("checkpoint_epochs", "steps"),
    [(1, [3, 6, 9, 10]), (2, [6, 10]), (3, [9, 10]), (10, [10])],
)
def test_checkpoints_come_every_so_many_epochs_and_at_the_end(checkpoint_epochs, steps):
    assert steps_of(halts(checkpoint_epochs=checkpoint_epochs).save_is_due) == steps


@pytest.mark.parametrize(
    ("eval_epochs", "eval_steps", "checkpoint_epochs", "steps"),
    [
        (1, 0, 10, [3, 6, 9, 10]),
        (2, 0, 10, [6, 10]),
        (0, 0, 10, [10]),  # the end has a checkpoint, and a checkpoint has an evaluation
        (0, 0, 2, [6, 10]),
        (0, 4, 10, [4, 8, 10]),
        (2, 4, 3, [4, 6, 8, 9, 10]),
    ],
)
def test_evaluations_come_with_epochs_steps_and_checkpoints(
    eval_epochs, eval_steps, checkpoint_epochs, steps
):
    due = halts(
        eval_epochs=eval_epochs, eval_steps=eval_steps, checkpoint_epochs=checkpoint_epochs
    ).evaluation_is_due
    assert steps_of(due) == steps


def test_everything_that_is_due_is_due_at_a_halt():
    some = halts(eval_steps=4, eval_epochs=2, checkpoint_epochs=3)
    assert set(steps_of(some.evaluation_is_due)) <= set(all_halts(some))
    assert set(steps_of(some.save_is_due)) <= set(steps_of(some.evaluation_is_due))


def test_a_run_that_was_changed_counts_its_epochs_from_there():
    # Changed after one epoch and a step of three: from step 4 on, an epoch has two steps.
    changed = Timeline(pairs=8, global_batch=4, seed=0, first_step=4, first_epoch=1)
    some = halts(9, timeline=changed, checkpoint_epochs=2)
    assert all_halts(some) == [6, 8, 9]
    assert [step for step in range(5, 10) if some.save_is_due(step)] == [6, 9]


def test_halts_are_read_from_the_config():
    config = default_config()
    config.log.every_steps, config.eval.every_steps = 1, 2
    config.eval.every_epochs, config.checkpoint.every_epochs = 3, 4
    assert build_halts(config, TIMELINE, 9) == Halts(
        TIMELINE, 9, log_steps=1, eval_steps=2, eval_epochs=3, checkpoint_epochs=4
    )
