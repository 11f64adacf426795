"""Write `report.html` of a run: one file that opens from disk, without a server or a network."""

import datetime
import pathlib

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.evaluation.watch import settings_of, watch_all
from pix2pix_jax.reports.pages import render, write_text
from pix2pix_jax.reports.run_charts import (
    collect_scores,
    loss_charts,
    metric_charts,
    other_charts,
)
from pix2pix_jax.reports.run_pictures import encode_all, list_final_samples, list_samples, thin
from pix2pix_jax.reports.svg_chart import end_of_axis
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.record import read_record


def write_report(workdir: pathlib.Path) -> pathlib.Path:
    """Write the report of a run, complete or not.

    Files of the run that are missing or broken are left out, and listed in the report. Encoded
    pictures are kept in memory, so later calls in the same process read only the new ones.

    Args:
        workdir: The run's folder.

    Returns:
        The file, `report.html` in that folder; it appears whole or not at all.

    Raises:
        InputError: There is no such folder.
    """
    if not workdir.is_dir():
        raise InputError(f"{workdir}: no such folder; give the folder of a run")
    folder = RunFolder(workdir)
    write_text(folder.report_file, render("run_page.html", _gather(folder)))
    return folder.report_file


def _gather(folder: RunFolder) -> dict[str, object]:
    """Return the variables of the template."""
    run = read_record(folder.path)
    steps_of_epochs = {row["epoch"]: row["step"] for row in run.rows if "epoch" in row}
    samples = thin(list_samples(folder.samples, steps_of_epochs))
    tests = thin(list_final_samples(folder.samples))
    encoded = encode_all([sample.path for sample in [*samples, *tests]])
    broken = [path.name for path, picture in encoded.items() if picture is None]
    return {
        "name": folder.path.resolve().name,
        "written": datetime.datetime.now(datetime.UTC),
        "run": run,
        "start": run.starts[-1] if run.starts else None,
        "scores": collect_scores(run),
        "findings": watch_all(run.rows, settings_of(run.config)),
        "samples": [(one, encoded[one.path]) for one in samples if encoded[one.path]],
        "tests": [(one, encoded[one.path]) for one in tests if encoded[one.path]],
        "charts": [
            *metric_charts(run.rows, run.baselines),
            *loss_charts(run.rows),
            *other_charts(run.rows),
        ],
        "end": end_of_axis(run.rows),
        "missing": [*run.missing, *(f"{folder.samples.name}/{name}" for name in broken)],
    }
