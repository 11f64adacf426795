"""Street map -> satellite photo from 256x256 patches: 1,096 pairs become 4,384.

    python scripts/train.py --config configs/maps_to_satellite.py
    python scripts/train.py --config configs/maps_to_satellite.py --config.train.epochs=250

Source: a course report. Patches of 256 pixels, jitter from 286, batch norm, a constant learning
rate, the discriminator's loss not halved, batch size 1, a checkpoint every 10 epochs. The second
command resumes after 200 epochs, or where the first one was stopped, and trains to 250. The report
then used a batch size of 4: --config.train.batch_size=4 --allow_change.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:maps"
    config.data.root = "data/maps"
    config.data.direction = "BtoA"
    config.data.patch_size = (256, 256)
    config.model.norm = "batch"
    config.loss.discriminator_weight = 1.0
    config.lr.schedule = "constant"
    config.train.epochs = 200
    config.checkpoint.every_epochs = 10
    return config
