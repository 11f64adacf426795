"""Edges -> photo of a handbag (Isola et al., 2017, appendix 6.2).

    python scripts/train.py --config configs/edges2handbags.py

137,000 training pairs, edges left and photo right, 15 epochs at batch size 4. The learning rate
is constant.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:edges2handbags"
    config.data.root = "data/edges2handbags"
    config.train.batch_size = 4
    config.train.epochs = 15
    config.lr.schedule = "constant"
    return config
