"""Aerial photo -> street map, 70/15/15 of all 2,194 pairs, a U-Net of 7 levels.

    python scripts/train.py --config configs/maps_split.py

Source: a course report on photo-to-map translation with instance norm. The pairs of all splits are
pooled and divided again by a hash of their names. Tiles of this set overlap with an offset, so a
random split puts parts of the training photos into the held-out ones and the scores are too good;
the warning about near-duplicates does not detect that. configs/maps.py keeps the published split.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:maps"
    config.data.root = "data/maps"
    config.data.split = (0.7, 0.15, 0.15)
    config.model.levels = 7
    return config
