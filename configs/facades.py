"""Label map -> photo of a facade, the paper's facades set (Isola et al., 2017, appendix 6.2).

    python scripts/train.py --config configs/facades.py

400 training pairs, photo left and labels right, 200 epochs at batch size 1. Files in data/facades
are used if there are any; otherwise the published set is downloaded there on first use.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:facades"
    config.data.root = "data/facades"
    config.data.direction = "BtoA"
    return config
