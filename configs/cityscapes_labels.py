"""Street photo -> labels, the paper's Cityscapes set (Isola et al., 2017, table 6).

    python scripts/train.py --config configs/cityscapes_labels.py

2,975 training pairs, photo left and labels right, 200 epochs at batch size 1.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:cityscapes"
    config.data.root = "data/cityscapes"
    config.data.direction = "AtoB"
    return config
