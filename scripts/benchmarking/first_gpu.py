"""The table of `first_gpu.sh`: its figures, and what each one decides.

python -m benchmarking.first_gpu FOLDER
"""

import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
_GOALS = {(1, "bfloat16"): 400, (32, "bfloat16"): 2500}  # images a second
_DECIDES = {
    "1": "The loop of a call (`choose_loop` in `pix2pix_jax/training/feeding.py`): the fastest of "
    "these. The limit of products (`MOST_PRODUCT_ROWS` in `pix2pix_jax/models/convolutions.py`): "
    "more or fewer pixels, if that is faster. The sub-pixel form of up-convolutions is no longer "
    "in the code: if kernels of the input gradient lead the list, products are left to try.",
    "2": "Whether the goals are met: 400 images/s at batch 1 and 2,500 at batch 32. The limit of "
    "products must suit these batches too.",
    "3": "What evaluations, pictures and saves cost: all of a run's time but that of its steps. "
    "Above 10 % at batch 1, look at the profile. If foretold figures are far from measured ones, "
    "the model of `scripts/compile.py` is wrong.",
    "4": "Whether two processes end with the same bits, without and with `train.deterministic`, "
    "and what that costs. Set a flag if it makes steps faster by more than the quartiles.",
    "5": "Whether this package is faster than the reference, as it comes and at its best.",
}


def read_rows(folder: pathlib.Path) -> Iterator[Row]:
    """Yield every row that `benchmark.py` has measured, with `file`, its name, and `hardware`."""
    for path in sorted(folder.glob("[1245]_*.json")):
        results = json.loads(path.read_text())
        for row in results["measurements"]:
            yield {**row, "file": path.stem, "hardware": results["hardware"]}


def render(folder: pathlib.Path) -> str:
    """Write what is in the folder of `first_gpu.sh` as Markdown."""
    rows = list(read_rows(folder))
    parts = ["# The first GPU", _describe(folder)]
    for call, text in _DECIDES.items():
        own = [row for row in rows if row["file"].startswith(call)]
        parts += [f"## Call {call}", text]
        if own:
            parts.append(_table(own))
        found = list(_VERDICTS[call](folder, own))
        parts.append("\n".join(f"- {line}" for line in found or ["nothing measured yet"]))
    return "\n\n".join(parts) + "\n"


def _describe(folder: pathlib.Path) -> str:
    """Name the machine, the versions and the date of the measurements."""
    lines = []
    for path in sorted(folder.glob("[1245]_*.json")):
        results = json.loads(path.read_text())
        hardware, versions = results["hardware"], results["versions"]
        line = (
            f"{hardware['devices']} x {hardware['device']} ({hardware['platform']}), "
            f"{hardware['processor']}; jax {versions['jax']}, Python {versions['python']}; "
            f"{results['date']}"
        )
        if line not in lines:
            lines.append(line)
    return "\n".join(lines) or "Nothing measured yet."


def _table(rows: list[Row]) -> str:
    heading = "| file | batch | dtype | program | form | ms/step (quartiles) | images/s | kernels"
    heading += " | busy ms | compile s | memory GB |"
    lines = [heading, "|---" * 11 + "|"]
    for row in rows:
        who = row["program"] if row["program"] == "ours" else f"peer {row['name']}"
        cells = [row["file"], row["batch_size"], row["dtype"], who, _form(row)]
        if "ms" in row:
            low, high = row["ms_quartiles"]
            profile = row.get("profile") or {}
            cells += [f"{row['ms']:.3f} ({low:.3f} to {high:.3f})"]
            cells += [_number(row["images_per_second"]), _number(profile.get("launches"))]
            cells += [_number(profile.get("busy_ms"), 3), _number(row.get("compile_seconds"))]
            cells += [_number(row.get("peak_memory_gb"), 2)]
        else:
            cells += [row["failed"], *5 * ["-"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _form(row: Row) -> str:
    """Say what sets a row apart."""
    rows = row.get("product_rows")
    parts = [f"loop {row['loop']}" if row.get("loop") else row["data"]]
    return ", ".join(parts + ([f"products to {rows}"] if rows is not None else []))


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _fastest(folder: pathlib.Path, rows: list[Row]) -> Iterator[str]:
    """Say which form is the fastest, and which kernels take the most of its time."""
    for key in sorted({(row["batch_size"], row["dtype"]) for row in rows if "ms" in row}):
        same = [row for row in rows if "ms" in row and (row["batch_size"], row["dtype"]) == key]
        best = min(same, key=lambda row: row["ms"])
        yield (
            f"batch {key[0]}, {key[1]}: fastest is {_form(best)} ({best['file']}) with "
            f"{best['ms']:.3f} ms"
        )
        for kernel in (best.get("profile") or {}).get("kernels", [])[:5]:
            yield f"its `{kernel['name']}`: {kernel['ms']:.3f} ms, {kernel['launches']:.1f} a step"


def _goals(folder: pathlib.Path, rows: list[Row]) -> Iterator[str]:
    """Compare the fastest forms with the goals."""
    yield from _fastest(folder, rows)
    for (batch, dtype), goal in _GOALS.items():
        speeds = [
            row["images_per_second"]
            for row in rows
            if "ms" in row and (row["batch_size"], row["dtype"]) == (batch, dtype)
        ]
        if speeds:
            verdict = "met" if max(speeds) >= goal else "NOT met"
            yield f"goal of {goal} images/s at batch {batch}: {verdict} ({max(speeds):.0f})"


def _run(folder: pathlib.Path, rows: list[Row]) -> Iterator[str]:
    """Say what a run's time went to, and what was foretold."""
    path = folder / "3_run" / "summary.json"
    if path.exists():
        summary = json.loads(path.read_text())
        steps = summary["steps"] * summary["seconds_per_1000_steps"] / 1000
        rest = summary["seconds"] - steps
        yield (
            f"{summary['epochs']} epochs in {summary['seconds']:.1f} s: steps {steps:.1f} s, "
            f"everything else (start, compiling, evaluations, pictures, saves) {rest:.1f} s, "
            f"{rest / summary['seconds']:.0%}"
        )
    for path in sorted(folder.glob("3_foretold_*.json")):
        figures = json.loads(path.read_text())
        time, step = figures["estimate"], figures["step"]
        if step:
            yield (
                f"foretold for {figures['target']['name']}, {figures['run']['dtype']}: "
                f"{1000 * time['seconds_least']:.2f} to {1000 * time['seconds']:.2f} ms, "
                f"{step['kernels']} kernels"
            )


def _bits(folder: pathlib.Path, rows: list[Row]) -> Iterator[str]:
    """Say whether two processes agree, and what each flag costs."""
    measured = {row["file"]: row for row in rows if "ms" in row}
    for kind in ("plain", "deterministic"):
        both = [measured.get(f"4_{kind}_{name}") for name in ("first", "second")]
        if all(both):
            equal = len({row["digest"] for row in both if row}) == 1
            yield f"{kind}: two processes end with {'the same' if equal else 'OTHER'} bits"
    plain = measured.get("4_plain_first")
    for name, row in measured.items():
        if plain and row is not plain:
            yield f"{name}: {row['ms'] / plain['ms']:.3f} of the time of 4_plain_first"


def _peers(folder: pathlib.Path, rows: list[Row]) -> Iterator[str]:
    """Say how this package compares with the reference."""
    for path in sorted(folder.glob("5_*.json")):
        for one in json.loads(path.read_text())["comparisons"]:
            low, high = one["ratio_quartiles"]
            yield (
                f"batch {one['batch_size']}, {one['data']}, beside {one['peer']} "
                f"({one['peer_data']}): {one['ratio']:.3f} ({low:.3f} to {high:.3f}) of its time"
            )


_VERDICTS = {"1": _fastest, "2": _goals, "3": _run, "4": _bits, "5": _peers}


def main() -> None:
    """Write `table.md` into the folder, and print it."""
    folder = pathlib.Path(sys.argv[1])
    text = render(folder)
    (folder / "table.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
