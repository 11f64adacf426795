"""Aerial photo -> street map at 512 pixels: a U-Net of 9 levels, activations computed again.

    python scripts/train.py --config configs/highres_512.py

The maps set's 600x600 pixels, cropped to 512 without resizing. model.remat trades time for memory;
--config.data.image_size=1024 with larger images of your own has 10 levels.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:maps"
    config.data.root = "data/maps"
    config.data.resize = "crop"
    config.data.image_size = (512, 512)
    config.model.remat = True
    return config
