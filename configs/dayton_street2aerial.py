"""Street view -> aerial view of the same place: the cross-view pairs of the Dayton set.

    python scripts/train.py --config configs/dayton_street2aerial.py

Source: a course report. 76,048 pairs of files with the same name, 55,000 for training and 21,048
for testing: data/dayton/A/{train,test} holds street views, data/dayton/B/{train,test} aerial views.
Resized without jitter, learning rate 0.002; the report's batch sizes were 128, 48 and 24.
"""

from pix2pix_jax import default_config


def get_config():
    config = default_config()
    config.data.source = "folders"
    config.data.root = "data/dayton"
    config.data.direction = "AtoB"
    config.data.resize = "resize"
    config.augment.flip = False
    config.optimizer.learning_rate = 2e-3
    config.train.batch_size = 24
    return config
