"""Aerial photo -> street map on the built-in data set: a first run, for two CPU cores.

    python scripts/train.py --config configs/demo.py

400 synthetic pairs of 128x128 pixels, 32 features, 3 epochs at batch size 1; nothing is downloaded.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "synthetic"
    config.data.image_size = (128, 128)
    config.data.synthetic_pairs = (400, 40, 40)
    config.model.base_features = 32
    config.train.epochs = 3
    config.lr.decay_epochs = 2
    return config
