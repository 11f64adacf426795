"""What flags of other programs are called here, above all those of the PyTorch reference.

A name is written without its dashes; `name=value` goes before `name`. What stands for it starts
with `--`, with {} for the value that was given; anything else is said as it is.
"""

from pix2pix_jax.core.config_files import shipped_names
from pix2pix_jax.core.keys import KEYS

_RESUMES = "leave it out, as the same command goes on from the newest checkpoint of --workdir"
_ALL_DEVICES = (
    "leave it out, as all devices are used (CUDA_VISIBLE_DEVICES=0,1 before the command chooses "
    "GPUs, JAX_PLATFORMS=cpu the CPU)"
)
_CPU = "leave it out, as JAX_PLATFORMS=cpu before the command chooses the CPU"
_IN_THE_RUN = "leave it out, as the folder of the run says it"
_NO_COUNTERPART = "leave it out, as there is nothing like it here"
_VISDOM = "leave it out, as report.html, samples/ and tensorboard/ in the run's folder show a run"

_FOR_TRAIN = {
    # Options of the reference's train.py.
    "dataroot": "--config.data.root={}",
    "name": "--workdir=runs/{}",
    "checkpoints_dir": "--workdir={}/NAME",
    "gpu_ids": _ALL_DEVICES,
    "model": "leave it out, as every run is a pix2pix run",
    "input_nc": "--config.data.source_channels={}",
    "output_nc": "--config.data.target_channels={}",
    "ngf": "--config.model.base_features={}",
    "ndf": "--config.model.discriminator_features={}",
    "netD": "--config.model.discriminator={}",
    "netD=basic": "--config.model.discriminator=patch",
    "netD=n_layers": "--config.model.discriminator=patch",
    "netG": "--config.model.generator={}",
    "netG=resnet_6blocks": "--config.model.generator=resnet --config.model.blocks=6",
    "netG=resnet_9blocks": "--config.model.generator=resnet",
    "netG=unet_128": "--config.model.generator=unet --config.model.levels=7",
    "netG=unet_256": "--config.model.generator=unet --config.model.levels=8",
    "n_layers_D": "--config.model.discriminator_layers={}",
    "init_type": "--config.model.initializer={}",
    "init_gain": _NO_COUNTERPART,
    "no_dropout": "--config.model.dropout=0",
    "dataset_mode": "--config.data.source={}",
    "dataset_mode=aligned": "--config.data.source=side_by_side",
    "dataset_mode=colorization": "--config.data.source=single --config.derive.kind=gray",
    "serial_batches": "leave it out, as pairs are shuffled in every epoch",
    "num_threads": "--config.data.workers={}",
    "batch_size": "--config.train.batch_size={}",
    "crop_size": "--config.data.image_size={}",
    "max_dataset_size": "--config.data.max_pairs={}",
    "preprocess": "--config.data.resize={}",
    "no_flip": "--config.augment.flip=False",
    "suffix": "--workdir=runs/NAME",
    "use_wandb": "--config.log.wandb=True",
    "wandb_project_name": "--config.log.wandb_project={}",
    "display_freq": _VISDOM,
    "display_ncols": _VISDOM,
    "display_id": _VISDOM,
    "display_winsize": _VISDOM,
    "no_html": "--config.log.report=False",
    "update_html_freq": _VISDOM,
    "print_freq": "--config.log.every_steps={}",
    "save_latest_freq": "--config.checkpoint.every_epochs=...",
    "save_epoch_freq": "--config.checkpoint.every_epochs={}",
    "save_by_iter": "--config.checkpoint.every_epochs=...",
    "continue_train": _RESUMES,
    "epoch_count": _RESUMES,
    "load_iter": _RESUMES,
    "epoch": "--config.train.epochs={}; a run that was stopped goes on by itself",
    "phase": "leave it out, as training reads train/, and validation val/",
    "n_epochs": "--config.train.epochs=..., which is n_epochs + n_epochs_decay",
    "n_epochs_decay": "--config.lr.decay_epochs={}, with the decay in --config.train.epochs",
    "beta1": "--config.optimizer.b1={}",
    "lr": "--config.optimizer.learning_rate={}",
    "gan_mode": "--config.loss.gan={}",
    "pool_size": _NO_COUNTERPART,
    "lr_policy": "--config.lr.schedule={}",
    "lr_decay_iters": "--config.lr.decay_epochs={}",
    "lambda_L1": "--config.loss.reconstruction_weight={}",
    "verbose": _NO_COUNTERPART,
    # Names that other programs have.
    "data": "--config.data.root={}",
    "data_dir": "--config.data.root={}",
    "dataset": "--config.data.root={}",
    "output": "--workdir={}",
    "output_dir": "--workdir={}",
    "out": "--workdir={}",
    "log_dir": "--workdir={}",
    "logdir": "--workdir={}",
    "num_epochs": "--config.train.epochs={}",
    "max_epochs": "--config.train.epochs={}",
    "max_steps": "--config.train.steps={}",
    "batch": "--config.train.batch_size={}",
    "size": "--config.data.image_size={}",
    "img_size": "--config.data.image_size={}",
    "resolution": "--config.data.image_size={}",
    "num_workers": "--config.data.workers={}",
    "resume": _RESUMES,
    "resume_from": _RESUMES,
    "gpu": _ALL_DEVICES,
    "gpus": _ALL_DEVICES,
    "num_gpus": _ALL_DEVICES,
    "device": _ALL_DEVICES,
    "devices": _ALL_DEVICES,
    "no_cuda": _CPU,
    "cpu": _CPU,
    "amp": "--config.model.dtype=bfloat16",
    "fp16": "--config.model.dtype=bfloat16",
    "bf16": "--config.model.dtype=bfloat16",
    "pretrained": "--config.train.init_from={}",
    "wandb": "--config.log.wandb=True",
    "ema": "--config.train.ema_decay=0.999",
    "lambda": "--config.loss.reconstruction_weight={}",
}

_FOR_SAMPLE = {
    # Options of the reference's test.py.
    "dataroot": "--input={}",
    "name": "--workdir=runs/{}",
    "checkpoints_dir": "--workdir={}/NAME",
    "results_dir": "--output={}",
    "epoch": "--checkpoint={}",
    "load_iter": "--checkpoint={}",
    "phase": "--split={}",
    "eval": "--mode=deterministic",
    "gpu_ids": _ALL_DEVICES,
    "gpus": _ALL_DEVICES,
    "num_test": "leave it out, as all images of --input, or of --split, are translated",
    "preprocess": "--fit={}",
    "model": _IN_THE_RUN,
    "netG": _IN_THE_RUN,
    "ngf": _IN_THE_RUN,
    "norm": _IN_THE_RUN,
    "no_dropout": "--mode=deterministic",
    "direction": _IN_THE_RUN,
    "input_nc": _IN_THE_RUN,
    "output_nc": _IN_THE_RUN,
    "load_size": _IN_THE_RUN,
    "crop_size": _IN_THE_RUN,
    "dataset_mode": _IN_THE_RUN,
}


def for_train() -> dict[str, str]:
    """Return the table for `train`: other programs' names, and every key with and without section.

    Several keys of one name stand side by side; a key with its section goes before other programs'
    names, and these before a key without.
    """
    flags = {name: f"--config.{name}={{}}" for name in KEYS}
    leaves: dict[str, list[str]] = {}
    for name in KEYS:
        leaves.setdefault(name.rpartition(".")[2], []).append(flags[name])
    short = {name: " or ".join(several) for name, several in leaves.items()}
    configs = {name: f"--config={name}" for name in shipped_names()}
    return configs | short | _FOR_TRAIN | flags


def for_sample() -> dict[str, str]:
    """Return the table for `sample`: other programs' names."""
    return _FOR_SAMPLE
