"""Gray -> colour, faces cropped from a video; batch norm against instance norm.

    python scripts/prepare.py frames video.mp4 data/faces --every 25 --faces
    python scripts/train.py --config configs/faces_colorization.py

Source: a course report, batch size 32. All images in data/faces are split by a hash of their names.
Frames of one scene look alike, so take each split from different videos if you can (folders train,
val and test, and --config.data.split="()").
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "single"
    config.data.root = "data/faces"
    config.data.split = (0.8, 0.1, 0.1)
    config.data.source_channels = 1
    config.derive.kind = "gray"
    config.train.batch_size = 32
    return config
