"""The figures as text."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from pix2pix_jax.core.columns import align

Figures = Mapping[str, Any]


def render(figures: Figures) -> str:
    """Write what `compile.py` found as text.

    Args:
        figures: As the script writes them to its JSON file.
    """
    parts = [_describe(figures), align(("<memory of a device", "GB"), _memory(figures))]
    if figures["step"]:
        parts.append(align(("<a step on a device", ""), _step(figures)))
    return "\n\n".join([*parts, _bullets(_notes(figures))])


def _describe(figures: Figures) -> str:
    run, target = figures["run"], figures["target"]
    height, width = run["image_size"]
    number = f"{run['devices']} devices" if run["devices"] > 1 else "1 device"
    return (
        f"{run['config']} for {target['name']} ({target['device']}): {height}x{width} pixels, "
        f"batch {run['device_batch']} per device, {run['dtype']}, {number}\n"
        f"compiled in {figures['seconds']:.0f} s by {figures['compiler']}; nothing was run on a "
        "device"
    )


def _gb(count: float | None) -> str:
    return "?" if count is None else f"{count / 1e9:.2f}"


def _memory(figures: Figures) -> list[list[str]]:
    memory, run, fit = figures["memory"], figures["run"], figures["fit"]
    rows = []
    if memory:
        rest = memory["arguments"] - run["state_bytes"] - run["pairs_bytes"]
        rows = [
            ["parameters and Adam's state", _gb(run["state_bytes"])],
            [f"{run['pairs_on_device']} pairs ({run['path']})", _gb(run["pairs_bytes"])],
            ["other arguments, padding", _gb(max(rest, 0))],
            ["temporaries", _gb(memory["temporaries"])],
            ["results that replace no argument", _gb(memory["results"])],
        ]
    return [
        *rows,
        ["needed", _gb(fit["needed_bytes"])],
        ["JAX takes by default", _gb(fit["usable_bytes"])],
        ["the device has", _gb(fit["memory_bytes"])],
        ["fits", "yes" if fit["fits"] else "NO"],
    ]


def _step(figures: Figures) -> list[list[str]]:
    step, time, run = figures["step"], figures["estimate"], figures["run"]
    rows = [
        ["kernels and copies", str(step["kernels"])],
        ["GB moved (operands and results)", _gb(step["bytes"])],
        ["GFLOP", "?" if step["flop"] is None else f"{step['flop'] / 1e9:.1f}"],
        ["convolutions", str(sum(step["convolutions"].values()))],
        *([f"  {kind}", str(number)] for kind, number in step["convolutions"].items()),
        *([f"  with {dtype} operands", str(n)] for dtype, n in step["convolution_dtypes"].items()),
        ["  with a filter as large as an image", str(step["image_sized_windows"])],
        ["matrix products", str(step["products"])],
    ]
    if run["devices"] > 1:
        sums = f"{step['all_reduces']} ({step['all_reduce_bytes'] / 1e6:.0f} MB)"
        rows.append(["all-reduces", sums])
    least, most = time["seconds_least"], time["seconds"]
    spans = [least] if least == most else [least, most]
    images = run["device_batch"] * run["devices"]
    return [
        *rows,
        *([f"  ms of {name}", f"{1000 * part:.2f}"] for name, part in time["parts"].items()),
        ["estimated ms", " to ".join(f"{1000 * seconds:.2f}" for seconds in spans)],
        [
            "estimated images/s, all devices",
            " to ".join(f"{images / seconds:.0f}" for seconds in reversed(spans)),
        ],
    ]


def _bullets(notes: Sequence[str]) -> str:
    return "\n".join(
        textwrap.fill(f"- {note}", 100, subsequent_indent="  ", break_on_hyphens=False)
        for note in notes
    )


def _notes(figures: Figures) -> list[str]:
    """Say what the figures mean."""
    run, target, step = figures["run"], figures["target"], figures["step"]
    notes = []
    if figures["refusal"]:
        notes.append(f"the compiler found that it does not fit: {figures['refusal']}")
    if not run["pairs_known"]:
        notes.append(f"pairs: {run['pairs']} assumed, as the data is not here; --pairs sets it")
    if run["path"] == "streamed":
        notes.append(
            f"pairs: all {run['pairs']} would take {_gb(run['resident_bytes'])} GB; those of a "
            "call are copied to the device"
        )
    notes.append(
        "memory: of a training call alone; an evaluation comes between two calls, and its pairs "
        "stay on the device if they fit into data.device_share"
    )
    if target["platform"] == "cuda":
        notes.append(
            "JAX takes three quarters of a GPU's memory; XLA_PYTHON_CLIENT_MEM_FRACTION=0.95 "
            "takes more"
        )
        notes.append(
            "compiled without autotuning, which a device does: kernels, bytes and temporaries can "
            "change with the algorithms it chooses"
        )
    if run["deterministic"] and target["platform"] == "cuda":
        notes.append("train.deterministic: not compiled in, as that needs the device")
    if step:
        notes.append(f"estimate, not measured: {figures['estimate']['model']}")
        notes.append(
            "GFLOP: all operations, as XLA counts them in the program of the CPU; a transposed "
            "convolution counts as the input gradient of a strided one"
        )
    if step and step["open_loops"]:
        notes.append(f"{step['open_loops']} loops of unknown length are counted as one round each")
    return notes
