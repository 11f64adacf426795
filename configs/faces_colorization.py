"""Gray -> colour, faces cut out of a video; batch norm against instance norm.

    python scripts/prepare.py frames video.mp4 data/faces --every 25 --faces
    python scripts/train.py --config configs/faces_colorization.py

Source: a course report, batches of 32. All images of data/faces are split by a hash of their names;
frames of one scene look alike, so give each split videos of its own where you can (folders train,
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
