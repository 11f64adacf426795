"""The files of a run, written as the training writes them, without any training."""

import json

import numpy as np

from pix2pix_jax.core.config import default_config
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.writers import CsvWriter

COMMAND = "python scripts/train.py --config configs/maps.py --config.train.epochs=4"
SUMMARY = {
    "steps": 40,
    "epochs": 4,
    "seconds": 3725.4,
    "images_per_second": 61.25,
    "data_wait_share": 0.034,
    "val": {"l1": 0.125, "psnr": 20.5},
    "baseline": {"mean_target_l1": 0.5, "copy_source_l1": 0.75},
}


def draw_sample(run, name, level):
    """Write a plain picture to a run's samples."""
    (run / "samples").mkdir(exist_ok=True)
    image_files.write(run / "samples" / name, np.full((32, 48, 3), level, np.uint8))


def write_rows(run, epochs):
    """Write `metrics.csv`: ten steps an epoch, a row every five."""
    writer = CsvWriter(run / "metrics.csv", 0)
    for step in range(5, 10 * epochs + 1, 5):
        losses = {"g_loss": 40 / step, "g_loss_gan": 1.0, "g_loss_l1": 0.4, "d_loss": 0.5}
        row = {"epoch": step / 10, "learning_rate": 2e-4, **losses, "d_loss_real": 0.25}
        if step % 10 == 0:
            row |= {"val_l1": 1 / step, "val_psnr": 20 - step / 10, "images_per_second": 60.0}
        writer.scalars(step, row)


def make_run(run, epochs=4, complete=True):
    """Write the files of a run of four epochs, of which some are done."""
    run.mkdir()
    config = default_config()
    config.train.epochs = 4
    config.data.image_size = (32,)
    RunFolder(run).record_start(config, first_step=0, command=COMMAND)
    write_rows(run, epochs)
    for epoch in range(epochs + 1):
        draw_sample(run, f"epoch_{epoch:04d}.png", 50 * epoch)
    if complete:
        (run / "summary.json").write_text(json.dumps(SUMMARY))
    return run
