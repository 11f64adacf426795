import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.runs import assert_bit_equal, final_state

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.core.devices import DEVICES, hold
from pix2pix_jax.data.numbers import Numbers
from pix2pix_jax.training import feeding
from pix2pix_jax.training.calls import CallMetrics
from pix2pix_jax.training.feeding import Feed, build_feed, choose_loop
from pix2pix_jax.training.run import Run, prepare_run

pytestmark = pytest.mark.usefixtures("optimized")


def changed(config, **changes):
    config = config.copy_and_resolve_references()
    for key, value in changes.items():
        section, name = key.split("__")
        config[section][name] = value
    return config


def train(config, workdir, **changes):
    config = changed(config, **changes)
    train_and_evaluate(config, workdir)
    return final_state(workdir)


def feed_of(config, workdir, **changes):
    return build_feed(prepare_run(changed(config, **changes), workdir))


@pytest.fixture
def looped_config(tiny_config):
    tiny_config.data.synthetic_pairs = (17, 2, 0)
    tiny_config.train.global_batch_size = 8
    tiny_config.train.epochs = 2
    tiny_config.train.steps_per_call = 2
    return tiny_config


def test_pairs_on_the_device_in_memory_and_in_files_give_the_same_bits(looped_config, tmp_path):
    kinds = {
        ("resident", "copy"): {},
        ("resident", "spread"): {"data__resident": "spread"},
        ("cached", None): {"data__device_share": 0.0},
        ("streamed", None): {"data__cache_gigabytes": 0.0},
    }
    states = []
    for number, (kind, changes) in enumerate(kinds.items()):
        feed = feed_of(looped_config, tmp_path / str(number), **changes)
        assert (feed.path, feed.storage) == kind
        states.append(train(looped_config, tmp_path / str(number), **changes))
    for state in states[1:]:
        assert_bit_equal(states[0], state)


@pytest.mark.usefixtures("one_device")
def test_a_run_that_goes_on_with_other_steps_per_call_ends_bit_equal(looped_config, tmp_path):
    looped_config.data.synthetic_pairs = (6, 2, 0)
    looped_config.train.global_batch_size = 1
    looped_config.lr.schedule = "constant"  # that of a run of fewer steps falls earlier
    whole = train(looped_config, tmp_path / "whole", train__steps_per_call=4)
    for steps, per_call in ((5, 2), (0, 3)):
        changes = {"train__steps": steps, "train__steps_per_call": per_call}
        parts = train(looped_config, tmp_path / "parts", **changes)
    assert_bit_equal(whole, parts)


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize("cache", [4.0, 0.0])
def test_calls_end_where_a_row_an_epoch_or_the_run_does(looped_config, tmp_path, cache):
    looped_config.data.synthetic_pairs = (7, 2, 0)
    looped_config.data.cache_gigabytes = cache
    looped_config.train.global_batch_size = 1
    looped_config.train.steps_per_call = 4
    looped_config.log.every_steps = 5
    run = prepare_run(looped_config, tmp_path / "run")
    feed = build_feed(run)
    calls = list(feed.calls(0, run.halts.stop, run.halts.end_of_call))
    assert [count for count, _ in calls] == [4, 1, 2, 3, 4]
    seen = []
    for count, call in calls:
        first = int(call["span"][0])
        for rows in np.asarray(call["indices"])[first : first + count]:
            seen.append(np.asarray(call["source"])[rows])
    assert call["indices"].shape == ((7, 1) if cache else (4, 1))
    expected = [run.splits.train[int(run.timeline.indices(step)[0])][0][None] for step in range(14)]
    np.testing.assert_array_equal(seen, expected)


def add_pairs(state, batch):
    """Take a step that compiles at once: add pairs and numbers to one weight, whole and exact.

    The sum depends on which pair has which place in the batch.
    """
    source, target = (
        batch[side].astype(jnp.int32).sum((1, 2, 3)) % 101 for side in ("source", "target")
    )
    numbers = (batch["condition"] @ jnp.array([3.0, 5.0])).astype(jnp.int32)
    examples = ((source + 2 * target + numbers) * (1 + batch["example"])).sum()
    seen = (examples * (1 + state.step)).astype(jnp.float32)
    if jax.device_count() > 1:
        seen = jax.lax.psum(seen, DEVICES)
    params = jax.tree.map(lambda leaf: jnp.round(leaf) + seen, state.g_params)
    return state.replace(step=state.step + 1, g_params=params), {"loss": seen}


def with_numbers(run, **changes):
    """Put two whole numbers beside each training pair, and change these in other ways too."""
    values = np.arange(2.0 * len(run.splits.train)).reshape(-1, 2) % 17
    none, one = (0.0, 0.0), (1.0, 1.0)
    numbers = Numbers(("a", "b"), mean=none, deviation=one, low=none, high=one)
    train = dataclasses.replace(run.splits.train, numbers=numbers, values=values, **changes)
    return dataclasses.replace(run, splits=dataclasses.replace(run.splits, train=train))


def take_steps(run, loop, ends):
    """Take a run's first steps; return the lengths of its calls, the weights and the losses."""
    feed = build_feed(run, loop)
    calls = list(feed.calls(0, ends[-1], lambda step: min(end for end in ends if end > step)))
    state, total = hold(run.create_state()), 0.0
    compiled = feed.compile(state, calls[0][1])
    for count, arguments in calls:
        state, metrics = compiled(state, count, arguments)
        total += count * metrics.fetch()[0]["loss"]
    assert int(state.step) == ends[-1]
    return [count for count, _ in calls], [*jax.tree.leaves(state.g_params), np.round(total)]


@pytest.mark.parametrize(("devices", "cache"), [(1, 4.0), (1, 0.0), (8, 4.0)])
def test_what_a_loop_of_fixed_length_leaves_is_taken_in_single_steps(
    looped_config, tmp_path, request, monkeypatch, devices, cache
):
    if devices == 1:
        request.getfixturevalue("one_device")
    monkeypatch.setattr(Run, "train_step", property(lambda self: add_pairs))
    looped_config.data.synthetic_pairs = (7 * devices, 2, 0)
    looped_config.data.cache_gigabytes = cache
    looped_config.train.global_batch_size = devices
    looped_config.train.steps_per_call = 3
    run = with_numbers(prepare_run(looped_config, tmp_path / "run"))
    counts, results = take_steps(run, "runtime", (3, 5, 7))
    assert counts == [3, 2, 2]
    for ends, expected in ((3, 6, 7), [3, 3, 1]), ((1, 4, 6, 7), [1, 3, 1, 1, 1]):
        counts, others = take_steps(run, "fixed", ends)
        assert counts == expected
        for one, other in zip(results, others, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("dtype", "loop", "flat"),
    [("uint8", "fixed", False), ("uint16", "runtime", True)],
)
def test_pairs_spread_over_the_devices_are_taken_as_from_copies(
    looped_config, tmp_path, monkeypatch, dtype, loop, flat
):
    """The same pairs on the same devices, over the end of an epoch; 37 are no multiple of 8."""
    monkeypatch.setattr(Run, "train_step", property(lambda self: add_pairs))
    monkeypatch.setattr(feeding, "stored_flat", lambda: flat)
    looped_config.data.synthetic_pairs = (37, 2, 0)
    looped_config.train.global_batch_size = 16
    looped_config.train.epochs = 4
    results = []
    for storage in ("copy", "spread"):
        run = prepare_run(changed(looped_config, data__resident=storage), tmp_path / "run")
        sides = tuple(side.astype(dtype) for side in run.splits.train.arrays)
        run = with_numbers(run, arrays=sides)
        assert build_feed(run, loop).storage == storage
        results.append(take_steps(run, loop, (3, 7)))
    for one, other in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_spread_pairs_take_a_share_of_each_devices_memory(looped_config, tmp_path, monkeypatch):
    def source_of(**changes):
        run = prepare_run(changed(looped_config, **changes), tmp_path / "run")
        ((_, call),) = build_feed(run).calls(0, 1, lambda step: 1)
        return call["source"]

    copies = source_of()
    pair = copies[0].nbytes
    assert [shard.data.nbytes for shard in copies.addressable_shards] == [17 * pair] * 8
    # A copy of both sides does not fit into 0.3 of this memory, but three pairs of 17 do.
    device = type(jax.devices()[0])
    monkeypatch.setattr(device, "memory_stats", lambda _: {"bytes_limit": 30 * pair})
    spread = source_of()
    assert [shard.data.nbytes for shard in spread.addressable_shards] == [3 * pair] * 8
    assert feed_of(looped_config, tmp_path / "run", data__resident="copy").path == "cached"


@pytest.mark.usefixtures("one_device")
def test_on_one_device_there_is_nothing_to_spread(looped_config, tmp_path):
    looped_config.train.global_batch_size = 1
    assert feed_of(looped_config, tmp_path, data__resident="spread").storage == "copy"


def test_each_platform_has_its_loop(monkeypatch):
    assert (choose_loop(1), choose_loop(20)) == ("none", "runtime")
    for platform, loop in (("gpu", "fixed"), ("tpu", "runtime")):
        monkeypatch.setattr(jax, "default_backend", lambda platform=platform: platform)
        assert (choose_loop(1), choose_loop(20)) == (loop, loop)


@pytest.mark.parametrize("cache", [4.0, 0.0])
def test_each_device_gets_its_own_examples(looped_config, tmp_path, cache):
    looped_config.data.cache_gigabytes = cache
    looped_config.train.global_batch_size = 16
    run = prepare_run(looped_config, tmp_path / "run")
    ((_, call),) = build_feed(run).calls(0, 1, lambda step: 1)
    source, indices = np.asarray(call["source"]), np.asarray(call["indices"])
    chosen = run.timeline.indices(0)
    for device in range(8):
        pairs = source if cache else source[device]
        for ours, index in zip(
            indices[device, 0], chosen[2 * device : 2 * device + 2], strict=True
        ):
            np.testing.assert_array_equal(pairs[ours], run.splits.train[int(index)][0])
    np.testing.assert_array_equal(call["example"], np.arange(16).reshape(8, 2))


def test_pairs_on_the_device_are_placed_once(looped_config, tmp_path):
    run = prepare_run(looped_config, tmp_path / "run")
    calls = [call for _, call in build_feed(run).calls(0, 4, lambda step: step + 1)]
    assert len(calls) == 4
    assert all(call["source"] is calls[0]["source"] for call in calls)
    assert len(calls[0]["source"].sharding.device_set) == 8
    assert calls[0]["source"].is_fully_replicated


def test_a_call_is_marked_fetches_one_array_and_neither_copies_nor_compiles(
    looped_config, tmp_path, monkeypatch
):
    """All that a call needs is on the device before it: no transfer, no compilation in it."""
    compiled, compilations, fetches, marks = Feed.compile, [], [], []
    fetch, fetch_call = jax.device_get, CallMetrics.fetch
    mark = jax.profiler.StepTraceAnnotation

    def compile_guarded(self, state, arguments):
        call = compiled(self, state, arguments)

        def guarded(state, count, arguments):
            before = len(compilations)
            with jax.transfer_guard("disallow_explicit"):
                result = call(state, count, arguments)
            assert len(compilations) == before
            return result

        return guarded

    def count_fetch(self):
        with monkeypatch.context() as patch:
            patch.setattr(jax, "device_get", count_arrays)
            return fetch_call(self)

    def count_arrays(tree):
        fetches.append(len(jax.tree.leaves(tree)))
        return fetch(tree)

    def note_mark(name, step_num):
        marks.append(step_num)
        return mark(name, step_num=step_num)

    def note_compilation(event, seconds, **_):
        if "backend_compile" in event:
            compilations.append(event)

    monkeypatch.setattr(Feed, "compile", compile_guarded)
    monkeypatch.setattr(CallMetrics, "fetch", count_fetch)
    monkeypatch.setattr(jax.profiler, "StepTraceAnnotation", note_mark)
    jax.monitoring.register_event_duration_secs_listener(note_compilation)
    looped_config.data.synthetic_pairs = (32, 2, 0)
    train(looped_config, tmp_path / "run", train__steps_per_call=3)
    assert marks == [0, 3, 4, 7]  # an epoch has four steps
    assert fetches == [1] * len(marks)  # one array a call


def test_training_refuses_to_copy_a_calls_arguments_from_the_host(
    looped_config, tmp_path, monkeypatch
):
    calls = Feed.calls

    def calls_from_the_host(self, *steps):
        for count, arguments in calls(self, *steps):
            yield count, {**arguments, "span": np.asarray(arguments["span"])}

    monkeypatch.setattr(Feed, "calls", calls_from_the_host)
    with pytest.raises(jax.errors.JaxRuntimeError, match="Disallowed host-to-device transfer"):
        train_and_evaluate(looped_config, tmp_path)


def test_pairs_too_many_for_their_share_of_the_device_stay_in_memory(
    looped_config, tmp_path, monkeypatch
):
    assert feed_of(looped_config, tmp_path).path == "resident"
    device = type(jax.devices()[0])
    monkeypatch.setattr(device, "memory_stats", lambda _: {"bytes_limit": 10_000})
    assert feed_of(looped_config, tmp_path).path == "cached"


def test_accelerators_take_many_steps_in_a_call_unless_their_pairs_are_large(
    looped_config, tmp_path, monkeypatch
):
    changes = {"train__steps_per_call": 0, "data__synthetic_pairs": (8, 1, 0)}
    assert feed_of(looped_config, tmp_path, **changes).steps_per_call == 1
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert feed_of(looped_config, tmp_path, **changes).steps_per_call == 20
    changes["data__cache_gigabytes"] = 0.0
    assert feed_of(looped_config, tmp_path, **changes).steps_per_call == 20
    # The eight pairs of a step have 84.7 MiB: three steps stay below 256 MiB.
    changes["data__load_size"] = (1360,)
    assert feed_of(looped_config, tmp_path, **changes).steps_per_call == 3


def test_a_state_is_held_by_every_device_with_its_key():
    tree = hold({"key": jax.random.key(3), "x": np.arange(3.0)})
    assert all(leaf.is_fully_replicated and len(leaf.devices()) == 8 for leaf in tree.values())
