"""What a run says before its first step."""

from pix2pix_jax.core.devices import describe_hardware
from pix2pix_jax.core.errors import counted
from pix2pix_jax.training.fitting import count_parameters
from pix2pix_jax.training.run import Run


def start_lines(run: Run) -> list[str]:
    """Return the lines that say what a run is about to do, each of some words.

    Folder, devices, pairs of each split, parameters of both networks, length, and where the first
    scores, picture and checkpoint of this start will be.
    """
    height, width = run.networks.source_shape[:2]
    size, target_size = f"{height}x{width} pixels", run.networks.target_shape[:2]
    if target_size != (height, width):
        size += f", targets of {target_size[0]}x{target_size[1]}"
    pairs = ", ".join(f"{count:,} {split}" for split, count in run.splits.counts.items())
    return [
        f"folder: {run.folder}",
        f"devices: {_devices()}",
        f"pairs: {pairs}; {size}",
        f"parameters: {_parameters(run)}",
        f"length: {_length(run)}",
        f"next: {_next(run)}",
    ]


def _devices() -> str:
    found = describe_hardware()
    processes = f" in {found['processes']} processes" if found["processes"] != 1 else ""
    return f"{found['devices']} x {found['device']}{processes}"


def _parameters(run: Run) -> str:
    generator = count_parameters(run.networks.generator_shapes)
    if run.networks.discriminator_shapes is None:
        return f"{generator:,} in the generator; there is no discriminator"
    discriminator = count_parameters(run.networks.discriminator_shapes)
    return f"{generator:,} in the generator, {discriminator:,} in the discriminator"


def _length(run: Run) -> str:
    stop, batch = run.halts.stop, run.timeline.global_batch
    epochs = counted(run.halts.epochs, "epoch")
    steps = f"{counted(stop, 'step')} of {counted(batch, 'pair')}, in {epochs}"
    return f"{steps}; {stop - run.first_step:,} are left" if run.first_step else steps


def _next(run: Run) -> str:
    """Say at which steps the first evaluation and the first checkpoint of this start are due."""
    halts, step = run.halts, run.first_step
    evaluation = 0
    while step < halts.stop:
        step = halts.next_halt(step)
        evaluation = evaluation or (step if halts.evaluation_is_due(step) else 0)
        if halts.save_is_due(step):
            return f"scores and pictures at step {evaluation:,}, a checkpoint at step {step:,}"
    return "the last evaluation"
