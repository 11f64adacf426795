"""How the numbers beside a run's images are normalised: found when the run is prepared."""

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from pix2pix_jax.core.config import get
from pix2pix_jax.core.config_files import set_value
from pix2pix_jax.core.errors import InputError, shown
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.conditions import Table
from pix2pix_jax.data.configured_format import format_of
from pix2pix_jax.data.numbers import KEYS, Numbers, numbers_of, read_numbers, values_of
from pix2pix_jax.runs.checkpoint_files import steps_in
from pix2pix_jax.runs.folder import RunFolder

logger = logging.getLogger(__name__)


def adopt_numbers(folder: RunFolder, config: ConfigDict) -> ConfigDict:
    """Fill in the keys that say how the numbers beside the images are normalised.

    A run that goes on keeps what it has. One that starts with the networks of another run takes
    mean and deviation from there, as these networks mean them, if the names are the same. All else
    is measured in the training pairs.

    Args:
        folder: The run's own folder, which may hold the run already.
        config: Its configuration, as the user gave it.

    Returns:
        The configuration, or a copy with these keys.

    Raises:
        InputError: The table cannot be read, a training pair has no row, the keys contradict each
            other, or the run in the folder has other numbers.
    """
    settings = resolve(config)
    data = settings.data
    if not data.condition and not data.condition_names:
        _refuse_without_table(config)
        return config
    # Without a checkpoint, nothing was trained with what an earlier start has measured.
    theirs = folder.settings.data if steps_in(folder.checkpoints) else None
    recorded = numbers_of(theirs) if theirs is not None else None
    if theirs is not None and theirs.condition and not data.condition:
        raise InputError(
            f"data.condition='': the run in {folder} was started with {shown(theirs.condition)}; "
            "restore this table, or choose another --workdir"
        )
    table = read_numbers(data)
    if recorded is None:
        found = _as_keys(_measured(folder, settings, table))
        found |= {key: get(config, key) for key in KEYS[1:] if get(config, key)}
    else:
        found = _as_keys(recorded)
        _refuse_changes(folder, config, table, found)
    changed = config.copy_and_resolve_references()
    for key, value in found.items():
        set_value(changed, key, value)
    numbers_of(resolve(changed).data)  # keys that contradict each other are refused here
    return changed


def _refuse_without_table(config: ConfigDict) -> None:
    """Raise InputError if a key speaks of numbers that the run does not have."""
    for key in KEYS[1:]:
        if value := get(config, key):
            raise InputError(
                f"{key}={shown(value)} with data.condition='': there are no numbers; give their "
                f"table with data.condition, or leave {key} out"
            )


def _as_keys(numbers: Numbers) -> dict[str, Any]:
    return dict(zip(KEYS, vars(numbers).values(), strict=True))


def _refuse_changes(
    folder: RunFolder, config: ConfigDict, table: Table, recorded: Mapping[str, Any]
) -> None:
    """Raise InputError if the run in the folder was started with other numbers."""
    names = recorded[KEYS[0]]
    if {*names} != {*table.names}:
        raise InputError(
            f"{table.where}: has {', '.join(table.names)}, and the run in {folder} was started "
            f"with {', '.join(names)}; restore these columns, or choose another --workdir"
        )
    for key in KEYS[1:]:
        asked = get(config, key)
        if asked and asked != recorded[key]:
            raise InputError(
                f"{key}={shown(asked)}: the run in {folder} was started with "
                f"{shown(recorded[key])}; leave it out, or choose another --workdir"
            )


def _measured(folder: RunFolder, settings: ConfigDict, table: Table) -> Numbers:
    """Measure the numbers of the training pairs, and say so."""
    theirs = _of_other_run(folder, settings)
    same = theirs is not None and {*theirs.names} == {*table.names}
    if theirs is not None and same:
        table = table.of(theirs.names)
    form = format_of(settings)
    source = build_source(settings.data, form, "train", seed=settings.seed, code=folder.code)
    numbers = Numbers.measured(table.names, values_of(table, source, "train", settings.data))
    for name, low, high in zip(numbers.names, numbers.low, numbers.high, strict=True):
        if low == high:
            logger.warning("%s: %s is %g for all training pairs", table.where, name, low)
        else:
            logger.info("%s: %s from %g to %g", table.where, name, low, high)
    if theirs is None or not same:
        return numbers
    return dataclasses.replace(numbers, mean=theirs.mean, deviation=theirs.deviation)


def _of_other_run(folder: RunFolder, settings: ConfigDict) -> Numbers | None:
    """Return the numbers of `train.init_from`; None if there is none, or it has no numbers."""
    if not settings.train.init_from:
        return None
    other = RunFolder(settings.train.init_from, trust_code=folder.code.trusts)
    return numbers_of(other.settings.data)
