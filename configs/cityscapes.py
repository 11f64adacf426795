r"""Street labels -> photo: three generators compared, 400/50/50 images, 60,000 steps.

    python scripts/train.py --config configs/cityscapes.py --workdir runs/unet
    python scripts/train.py --config configs/cityscapes.py --workdir runs/resnet \
        --config.model.generator=resnet
    python scripts/train.py --config configs/cityscapes.py --workdir runs/hybrid \
        --config.model.generator=hybrid

Source: a course report that compared a U-Net, a ResNet and a hybrid of both. 500 pairs of the
published set, chosen by a hash of their names and the seed: photo left, labels right. The report's
metrics (extra opencv) are computed every 1,000 steps; scripts/compare.py makes the report's table
and figure.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "pix2pix:cityscapes"
    config.data.root = "data/cityscapes"
    config.data.direction = "BtoA"
    config.data.split = (400, 50, 50)
    config.train.steps = 60_000
    config.eval.every_epochs = 0
    config.eval.every_steps = 1000
    config.eval.train_images = 50
    config.eval.metrics = (
        "l1",
        "psnr",
        "ssim",
        "histogram_correlation",
        "template_matching",
        "keypoint_ratio",
    )
    return config
