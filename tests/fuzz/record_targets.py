"""Targets: the files of a run's folder that pages and tables are made of, damaged."""

import functools
import json
import pathlib
import tempfile

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.reports.run_page import write_report
from pix2pix_jax.reports.saved_scores import read_evaluation
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.record import read_record

from .mutations import mutate

_FILES = ("config.json", "run.json", "metrics.csv", "summary.json")
_SUMMARY = {
    **{"steps": 40, "epochs": 4, "seconds": 3725.4, "images_per_second": 61.25},
    **{"val": {"l1": 0.125}, "baseline": {"mean_target_l1": 0.5, "copy_source_l1": 0.75}},
}
_SCORES = ("metrics.json", "per_image.csv")
_VALUES = (
    None,
    True,
    -1,
    0,
    10**400,
    1e308,
    float("nan"),
    "",
    "x" * 5000,
    [],
    {},
    [[[]]],
    "\ud800",
)


@functools.cache
def _run():
    folder = tempfile.TemporaryDirectory()
    run = pathlib.Path(folder.name, "run")
    RunFolder(run).record_start(default_config(), first_step=0, command="python train.py")
    rows = [f"{step},{step / 10},{4 / step},{1 / step}" for step in range(5, 45, 5)]
    (run / "metrics.csv").write_text("\n".join(["step,epoch,g_loss,val_l1", *rows, ""]))
    (run / "summary.json").write_text(json.dumps(_SUMMARY))
    scores = {"checkpoint": 40, "epoch": 4.0, "n": 2, "config_hash": "0123456789ab"}
    scores["metrics"] = {"l1": {"mean": 0.5, "std": 0.1}, "fid": {"mean": 30.0, "n": 2}}
    (run / "metrics.json").write_text(json.dumps(scores))
    (run / "per_image.csv").write_text("name,l1\na.png,0.4\n'=b.png,0.6\n")
    whole = {name: (run / name).read_bytes() for name in (*_FILES, *_SCORES)}
    return folder, run, whole


def _other_values(value, rng):
    """Replace some values inside a JSON value by values of other kinds."""
    if rng.random() < 0.1:
        return _VALUES[rng.integers(len(_VALUES))]
    if isinstance(value, dict):
        return {key: _other_values(inner, rng) for key, inner in value.items()}
    return [_other_values(inner, rng) for inner in value] if isinstance(value, list) else value


def _damage(names, rng):
    """Write the files of a run, one to all of them damaged."""
    _, run, whole = _run()
    for name, content in whole.items():
        if name in names and rng.random() < 0.5:
            if name.endswith(".json") and rng.random() < 0.5:
                content = json.dumps(_other_values(json.loads(content), rng)).encode()
            else:
                content = mutate(content, rng)
        (run / name).write_bytes(content)
    return run


def _records(rng):
    """Read the record of a damaged run, and draw its page."""
    run = _damage(_FILES, rng)
    record = read_record(run)
    assert record.share <= 1
    (run / "report.html").unlink(missing_ok=True)
    assert "</html>" in write_report(run).read_text(encoding="utf-8")
    return not record.missing


def _settings(rng):
    """Open a damaged run as the commands do."""
    run = _damage(("config.json", "run.json"), rng)
    try:
        folder = RunFolder(run)
        folder.refuse_output_in_data(run / "out")
    except InputError:
        return False
    return True


def _scores(rng):
    """Read damaged scores."""
    found = read_evaluation(_damage(_SCORES, rng))
    if found is None:
        return False
    assert all(isinstance(score.mean, float | None) for score in found.scores.metrics.values())
    assert len(found.values) == found.scores.count
    return True


TARGETS = {"records: page": _records, "records: config": _settings, "records: scores": _scores}
