"""Aerial photo -> street map at 512 pixels: a U-Net of 9 levels with rematerialisation.

    python scripts/train.py --config configs/highres_512.py

The maps set has 600x600 pixels, cropped here to 512 without resizing. model.remat computes
activations again in the backward pass, which takes time and saves memory. Larger images of your own
with --config.data.image_size=1024 get a U-Net of 10 levels.
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
