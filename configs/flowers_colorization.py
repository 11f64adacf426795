r"""Gray -> colour, photos of flowers; batch norm against instance norm.

    python scripts/train.py --config configs/flowers_colorization.py
    python scripts/train.py --config configs/flowers_colorization.py --workdir runs/flowers_batch \
        --config.model.norm=batch

Source: a course report, batch size 32. Put photos into data/flowers/{train,val}, or all of them
into data/flowers with --config.data.split=0.8,0.1,0.1; the gray source is derived from them. From
TFDS: --config.data.source=tfds:oxford_flowers102. To predict the colour channels of Lab instead of
RGB, as in the paper: --config.derive.kind=lab --config.data.target_channels=2 .
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "single"
    config.data.root = "data/flowers"
    config.data.source_channels = 1
    config.derive.kind = "gray"
    config.train.batch_size = 32
    return config
