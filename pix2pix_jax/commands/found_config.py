"""`train --data`: a configuration for a folder of pairs, with a line on each thing that was found.

The folder is looked at by `data.preparation.survey`; how long to train is in `training.recipes`.
"""

import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from ml_collections import ConfigDict

from pix2pix_jax.commands.finding import Finding, plain
from pix2pix_jax.commands.found_recipe import find_recipe
from pix2pix_jax.commands.found_scale import find_scale
from pix2pix_jax.commands.found_sides import find_sides
from pix2pix_jax.core.config import default_config, flatten
from pix2pix_jax.core.config_files import override
from pix2pix_jax.core.errors import InputError, counted, some_of
from pix2pix_jax.core.files import real_path, refuse_inside
from pix2pix_jax.core.scales import scaled
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.data import layouts
from pix2pix_jax.data.build import build_source
from pix2pix_jax.data.conditions import read_table
from pix2pix_jax.data.configured_format import format_of
from pix2pix_jax.data.derive import DERIVATIONS
from pix2pix_jax.data.names import Names, build_names
from pix2pix_jax.data.numbers import find_usual, read_numbers, values_of
from pix2pix_jax.data.preparation.layout import FORMS, find_mask
from pix2pix_jax.data.preparation.sizes import choose_size, middle_size
from pix2pix_jax.data.preparation.survey import Survey, name_of_splits, survey
from pix2pix_jax.data.sources import SPLITS, Source
from pix2pix_jax.data.splits import build_held_out
from pix2pix_jax.runs.folder import RunFolder

_CALLED = {
    "side_by_side": ("pair side by side in one file", "pairs side by side in one file"),
    "folders": ("pair of two files", "pairs of two files"),
    "single": ("single image", "single images"),
}
_SHARES = (0.8, 0.1, 0.1)
_FEW = 10  # pairs, below which none are held out
_LEAST_FOR_PATCHES = 24  # side that the discriminator's three layers need


def default_workdir(root: str) -> pathlib.Path:
    """Return the folder of a run on a data set: `runs/` and the folder's name, as it was given."""
    path = pathlib.Path(os.path.normpath(pathlib.Path(root).absolute()))  # links stay
    return pathlib.Path("runs", path.name or "data")


def find_or_resume(
    root: str, workdir: pathlib.Path, overrides: Sequence[tuple[str, str]]
) -> tuple[ConfigDict, list[str]]:
    """Find the configuration for a data set; or take that of the run in the folder.

    Args:
        root: Folder of the data set.
        workdir: Folder of the run.
        overrides: Keys that the user gave, and their texts.

    Returns:
        The configuration, which is valid, and lines on how it came about.

    Raises:
        InputError: The run would be inside the data, the folder has a run on other data, or as for
            `find_config`.
    """
    refuse_inside(workdir, root, "the data set", flag="--workdir")
    folder = RunFolder(workdir)
    if not folder.config_file.exists():
        config, lines = find_config(root, overrides)
        where = f"{folder.config_file} keeps it when the run starts, and --config takes that back"
        return config, [*lines, f"config: {_describe(config)}; {where}"]
    config = folder.config
    if real_path(config.data.root) != real_path(root):
        raise InputError(
            f"--data {root}: the run in {workdir} is on other data ({config.data.root}); choose "
            "another --workdir"
        )
    for key, text in overrides:
        override(config, key, text)
    resolve(config)
    found = f"{folder.config_file} from the first start is used, the data is not looked at again"
    return config, [f"config: {found}; {_describe(config)}"]


def _describe(config: ConfigDict) -> str:
    """Return the keys that differ from the defaults."""
    defaults = flatten(default_config())
    changed = {key: value for key, value in flatten(config).items() if value != defaults[key]}
    return " ".join(f"{key}={plain(value)}" for key, value in changed.items())


def find_config(root: str, overrides: Sequence[tuple[str, str]]) -> tuple[ConfigDict, list[str]]:
    """Find the configuration for a data set, and a recipe for its number of pairs.

    Args:
        root: Folder of the data set.
        overrides: Keys that the user gave, and their texts; they are never changed.

    Returns:
        The configuration, which is valid, and a line on each thing that was found, with its reason.

    Raises:
        InputError: What was found allows for no configuration, or for several; the message has the
            flag that decides.
    """
    finding = Finding([*overrides, ("data.root", repr(root))])
    if any(key == "data.root" for key, _ in overrides):
        raise InputError(f"--config.data.root: --data {root} says it already; leave one out")
    data = finding.config.data
    source = data.source if finding.given("data.source") else ""
    if source not in ("", *FORMS):
        raise InputError(
            f"--config.data.source={source} with --data: choose from {', '.join(FORMS)}, or give a "
            "--config instead of --data"
        )
    _find_table(finding, root)
    names = _with_masks(finding, root, source)
    options = {key: data[key] for key in ("max_pixels", "unpaired", "on_error", "direction")}
    if finding.config.derive.kind and not source and not layouts.find_sides(root, names):
        seen = survey(root, "single", names, **options)  # however wide the images are
        seen = dataclasses.replace(seen, reason="as derive.kind makes the other side")
    else:
        seen = survey(root, source, names, **options)
    finding.put("data.source", seen.layout.source)
    _say_layout(finding, root, seen)
    find_sides(finding, seen)
    _find_size(finding, seen, find_scale(finding, seen))
    counts = _find_splits(finding, seen)
    find_recipe(finding, counts["train"])
    resolve(finding.config)
    return finding.config, finding.lines


def _find_table(finding: Finding, root: str) -> None:
    """Use a table of numbers beside the images, if the folder has one of the usual name."""
    usual = None if finding.given("data.condition") else find_usual(pathlib.Path(root))
    if usual is None:
        return
    finding.put("data.condition", usual)
    with _way_out_of_table(finding):
        table = read_table(pathlib.Path(root, usual))
    finding.say(
        "numbers",
        f"{usual} has {', '.join(table.names)} for {counted(len(table.rows), 'name')}; "
        "--config.data.condition='' leaves them out",
        "data.condition_names",
    )


def _with_masks(finding: Finding, root: str, source: str) -> Names:
    """Return what the folders are called, and use one of masks if there is one."""
    names = build_names(finding.config.data)
    if finding.given("data.mask") or source not in ("", "folders"):
        return names
    word = find_mask(root, names)
    if word:
        finding.put("data.mask", word)
        finding.say(
            "masks",
            f"the folder {word} has one for each pair: black pixels of it do not count, white ones "
            "do; --config.data.mask='' --config.data.source=folders leaves them out",
            "data.mask",
        )
    return dataclasses.replace(names, mask=word)


def _say_layout(finding: Finding, root: str, seen: Survey) -> None:
    """Say which layout the files have."""
    layout = seen.layout
    count = len(layout.items)
    one, several = _CALLED[layout.source]
    text = f"{count} {one if count == 1 else several}, {seen.reason}"
    if len(seen.sides) > 2:
        text = text.replace("of two files", f"of {len(seen.sides)} files", 1)
    if layout.elsewhere:
        text += f"; not used: {len(layout.elsewhere)} images ({some_of(layout.elsewhere)})"
    finding.say("layout", text, "data.folder_a", "data.folder_b", "data.pair_by")
    if layout.source == "single" and not finding.config.derive.kind:
        lonely = layouts.find_lonely(root, build_names(finding.config.data))
        hint = f" ({lonely[0]} could be one side, but there is no {lonely[1]})" if lonely else ""
        raise InputError(
            f"{root}: {text}; say how to make the other side with --derive "
            f"{', '.join(DERIVATIONS)}; if they are pairs{hint}, say how with "
            "--config.data.pair_by, --config.data.folder_a and --config.data.folder_b, or "
            "--config.data.source"
        )
    if seen.unread:
        finding.say("cannot be used", f"{len(seen.unread)} of those looked at: {seen.unread[0]}")


def _find_size(finding: Finding, seen: Survey, source_sizes: Sequence[tuple[int, int]]) -> None:
    """Choose a size that the networks take."""
    sizes = set(source_sizes)
    middle = middle_size(source_sizes)
    text = f"{middle[0]} x {middle[1]} pixels (height x width)"
    if len(sizes) > 1:
        text = f"{len(sizes)} sizes, in the middle {text}"
    scale = finding.config.data.target_scale
    finding.put("data.image_size", choose_size(source_sizes, scale))
    settings = resolve(finding.config).data
    size, load = settings.image_size, settings.load_size
    if min(scaled(size, scale)) < _LEAST_FOR_PATCHES:
        finding.put("model.discriminator_layers", 2)
    shown = [f"{height} x {width}" for height, width in (load, size)]
    how = {
        "resize_and_crop": f"training resizes to {shown[0]} and cuts {shown[1]} out at random",
        "resize": f"all are resized to {shown[1]}",
        "none": f"they stay as they are, {shown[1]}",
    }.get(settings.resize, f"data.resize={settings.resize} makes them {shown[1]}")
    if min(middle) >= 2 * min(size) and settings.resize == "resize_and_crop":
        double = ",".join(str(2 * side) for side in dict.fromkeys(size))
        how += (
            f"; --config.data.image_size={double} keeps more detail, in about four times the time"
        )
    if seen.unequal and scale == 1:
        how += f"; {seen.unequal} of those looked at have sides of different size, each resized"
    keys = ("data.image_size", "data.load_size", "data.resize", "data.patch_size")
    finding.say("size", f"{text}; {how}", *keys)


def _find_splits(finding: Finding, seen: Survey) -> dict[str, int]:
    """Find the splits, or divide the files; return the number of pairs of each."""
    there = name_of_splits(seen.layout)
    total = len(seen.layout.items)
    divided = finding.given("data.split")
    if not divided and (not there or (there == ("train",) and total >= _FEW)):
        finding.put("data.split", _SHARES if total >= _FEW else (1.0, 0.0, 0.0))
        divided = True
    sources = _split_sources(finding)
    counts = _count(sources)
    if divided and total >= _FEW and not (counts["val"] and counts["test"]):
        held = max(total // 10, 1)
        finding.put("data.split", (total - 2 * held, held, held))
        sources = _split_sources(finding)
        counts = _count(sources)
    _check_rows(finding, sources)
    text = ", ".join(f"{split} {counts[split]}" for split in SPLITS)
    if divided:
        split = plain(finding.config.data.split)
        why = "there are no folders for them" if not there else "there is no val or test folder"
        text += f"; by a hash of the names ({split}), as {why}"
        if counts["val"]:
            text += ". Training warns if held-out pairs look like training pairs"
    elif len({"val", "test"} & set(there)) == 1:
        (only,) = {"val", "test"} & set(there)
        text += f"; as the folders are, and {only} serves as both val and test"
    else:
        text += "; as the folders are"
    if not counts["val"]:
        text += ". None are held out, so there are no validation scores"
    finding.say("splits", text, "data.split", "data.split_names", "data.max_pairs")
    return counts


def _split_sources(finding: Finding) -> dict[str, Source]:
    """Return the pairs of each split that has any, as training finds them."""
    settings = resolve(finding.config)
    data, form = settings.data, format_of(settings)
    sources = {"train": build_source(data, form, "train", seed=settings.seed)}
    for split in ("val", "test"):
        held_out = build_held_out(data, form, split, seed=settings.seed)
        if held_out is not None:
            sources[split] = held_out
    return sources


def _count(sources: Mapping[str, Source]) -> dict[str, int]:
    """Return the number of pairs of each split."""
    return {split: len(sources.get(split, ())) for split in SPLITS}


def _check_rows(finding: Finding, sources: Mapping[str, Source]) -> None:
    """Refuse a table of numbers that lacks the row of a pair."""
    data = resolve(finding.config).data
    if not data.condition:
        return
    table = read_numbers(data)
    with _way_out_of_table(finding):
        for split, source in sources.items():
            values_of(table, source, split, data)


@contextlib.contextmanager
def _way_out_of_table(finding: Finding) -> Iterator[None]:
    """Add to an error of a table that was found, not given, how to train without it."""
    try:
        yield
    except InputError as error:
        if finding.given("data.condition"):
            raise
        raise InputError(f"{error}; --config.data.condition='' trains without it") from None
