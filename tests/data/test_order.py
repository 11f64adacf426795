import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.order import Timeline, epoch_order


@pytest.mark.parametrize("count", [1, 2, 37])
def test_the_order_is_a_permutation(count):
    assert sorted(epoch_order(3, 5, count).tolist()) == list(range(count))


def test_the_order_depends_only_on_seed_and_epoch():
    orders = {
        (seed, epoch): tuple(epoch_order(seed, epoch, 20).tolist())
        for seed in range(4)
        for epoch in range(4)
    }
    assert len(set(orders.values())) == 16
    epoch_order.cache_clear()
    for (seed, epoch), order in orders.items():
        assert tuple(epoch_order(seed, epoch, 20).tolist()) == order


def test_the_order_is_the_same_on_every_machine():
    # As first drawn: resumed runs rely on it.
    assert epoch_order(0, 0, 8).tolist() == [5, 0, 6, 1, 7, 2, 4, 3]


@pytest.mark.parametrize(("pairs", "batch", "steps"), [(7, 2, 3), (8, 2, 4), (5, 5, 1), (9, 1, 9)])
def test_an_epoch_has_pairs_over_batch_steps_rounded_down_and_repeats_no_pair(pairs, batch, steps):
    timeline = Timeline(pairs, batch, seed=1)
    assert timeline.steps_per_epoch == steps
    for epoch in range(3):
        first, stop = timeline.end_of(epoch), timeline.end_of(epoch + 1)
        assert stop - first == steps
        seen = np.concatenate([timeline.indices(step) for step in range(first, stop)])
        assert seen.shape == (steps * batch,)
        assert len(set(seen.tolist())) == steps * batch
        np.testing.assert_array_equal(seen, epoch_order(1, epoch, pairs)[: steps * batch])


def test_each_epoch_leaves_out_other_pairs():
    timeline = Timeline(7, 4, seed=0)
    assert set(np.concatenate([timeline.indices(step) for step in range(8)]).tolist()) == set(
        range(7)
    )


@pytest.mark.parametrize("timeline", [Timeline(7, 2, 0), Timeline(7, 2, 0, 10, 4)])
def test_the_end_of_an_epoch_is_the_first_step_of_the_next(timeline):
    for epochs in range(timeline.first_epoch + 1, timeline.first_epoch + 4):
        end = timeline.end_of(epochs)
        assert timeline.epoch(end) == epochs
        assert timeline.epoch(end - 1) == epochs - 1
    assert timeline.end_of(timeline.first_epoch) == timeline.first_step
    assert timeline.epoch(timeline.first_step) == timeline.first_epoch


def test_a_timeline_that_starts_later_continues_with_the_orders_of_its_epochs():
    whole = Timeline(7, 2, seed=3)
    later = Timeline(7, 2, seed=3, first_step=whole.end_of(2), first_epoch=2)
    for step in range(later.first_step, whole.end_of(5)):
        assert later.epoch(step) == whole.epoch(step)
        np.testing.assert_array_equal(later.indices(step), whole.indices(step))


def test_a_timeline_with_another_batch_size_starts_where_the_old_one_ended():
    later = Timeline(9, 3, seed=0, first_step=11, first_epoch=4)
    np.testing.assert_array_equal(later.indices(11), epoch_order(0, 4, 9)[:3])
    np.testing.assert_array_equal(later.indices(14), epoch_order(0, 5, 9)[:3])
    assert later.end_of(6) == 11 + 2 * 3


def test_fewer_pairs_than_the_batch_are_an_error():
    with pytest.raises(InputError, match=r"3 pairs, fewer than the global batch of 4.*batch_size"):
        Timeline(3, 4, seed=0)


def test_the_epoch_of_a_traced_step_equals_that_of_the_number():
    timeline = Timeline(7, 2, 0, first_step=5, first_epoch=2)
    traced = jax.jit(timeline.epoch)
    for step in range(5, 15):
        assert traced(jnp.int32(step)) == timeline.epoch(step)


@pytest.mark.parametrize(("step", "epochs"), [(10, 4), (13, 5), (16, 6), (11, 4.3333)])
def test_epochs_are_whole_numbers_only_if_they_are_complete(step, epochs):
    found = Timeline(7, 2, seed=0, first_step=10, first_epoch=4).epochs_done(step)
    assert found == epochs
    assert isinstance(found, type(epochs))


def test_a_timeline_is_restored_from_what_a_checkpoint_records():
    timeline = Timeline(7, 2, seed=3, first_step=10, first_epoch=4)
    assert Timeline.from_meta({**dataclasses.asdict(timeline), "other": 1}) == timeline
    assert Timeline.from_meta({"imported": True}) is None
