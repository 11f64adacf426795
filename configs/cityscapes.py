"""Street labels -> photo: three generators compared, 400/50/50 images, 60,000 steps.

    python scripts/train.py --config configs/cityscapes.py --workdir runs/cityscapes_unet
    python scripts/train.py --config configs/cityscapes.py --workdir runs/cityscapes_resnet --config.model.generator=resnet
    python scripts/train.py --config configs/cityscapes.py --workdir runs/cityscapes_hybrid --config.model.generator=hybrid

Source: a course report that compared a U-Net, a ResNet and a hybrid of both. 500 pairs, chosen by a
hash of their names and the seed, of the published set: photo left, labels right.
"""

from pix2pix_jax.config import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:cityscapes"
    config.data.root = "data/cityscapes"
    config.data.direction = "BtoA"
    config.data.split = (400, 50, 50)
    config.train.steps = 60_000
    return config
