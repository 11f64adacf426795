"""Measure configurations one after another, and in turns if they are compared."""

import contextlib
import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarking import environments
from benchmarking.cases import Case
from benchmarking.children import Child, FailedError, program
from benchmarking.entries import Entry, Plan, start_ours
from benchmarking.figures import compare, order, quartiles, rate, summarise
from benchmarking.peers import start_peers
from benchmarking.protocol import Answer
from pix2pix_jax.core.errors import InputError

_BATCHES = 3  # in a repetition of inference


def probe(dtypes: Sequence[str], *, shares_device: bool) -> Answer:
    """Describe the hardware, and measure how fast it multiplies matrices.

    Args:
        dtypes: Dtypes of the matrices.
        shares_device: See `environments.for_ours`.

    Returns:
        The answer of the program `probe`.

    Raises:
        InputError: JAX does not work here.
    """
    environment = environments.for_ours(malloc=False, shares_device=shares_device)
    with Child([*program("probe"), json.dumps(list(dtypes))], environment) as child:
        try:
            return child.ready()
        except FailedError as error:
            raise InputError(f"JAX does not run here: {error}") from error


def measure(
    cases: Sequence[Case], plan: Plan, hardware: Answer
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure cases that differ only in their data path, in turns with the peer.

    Without a peer each case is measured alone, with no other program running.

    Args:
        cases: The cases.
        plan: How they are measured.
        hardware: As from `probe`.

    Returns:
        `measurements`, with one dict for each row, and `comparisons`.
    """
    groups = [list(cases)] if plan.clone else [[case] for case in cases]
    measurements, comparisons = [], []
    for group in groups:
        with contextlib.ExitStack() as stack:
            entries = list(start_ours(stack, group, plan))
            if plan.clone:
                gpu = hardware["hardware"]["platform"] == "gpu"
                entries += start_peers(stack, group[0], plan, gpu=gpu)
            take_turns(entries, plan.repetitions)
            for entry in entries:
                _summarise_steps(entry, hardware)
            translate_in_turns([one for one in entries if one.do == "run"], plan.repetitions)
            for entry in entries:
                _finish(entry, plan)
                _say(entry)
        measurements += [entry.row for entry in entries]
        comparisons += compare_all(entries)
    return measurements, comparisons


def take_turns(entries: Sequence[Entry], repetitions: int) -> None:
    """Let all programs take their repetitions in turns; the first of each warms up."""
    for entry, counts in _turns(entries, repetitions):
        answer = entry.ask(entry.do)
        if counts and answer:
            entry.runs.append(answer)


def translate_in_turns(entries: Sequence[Entry], repetitions: int) -> None:
    """Let all programs translate in turns; the first repetition of each warms up."""
    for entry, counts in _turns(entries, repetitions):
        answer = entry.ask("infer", batches=_BATCHES)
        if counts and answer:
            entry.inferences.append(answer)


def _turns(entries: Sequence[Entry], repetitions: int) -> Iterator[tuple[Entry, bool]]:
    """Yield the program whose turn it is, and whether the turn counts."""
    for repetition in range(-1, repetitions):
        for place in order(len(entries), repetition):
            if entries[place].alive:
                yield entries[place], repetition >= 0


def _summarise_steps(entry: Entry, hardware: Answer) -> None:
    """Fill the row with what the repetitions have shown."""
    if not entry.alive:
        return
    row, runs = entry.row, entry.runs
    devices, batch = row.get("devices", 1), row.get("global_batch", row["batch_size"])
    peaks = {kind: hardware[f"{kind}_peaks"].get(row["dtype"]) for kind in ("measured", "known")}
    row["gflop"] = row["gflop_per_image"] and batch * row["gflop_per_image"]
    row |= summarise([run["milliseconds"] for run in runs], batch)
    row |= rate(row["gflop"], row["ms"], devices, peaks)
    row["waiting_share"] = sum(run["waiting_share"] for run in runs) / len(runs)
    row["training_memory_gb"] = max(run["memory_gb"] for run in runs)


def _finish(entry: Entry, plan: Plan) -> None:
    """Add inference to the row, and what is measured only once."""
    row = entry.row
    if "ms" not in row:
        return
    if entry.inferences:
        batch = row.get("global_batch", row["batch_size"])
        milliseconds = [one["milliseconds"] for one in entry.inferences]
        row["inference_ms"] = statistics.median(milliseconds)
        row["inference_ms_quartiles"] = quartiles(milliseconds)
        row["inference_images_per_second"] = 1000 * batch / row["inference_ms"]
    for do in ("device_memory", *(plan.extras if row["program"] == "ours" else ())):
        if entry.alive:
            row |= entry.ask(do)
    if not entry.alive:  # the times are still good
        row["note"] = row.pop("failed")
    of_process = max(row["start_memory_gb"], row["training_memory_gb"])
    row["peak_memory_gb"] = row.get("device_memory_gb") or of_process


def _say(entry: Entry) -> None:
    """Print a line of progress."""
    row = entry.row
    said = row.get("failed") or f"{row['ms']:.1f} ms a step"
    print(f"{entry.title}: {said}", file=sys.stderr)


def compare_all(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Compare each row of this package with each row of the peer.

    Args:
        entries: Rows that took turns.

    Returns:
        One dict for each pair of rows: what is compared, the figures of `figures.compare` for a
        step, and those for a translated batch as `inference`.
    """
    measured = [entry for entry in entries if "ms" in entry.row]
    ours, peers = (
        [entry for entry in measured if entry.row["program"] == who] for who in ("ours", "peer")
    )
    return [
        {
            **{key: one.row[key] for key in ("batch_size", "image_size", "dtype", "device")},
            "data": one.row["data"],
            "peer": other.row["name"],
            "peer_dtype": other.row["dtype"],
            "peer_data": other.row["data"],
            **compare(*([run["milliseconds"] for run in entry.runs] for entry in (one, other))),
            **_compare_inference(one, other),
        }
        for one in ours
        for other in peers
    ]


def _compare_inference(ours: Entry, peer: Entry) -> dict[str, Any]:
    """Return `inference`, the figures of `figures.compare`, if both have translated."""
    if not (ours.inferences and peer.inferences):
        return {}
    times = ([one["milliseconds"] for one in entry.inferences] for entry in (ours, peer))
    return {"inference": compare(*times)}
