import contextlib
import dataclasses

import jax
import numpy as np
import pytest
from support.runs import tiny_run

from pix2pix_jax.core.errors import InputError, NonFiniteError
from pix2pix_jax.data.resident import place_pairs
from pix2pix_jax.evaluation import scoring
from pix2pix_jax.evaluation.metrics.table import Metric, choose_metrics
from pix2pix_jax.evaluation.scoring import evaluate
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import generator_of
from pix2pix_jax.runs.translation import (
    BatchTranslator,
    choose_batch_size,
    translate,
    translate_batch,
)

METRICS = choose_metrics(["l1", "psnr", "ssim", "histogram_correlation"])
METRICS_ON_DEVICE = choose_metrics(["l1", "psnr"])
BATCHES = {"mode": "paper", "batch_size": 2, "workers": 1}  # three of 2, 2 and 1 pairs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return RunFolder(tiny_run(tmp_path_factory.mktemp("runs") / "run"))


@pytest.fixture(scope="module")
def pairs(folder):
    return folder.load_pairs("test")


@pytest.fixture
def generator(folder):
    return generator_of(folder, "latest")


@pytest.fixture(
    params=[
        "in memory",
        "streamed",
        "on the devices",
        "flat on the devices",
        "spread over the devices",
        "flat, spread over the devices",
    ]
)
def kept(request, pairs):
    """The same pairs, and how they are on the devices if they are."""
    if request.param == "streamed":
        return dataclasses.replace(pairs, arrays=None), None
    if request.param == "in memory":
        return pairs, None
    storage = "spread" if "spread" in request.param else "copy"
    return pairs, place_pairs(pairs, 5, flat=request.param.startswith("flat"), storage=storage)


def measured_by_hand(generator, pairs, mode):
    """Return each metric's values of pairs that were fetched, translated one by one."""
    values = {name: [] for name in METRICS}
    for number, name in enumerate(pairs.names):
        source, target = (side[None] for side in pairs[number])
        fake = translate_batch(generator, source, [name], mode=mode, batch_size=2)
        whole = np.asarray(pairs.form.target.to_network(target))
        for metric in METRICS.values():
            values[metric.name] += np.asarray(metric.function(fake, whole)).tolist()
    return values


@pytest.mark.parametrize("mode", ["paper", "deterministic"])
def test_values_are_those_of_pairs_translated_one_by_one(generator, pairs, kept, mode):
    expected = measured_by_hand(generator, pairs, mode)
    given, resident = kept
    found = evaluate(generator, given, METRICS, **{**BATCHES, "mode": mode}, resident=resident)
    assert found.names == pairs.names
    for name, values in expected.items():
        # Rounding of one program and another; ssim divides by small variances.
        np.testing.assert_allclose(found.values[name], values, rtol=1e-6, atol=1e-6)
        assert found.scores[name] == pytest.approx(np.mean(values), rel=1e-6, abs=1e-6)


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize("mode", ["paper", "deterministic"])
def test_what_is_scored_is_what_sampling_writes_to_the_bit(generator, kept, mode):
    pairs, resident = kept
    batch_size, fakes = choose_batch_size(2, pairs.size), []
    options = {"mode": mode, "batch_size": batch_size, "workers": 1, "resident": resident}
    evaluate(generator, pairs, METRICS_ON_DEVICE, observe=fakes.append, **options)
    scored = np.concatenate([compared.fake for compared in fakes])
    sources = np.stack([pairs[number][0] for number in range(5)])
    translated = translate_batch(
        generator, sources[4:], pairs.names[4:], mode=mode, batch_size=batch_size
    )
    np.testing.assert_array_equal(scored[4:], translated)
    written = translate(generator, sources, names=list(pairs.names), mode=mode)
    np.testing.assert_array_equal(pairs.form.target.from_network(scored), np.stack(written))


@pytest.mark.usefixtures("one_device")
def test_a_batch_brings_at_most_two_arrays_to_the_device(generator, kept, monkeypatch):
    """Anything else that is copied to the device, even a number, raises an error."""
    pairs, resident = kept
    metrics = choose_metrics(["l1", "psnr", "ssim"])
    evaluate(generator, pairs, metrics, **BATCHES, resident=resident)  # compiles
    brought, put = [], jax.device_put

    def count(tree, *arguments):
        brought.append(len(jax.tree.leaves(tree)))
        with jax.transfer_guard_host_to_device("allow"):
            return put(tree, *arguments)

    with contextlib.ExitStack() as guarded:

        def guard(_):
            if not brought:  # what comes before the first batch is placed once
                monkeypatch.setattr(jax, "device_put", count)
                guarded.enter_context(jax.transfer_guard_host_to_device("disallow_explicit"))

        evaluate(generator, pairs, metrics, **BATCHES, resident=resident, between=guard)
    assert brought == ([] if resident else [2, 2])


@pytest.mark.parametrize(("ahead", "begun"), [(0, [1, 2, 3]), (2, [3, 3, 3])])
def test_the_next_batches_begin_before_one_is_read_on_an_accelerator_only(
    generator, pairs, monkeypatch, ahead, begun
):
    started, seen, translate = [], [], BatchTranslator.__call__
    monkeypatch.setattr(scoring, "calls_ahead", lambda: ahead)
    monkeypatch.setattr(
        BatchTranslator, "__call__", lambda *given: started.append(1) or translate(*given)
    )
    counts = []

    def between(count):
        counts.append(count)
        seen.append(len(started))

    evaluate(generator, pairs, METRICS, **BATCHES, between=between)
    assert (counts, seen) == ([2, 2, 1], begun)


def test_what_is_raised_between_two_batches_ends_the_evaluation(generator, pairs):
    counts = []

    def stop(count):
        counts.append(count)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(generator, pairs, METRICS, **BATCHES, between=stop)
    assert counts == [2]


def test_images_are_fetched_for_those_who_need_them_only(generator, kept, monkeypatch):
    pairs, resident = kept
    sizes, observed = [], []
    own = Metric("own", "own", "low", "", lambda fake, target: np.abs(fake - target).max((1, 2, 3)))
    fetch = jax.device_get

    def note(tree):
        sizes.append(max(np.size(leaf) for leaf in jax.tree.leaves(tree)))
        return fetch(tree)

    monkeypatch.setattr(jax, "device_get", note)
    alone = evaluate(generator, pairs, METRICS_ON_DEVICE, **BATCHES, resident=resident)
    assert max(sizes) <= 8  # a value of each image, on eight devices
    both = METRICS_ON_DEVICE | {"own": own}
    options = {**BATCHES, "resident": resident, "observe": observed.append}
    found = evaluate(generator, pairs, both, **options)
    assert found.scores["l1"] == alone.scores["l1"]
    assert [len(compared.fake) for compared in observed] == [2, 2, 1]
    fake, target = (np.concatenate(side) for side in list(zip(*observed, strict=True))[:2])
    np.testing.assert_array_equal(found.values["own"], np.abs(fake - target).max((1, 2, 3)))
    stored = np.stack([pairs[number][1] for number in range(5)])
    np.testing.assert_array_equal(pairs.form.target.from_network(target), stored)


@pytest.mark.usefixtures("one_device")
def test_the_image_that_is_not_finite_is_named(generator, pairs, monkeypatch):
    broken = np.array([name == pairs.names[3] for name in pairs.names])
    translate = BatchTranslator.__call__
    rows = iter(np.array_split(np.append(broken, False), 3))

    def spoil(self, source, hashes):
        fake = translate(self, source, hashes)
        return fake.at[:, 0, 0, 0].set(np.where(next(rows), np.float32("nan"), fake[:, 0, 0, 0]))

    monkeypatch.setattr(BatchTranslator, "__call__", spoil)
    with pytest.raises(NonFiniteError, match=f"{pairs.names[3]}: 1 of 3072 values are nan"):
        evaluate(generator, pairs, METRICS_ON_DEVICE, **BATCHES)


def test_an_own_metric_of_jax_functions_may_run_on_the_device(generator, pairs):
    seen = []

    def measure(fake, target):
        seen.append(isinstance(fake, jax.core.Tracer))
        return abs(fake - target).max(axis=(1, 2, 3))

    there, here = (
        evaluate(
            generator,
            pairs,
            {"worst": Metric("worst", "own", "low", "", measure, on_device=on_device)},
            **BATCHES,
        )
        for on_device in (True, False)
    )
    assert seen == [True, False, False, False]
    np.testing.assert_allclose(there.values["worst"], here.values["worst"], rtol=1e-6)


def test_an_own_metric_on_the_device_without_one_entry_per_image_is_refused(generator, pairs):
    metric = Metric("mine", "own", "low", "", lambda fake, target: fake.mean(), on_device=True)
    with pytest.raises(InputError, match=r"metric 'mine': measures an array of shape \(\)"):
        evaluate(generator, pairs, {"mine": metric}, **BATCHES)
