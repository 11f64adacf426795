"""Numbers beside the image files that are translated."""

import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.data.conditions import read_table
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.output_files import Job

_FLAG = "--condition "
_TABLES = (".csv", ".json")


def parse_condition(texts: Sequence[str]) -> dict[str, str] | pathlib.Path | None:
    """Return what `--condition` says.

    Args:
        texts: `name=value`, several with commas between them; or the path of a table alone.

    Returns:
        The values by name, the path of the table, or None if there is no text.

    Raises:
        InputError: A text is something else, or a name is there twice.
    """
    if not texts:
        return None
    if len(texts) == 1 and pathlib.Path(texts[0]).suffix.lower() in _TABLES and "=" not in texts[0]:
        return pathlib.Path(texts[0])
    return parse_values(texts, _FLAG, ", or one .csv or .json file")


def parse_values(texts: Sequence[str], given: str, otherwise: str = "") -> dict[str, str]:
    """Return the values of texts such as `age=3,dose=0.5` by name.

    Args:
        texts: The texts.
        given: The flag or the parameter that they were given with, for messages.
        otherwise: What else it may be, for messages.

    Raises:
        InputError: A text is something else, or a name is there twice.
    """
    found: dict[str, str] = {}
    for part in ",".join(texts).split(","):
        name, equals, value = (each.strip() for each in part.partition("="))
        if not name or not equals:
            raise InputError(
                f"{given}{shown(part)}: expected name=value, several with commas between them"
                f"{otherwise}"
            )
        if name in found:
            raise InputError(f"{given}{name}: is given twice; keep one of them")
        found[name] = value
    return found


def read_rows(
    generator: Generator, table: str | pathlib.Path, source: pathlib.Path, jobs: Sequence[Job]
) -> dict[pathlib.Path, Float[np.ndarray, " k"]]:
    """Read the numbers beside some image files, as the generator sees them.

    Args:
        generator: The generator.
        table: A table; a row has the name of a file below `source`.
        source: The folder that the files are in, or the only file.
        jobs: The files, and where their results go.

    Returns:
        Normalised numbers by file.

    Raises:
        InputError: The generator takes no numbers, the table cannot be read or lacks a column, or a
            file has no row.
    """
    numbers = generator.refuse_none(f"{_FLAG}{table}")
    found = read_table(pathlib.Path(table), _FLAG).of(numbers.names)
    root = source if source.is_dir() else source.parent
    files = [path for path, _ in jobs]
    values = found.select([path.relative_to(root).as_posix() for path in files])
    numbers.warn_outside(values)
    return dict(zip(files, numbers.normalised(values), strict=True))
