"""Aerial photo -> street map, the paper's maps set (Isola et al., 2017, appendix 6.2).

    python scripts/train.py --config configs/maps.py

1,096 training pairs of 600x600 pixels, 200 epochs at batch size 1, jitter from 286 pixels.
Side-by-side files in data/maps/train and data/maps/val are used if there are any; otherwise the
published set is downloaded to data/maps on first use.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:maps"
    config.data.root = "data/maps"
    config.data.direction = "AtoB"
    return config
