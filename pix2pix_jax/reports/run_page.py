"""Write `report.html` of a run: one file that opens from disk, with no server and no network."""

import datetime
import functools
import pathlib
from typing import Any

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import atomic_path
from pix2pix_jax.reports import run_charts as curves
from pix2pix_jax.reports import run_pictures as pictures
from pix2pix_jax.reports import svg_chart as chart
from pix2pix_jax.reports.numbers import duration, number
from pix2pix_jax.runs import record

FILE = "report.html"


def write_report(workdir: pathlib.Path) -> pathlib.Path:
    """Write the report of a run as far as it has come.

    A file of the run that is missing or broken is left out, and named in the report. Pictures stay
    encoded in memory: a later call of the same process reads the new ones only.

    Args:
        workdir: The run's folder, as the training writes it.

    Returns:
        The file, `report.html` in that folder; it appears whole or not at all.

    Raises:
        InputError: There is no such folder.
    """
    if not workdir.is_dir():
        raise InputError(f"{workdir}: there is no such folder; name the folder of a run")
    text = _template().render(_content(workdir))
    with atomic_path(workdir / FILE) as temporary:
        # A folder's name may hold bytes that are no text.
        temporary.write_text(text, encoding="utf-8", errors="replace")
    return workdir / FILE


@functools.cache
def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.ChainableUndefined,  # what a run's files do not say shows as nothing
    )
    environment.filters.update(number=number, duration=duration)
    return environment.get_template("template.html")


def _content(workdir: pathlib.Path) -> dict[str, Any]:
    """Gather what the template shows."""
    run, absent = record.read(workdir)
    at = {row["epoch"]: row["step"] for row in run.rows if "epoch" in row}
    folder = workdir / "samples"
    chosen = pictures.thin(pictures.samples(folder, at))
    tests = pictures.thin(pictures.final_samples(folder))
    encoded = pictures.encode_all([sample.path for sample in [*chosen, *tests]])
    broken = [path.name for path, picture in encoded.items() if picture is None]
    return {
        "name": workdir.resolve().name,
        "written": datetime.datetime.now(datetime.UTC),
        "run": run,
        "scores": curves.scores_of(run),
        "samples": [(one, encoded[one.path]) for one in chosen if encoded[one.path]],
        "tests": [(one, encoded[one.path]) for one in tests if encoded[one.path]],
        "charts": [
            *curves.metric_charts(run.rows, run.baselines),
            *curves.loss_charts(run.rows),
            *curves.other_charts(run.rows),
        ],
        "axes": chart,
        "end": chart.end_of(run.rows),
        "absent": [*absent, *(f"samples/{name}" for name in broken)],
    }
