"""Aerial photo -> street map, the paper's maps set (Isola et al., 2017, appendix 6.2).

    python scripts/train.py --config configs/maps.py

1,096 training pairs side by side in data/maps/train, 200 epochs at batch 1, jitter from 286 pixels.
"""

from pix2pix_jax.config import default_config


def get_config():
    config = default_config()
    config.data.source = "side_by_side"
    config.data.root = "data/maps"
    config.data.direction = "AtoB"
    return config
