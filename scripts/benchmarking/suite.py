"""Measure configurations one after another, and in turns if they are compared."""

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarking import environments
from benchmarking.cases import Case
from benchmarking.children import Child, FailedError, program
from benchmarking.entries import Entry, Plan, start_ours
from benchmarking.figures import compare, order, rate, summarise
from benchmarking.peers import start_peers
from benchmarking.protocol import Answer
from pix2pix_jax.core.errors import InputError

_INFERENCES = 5


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
                _finish(entry, plan, hardware)
                _say(entry)
        measurements += [entry.row for entry in entries]
        comparisons += compare_all(entries)
    return measurements, comparisons


def take_turns(entries: Sequence[Entry], repetitions: int) -> None:
    """Let all programs take their repetitions in turns; the first of each warms up."""
    for repetition in range(-1, repetitions):
        for place in order(len(entries), repetition):
            entry = entries[place]
            answer = entry.ask(entry.do) if entry.alive else {}
            if repetition >= 0 and answer:
                entry.runs.append(answer)


def _finish(entry: Entry, plan: Plan, hardware: Answer) -> None:
    """Fill the row, including what is measured only once."""
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
    wanted: dict[str, dict[str, int]] = {"device_memory": {}}
    if row["program"] == "ours":
        wanted |= {"infer": {"repetitions": _INFERENCES}} | ({"save": {}} if plan.save else {})
    for do, arguments in wanted.items():
        if entry.alive:
            row |= entry.ask(do, **arguments)
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
        One dict for each pair of rows: what is compared, and the figures of `figures.compare`.
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
        }
        for one in ours
        for other in peers
    ]
