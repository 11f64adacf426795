"""Aerial view -> street view of the same place: the cross-view pairs of the Dayton set.

    python scripts/train.py --config configs/dayton_aerial2street.py

Source: a course report. Same files and settings as in dayton_street2aerial.py: data/dayton/A holds
street views, data/dayton/B aerial views.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "folders"
    config.data.root = "data/dayton"
    config.data.direction = "BtoA"
    config.data.resize = "resize"
    config.augment.flip = False
    config.optimizer.learning_rate = 2e-3
    config.train.batch_size = 24
    return config
