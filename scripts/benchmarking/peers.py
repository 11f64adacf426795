"""The rows of the peer, a user's clone of the PyTorch reference."""

import contextlib
import importlib.util
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from benchmarking import environments
from benchmarking.cases import Case, build_config
from benchmarking.children import program
from benchmarking.entries import Entry, Plan, first_row, prepare
from pix2pix_jax.core.errors import InputError, require

# What can be changed from outside to make the reference faster.
VARIANTS = {
    "channels_last": ("channels_last",),
    "bf16 autocast": ("bf16",),
    "torch.compile": ("compile",),
    "tuned (all three)": ("channels_last", "bf16", "compile"),
}
AS_IT_COMES, SAME_MALLOC = "as it comes", "same malloc"
# Where the peer's images come from.
IN_MEMORY, OWN_LOADER = "in memory", "its own loader"
_FILES = ("models/pix2pix_model.py", "options/train_options.py")
_LEVELS = (7, 8)  # levels of the reference's U-Nets


def check_peer(clone: pathlib.Path, case: Case) -> None:
    """Check that there is a peer for a case.

    Args:
        clone: Folder of the user's clone.
        case: A case of this package.

    Raises:
        InputError: The folder is not a clone, PyTorch is missing, or the reference has no such
            network.
    """
    missing = [name for name in _FILES if not (clone / name).is_file()]
    if missing:
        raise InputError(
            f"--peer {clone}: it has no {missing[0]}; expected a clone of "
            "github.com/junyanz/pytorch-CycleGAN-and-pix2pix"
        )
    if importlib.util.find_spec("torch") is None:
        require("torch", "torch")
    if case.levels not in _LEVELS:
        sizes = " or ".join(f"{2**levels}" for levels in _LEVELS)
        raise InputError(
            f"--image_size {case.image_size}: the reference's U-Nets take multiples of {sizes}"
        )
    for key, _ in case.overrides:
        if not key.startswith("train."):
            raise InputError(
                f"--config.{key} with --peer: the reference would not run the same network on the "
                "same data; only keys of the section train can be set"
            )


def start_peers(
    stack: contextlib.ExitStack, case: Case, plan: Plan, *, gpu: bool
) -> Iterator[Entry]:
    """Start the peer's programs, one after another.

    Args:
        stack: Ends the programs.
        case: A case of this package, for batch, size and network.
        plan: How they are measured.
        gpu: Whether they run on the first GPU.

    Yields:
        The rows. Each program is stopped as soon as it is prepared.
    """
    # On a GPU, a step does not wait for host memory.
    can_set = environments.malloc_can_be_set() and not gpu
    kinds = [("", False), *([("", True)] if can_set else [])]
    kinds += [(variant, can_set) for variant in plan.variants]
    for variant, malloc in kinds:
        name = ", ".join(filter(None, [variant, SAME_MALLOC if malloc else ""])) or AS_IT_COMES
        entry = Entry(first_row(case, "peer", name, IN_MEMORY))
        entry.row["dtype"] = "bfloat16" if "bf16" in VARIANTS.get(variant, ()) else "float32"
        asked = json.dumps(_ask_peer(case, plan, variant, gpu=gpu))
        environment = environments.for_peer(malloc=malloc, gpu=gpu)
        prepare(stack, entry, [*program("peer", as_file=True), asked], environment)
        yield entry
        if name == AS_IT_COMES:
            yield _own_loop(entry)


def _own_loop(entry: Entry) -> Entry:
    """Return the row of the peer's own training loop, measured in the same program."""
    row = dict(entry.row, data=OWN_LOADER)
    if row.get("no_loader"):
        row["failed"] = row["no_loader"]
    return Entry(row, entry.child, "run_loop")


def _ask_peer(case: Case, plan: Plan, variant: str, *, gpu: bool) -> dict[str, Any]:
    config = build_config(case, plan.root)
    return {
        "clone": str(plan.clone),
        "root": str(plan.root),
        "pairs": plan.pairs,
        "batch_size": case.batch_size,
        "image_size": case.image_size,
        "load_size": config.data.load_size[0],
        "base_features": case.base_features,
        "levels": case.levels,
        "steps": plan.steps,
        "gpu": gpu,
        "options": VARIANTS.get(variant, ()),
    }
