"""A page that translates pictures in the browser: a folder of static files."""

import dataclasses
import json
import logging
import pathlib
import re
import shutil
from collections.abc import Sequence
from typing import Any

from pix2pix_jax.core.errors import InputError, one_line, some_of
from pix2pix_jax.core.files import (
    atomic_folder,
    no_empty_folders,
    read_json_object,
    refuse_unwritable,
)
from pix2pix_jax.core.version import __version__
from pix2pix_jax.deployment.page_run import PageRun, refuse_unshowable, write_run
from pix2pix_jax.deployment.page_runtime import write_runtime
from pix2pix_jax.deployment.verification import Comparison
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.generator import Generator

logger = logging.getLogger(__name__)

CONTENTS = "page.json"  # what the page shows; also the mark of a folder that this module wrote
_WEB = pathlib.Path(__file__).parent / "web"
_RUNTIME, _RUNS = "runtime", "runs"
_MAKER = "pix2pix_jax"


@dataclasses.dataclass(frozen=True)
class Page:
    """A page that was written.

    Attributes:
        path: Its folder.
        size: Bytes of all its files.
        compared: How far each run's network in the page is from this package.
    """

    path: pathlib.Path
    size: int
    compared: dict[str, Comparison]


def check_output(output: pathlib.Path) -> None:
    """Raise InputError unless a page can be written to a folder.

    It can be if the folder does not exist, is empty, or holds an older page and nothing else.
    """
    refuse_unwritable(output)
    here = pathlib.Path.cwd()
    if here.is_relative_to(output.absolute()) or output.resolve() in (here, *here.parents):
        raise InputError(f"--output {output}: you are in this folder; choose one inside it")
    if output.is_mount():
        raise InputError(f"--output {output}: another disk begins here; choose a folder inside it")
    if not output.is_dir():
        return
    there = {path.relative_to(output).as_posix() for path in output.rglob("*") if not path.is_dir()}
    page = read_json_object(output / CONTENTS)
    ours = page.get("files") if page.get("made_by") == _MAKER else None
    others = sorted(there.difference(map(str, ours if isinstance(ours, list) else [])))
    if others:
        raise InputError(
            f"--output {output}: holds files that are not of a page: {some_of(others)}; choose "
            "another folder"
        )


def write_page(
    runs: Sequence[tuple[RunFolder, Generator]], output: pathlib.Path, *, runtime: str = ""
) -> Page:
    """Write a page, completely or not at all.

    Args:
        runs: The runs' folders with their generators, in the order of the page.
        output: The folder, see `check_output`.
        runtime: See `page_runtime.write_runtime`.

    Returns:
        What was written.

    Raises:
        InputError: The folder holds something else, or is inside the data of a run; a browser
            cannot show a run, or ONNX cannot hold its network; or there is no onnxruntime-web.
    """
    check_output(output)
    named = _named(runs)
    for run in named:
        run.folder.refuse_output_in_data(output)
        refuse_unshowable(run)
    place = output.absolute()
    with no_empty_folders(place.parent):
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(place, replaces=True) as content:
            compared = _write(named, content, runtime)
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    return Page(output, size, compared)


def _write(runs: Sequence[PageRun], folder: pathlib.Path, runtime: str) -> dict[str, Comparison]:
    for path in _WEB.iterdir():
        place = folder / _RUNTIME if path.suffix == ".txt" else folder  # the runtime's licence
        place.mkdir(exist_ok=True)
        shutil.copyfile(path, place / path.name)
    version = write_runtime(folder / _RUNTIME, runtime)
    shown: list[dict[str, Any]] = []
    compared = {}
    for number, run in enumerate(runs):
        plain = re.sub(r"[^a-z0-9]+", "-", run.name.lower()).strip("-")
        about, compared[run.name] = write_run(run, folder / _RUNS / f"{number + 1}-{plain}")
        shown.append(about)
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    contents = {
        "made_by": _MAKER,
        "version": __version__,
        "runtime": version,
        "runs": shown,
        "files": sorted([*files, CONTENTS]),
    }
    text = json.dumps(contents, indent=1) + "\n"
    (folder / CONTENTS).write_text(text, encoding="utf-8")
    return compared


def _named(runs: Sequence[tuple[RunFolder, Generator]]) -> list[PageRun]:
    """Give the runs the names of their folders, with a number if two have the same."""
    names = [one_line(folder.path.resolve().name) for folder, _ in runs]
    named = []
    for place, (folder, generator) in enumerate(runs):
        same = names[: place + 1].count(names[place])
        name = names[place] if same == 1 else f"{names[place]} ({same})"
        named.append(PageRun(name, folder, generator))
    return named
