"""Night -> day, the same place (Isola et al., 2017, appendix 6.2: transient attributes).

    python scripts/train.py --config configs/night2day.py

17,823 training pairs, 17 epochs at batch size 4. The learning rate is constant. The paper shows
day -> night: --config.data.direction=BtoA.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:night2day"
    config.data.root = "data/night2day"
    config.train.batch_size = 4
    config.train.epochs = 17
    config.lr.schedule = "constant"
    return config
