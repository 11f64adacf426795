"""Whether everything in a run's folder is what was written: `check` prints it as a table."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator

from pix2pix_jax.core.config_files import load_json
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.files import read_json
from pix2pix_jax.runs.bundle import WEIGHTS_FILE, is_bundle, read_bundle, step_of
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.writers import read_table


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found out about a part of a run.

    Attributes:
        part: The part, such as `metrics.csv` or `checkpoint 30`.
        good: Whether nothing is wrong with it.
        text: What there is to say, in one line.
    """

    part: str
    good: bool
    text: str


def inspect_run(folder: RunFolder) -> Iterator[Finding]:
    """Read every file that a run needs, and compare its checkpoints with their digests.

    Nothing is changed. Own code of the run is not run.

    Args:
        folder: The run's folder.

    Yields:
        What was found out, in the order of the table.

    Raises:
        InputError: The folder does not hold a run.
    """
    if not folder.config_file.exists():
        folder.config  # noqa: B018 - refuses a folder that holds no run at all
    yield _try(folder.config_file, lambda: _describe_config(folder))
    if is_bundle(folder):
        yield _try(folder.path / WEIGHTS_FILE, lambda: _describe_weights(folder))
        return
    yield _try(folder.record_file, lambda: _count(read_json(folder.record_file)["starts"], "start"))
    yield _try(folder.metrics_file, lambda: _describe_table(folder.metrics_file))
    if folder.summary_file.exists():
        yield _try(folder.summary_file, lambda: f"complete at step {_last_step(folder)}")
    else:
        yield Finding(folder.summary_file.name, True, "none: the run is not complete")
    if folder.settings.log.report:
        yield _try(folder.report_file, lambda: _describe_page(folder.report_file))
    yield from _inspect_checkpoints(folder)


def _try(path: pathlib.Path, describe: Callable[[], str]) -> Finding:
    """Describe a file, or say why it cannot be read."""
    try:
        return Finding(path.name, True, describe())
    except FileNotFoundError:
        return Finding(path.name, False, "is missing")
    except (InputError, OSError) as error:
        return Finding(path.name, False, str(error))
    except (KeyError, TypeError, ValueError):
        return Finding(path.name, False, "is not a file of a run")


def _describe_config(folder: RunFolder) -> str:
    load_json(folder.config_file)  # not folder.config: a checkpoint can stand in for the file
    return f"hash {folder.hash}"


def _describe_weights(folder: RunFolder) -> str:
    read_bundle(folder)
    return f"step {step_of(folder, 'latest')}, equal to its digest"


def _count(things: list[object], what: str) -> str:
    return f"{len(things)} {what}" + ("" if len(things) == 1 else "s")


def _describe_table(path: pathlib.Path) -> str:
    path.stat()  # raises if it is missing
    rows = read_table(path)[1]
    return _count(list(rows), "row") + (f", the last of step {rows[-1]['step']}" if rows else "")


def _last_step(folder: RunFolder) -> int:
    return int(read_json(folder.summary_file)["steps"])


def _describe_page(path: pathlib.Path) -> str:
    if path.exists() and not path.is_file():  # reading a named pipe would wait for ever
        raise InputError("is not a file")
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise InputError("is not complete; the next evaluation of the run writes it again")
    return f"{path.stat().st_size / 1e6:.1f} MB"


def _inspect_checkpoints(folder: RunFolder) -> Iterator[Finding]:
    """Compare every checkpoint with its digests, and count those that are kept aside."""
    with Checkpoints(folder.path, read_only=True) as checkpoints:
        if not checkpoints.steps:
            yield Finding("checkpoints", True, "none")
        for step in checkpoints.steps:
            try:
                known = checkpoints.verify(step)
            except InputError as error:
                yield Finding(f"checkpoint {step}", False, str(error))
                continue
            text = "equal to its digests" if known else "readable; version 0.1.0 kept no digests"
            yield Finding(f"checkpoint {step}", True, text)
    aside = sorted(folder.damaged.iterdir()) if folder.damaged.is_dir() else []
    if aside:
        names = ", ".join(path.name for path in aside)
        yield Finding(folder.damaged.name, True, f"kept aside, not used: {names}")
