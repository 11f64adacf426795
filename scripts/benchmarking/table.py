"""Results as text."""

from collections.abc import Sequence
from typing import Any

from benchmarking.cases import MAPS_EPOCHS, MAPS_PAIRS
from pix2pix_jax.core.columns import align

Row = dict[str, Any]
_NONE = "-"


def render(results: dict[str, Any]) -> str:
    """Write results as text.

    Args:
        results: As the script writes them to its JSON file.

    Returns:
        Several lines: hardware and settings, a table of speed, one of arithmetic and memory, one of
        comparisons if there are any, and notes.
    """
    measured = [row for row in results["measurements"] if "ms" in row]
    parts = [_describe(results), align(_SPEED, [_speed(row) for row in measured])]
    if measured:
        parts.append(align(_COST, [_cost(row) for row in measured]))
    if results["comparisons"]:
        found = results["comparisons"]
        rows = [["a step", *_comparison(row, row)] for row in found]
        rows += [
            ["translating", *_comparison(row, row["inference"])]
            for row in found
            if "inference" in row
        ]
        parts.append(align(("<what", *_COMPARISON), rows))
    return "\n\n".join([*parts, "\n".join(_notes(results, measured))])


_WHAT = ("batch", "<dtype", "<program", "<pairs from")
_SPEED = (*_WHAT, "compile s", "first step s", "ms/step", "<quartiles", "images/s", "waiting")
_COST = (
    *_WHAT,
    *("GFLOP/step", "by XLA", "TFLOP/s", "of measured", "of data sheet"),
    *("memory GB", "in a save", "inference/s", "maps run"),
)
_COMPARISON = (
    *("batch", "<dtype", "<ours from", "<peer", "<its pairs from"),
    *("ours ms", "peer ms", "ours/peer", "<quartiles", "of fastest"),
)


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return _NONE if value is None else f"{100 * value:.1f} %"


def _span(quartiles: Sequence[float], digits: int) -> str:
    low, high = quartiles
    return f"{low:.{digits}f} to {high:.{digits}f}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60}h{minutes % 60:02}" if minutes >= 100 else f"{seconds / 60:.1f} min"


def _name(row: Row) -> list[str]:
    who = "ours" if row["program"] == "ours" else f"peer {row['name']}"
    variants = [f"{row['loop']} loop"] if row.get("loop") else []
    if row.get("product_rows") is not None:
        variants.append(f"products to {row['product_rows']} rows")
    return [str(row["batch_size"]), row["dtype"], who, ", ".join([row["data"], *variants])]


def _speed(row: Row) -> list[str]:
    return [
        *_name(row),
        _number(row.get("compile_seconds"), 1),
        _number(row["first_step_seconds"], 2),
        _number(row["ms"], 2),
        _span(row["ms_quartiles"], 2),
        _number(row["images_per_second"], 1),
        _percent(row["waiting_share"]),
    ]


def _cost(row: Row) -> list[str]:
    return [
        *_name(row),
        _number(row["gflop"], 1),
        _number(row.get("xla_gflop"), 1),
        _number(row["tflops"], 3),
        _percent(row["share_of_measured_peak"]),
        _percent(row["share_of_known_peak"]),
        _number(row["peak_memory_gb"], 2),
        _number(row.get("save_memory_gb"), 2),
        _number(row.get("inference_images_per_second"), 1),
        _duration(row["maps_run_seconds"]),
    ]


def _comparison(row: Row, figures: Row) -> list[str]:
    peer = row["peer"]
    if row["peer_dtype"] != row["dtype"]:
        peer += f" ({row['peer_dtype']})"
    return [
        *(str(row["batch_size"]), row["dtype"], row["data"], peer, row["peer_data"]),
        _number(figures["ours_ms"], 2),
        _number(figures["peer_ms"], 2),
        _number(figures["ratio"], 3),
        _span(figures["ratio_quartiles"], 3),
        _number(figures["ratio_of_fastest"], 3),
    ]


def _describe(results: dict[str, Any]) -> str:
    hardware, settings = results["hardware"], results["settings"]
    peaks = ", ".join(
        f"{dtype} {measured:.3g} (data sheet: {_number(results['known_peaks'][dtype], 0)})"
        for dtype, measured in results["measured_peaks"].items()
    )
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return "\n".join(
        [
            f"{hardware['devices']} x {hardware['device']} ({hardware['platform']}), "
            f"{hardware['processors']} processors ({hardware['processor']}), "
            f"{hardware['machine']}; {results['date']}",
            versions,
            f"image size {settings['image_size']}, {settings['base_features']} features; "
            f"{settings['repetitions']} repetitions of {settings['steps']} steps after one to warm "
            f"up; malloc {'set as for training' if settings['malloc'] else 'as it comes'}",
            f"matrix products, TFLOP/s: {peaks}",
        ]
    )


def _notes(results: dict[str, Any], measured: Sequence[Row]) -> list[str]:
    """Say what could not be measured, and what the figures mean."""
    notes = [
        "GFLOP/step: convolutions on all devices, counted by hand; by XLA: all operations on one "
        "device",
        f"maps run: {MAPS_PAIRS} pairs, {MAPS_EPOCHS} epochs: computed from the median step, not "
        "measured",
        "memory: of the process on a CPU (compiling included), of the device elsewhere",
    ]
    if results["hardware"]["platform"] == "cpu":
        notes.append(
            "resident pairs: not used on a CPU, because they need a loop, inside which its "
            "convolutions are some 50 times slower"
        )
    if any(row["program"] == "peer" for row in measured):
        notes += [
            "peer, in memory: its model's steps on one batch; its own loader: its training loop",
            "peer, first step: includes what it compiles or tries out",
        ]
    if any(row["program"] == "ours" and row["xla_gflop"] is None for row in measured):
        notes.append("by XLA: not counted by this backend")
    for row in results["measurements"]:
        for key in ("failed", "note"):
            if key in row:
                notes.append(f"{', '.join(_name(row))}: {row[key]}")
    return notes
