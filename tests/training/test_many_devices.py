"""The whole run on eight virtual devices."""

import jax
import numpy as np
import pytest

from pix2pix_jax import InputError, load_generator, train_and_evaluate, translate
from pix2pix_jax.training.combinations import choose_global_batch

pytestmark = pytest.mark.usefixtures("optimized")


def test_a_run_on_eight_devices_trains_resumes_and_samples(tiny_config, tmp_path):
    tiny_config.data.synthetic_pairs = (17, 3, 0)
    tiny_config.train.epochs = 1
    result = train_and_evaluate(tiny_config, tmp_path)
    assert result.step == 2  # 17 pairs, 8 at once
    tiny_config.train.epochs = 2
    assert train_and_evaluate(tiny_config, tmp_path).step == 4
    generator = load_generator(tmp_path)
    (fake,) = translate(generator, np.zeros((1, 32, 32, 3), np.uint8))
    assert fake.shape == (32, 32, 3)
    assert len(jax.tree.leaves(generator.variables)[0].devices()) == 8


def test_a_global_batch_that_does_not_divide_is_refused_with_those_that_do(tiny_config):
    tiny_config.train.global_batch_size = 12
    with pytest.raises(InputError, match="=12: not divisible by the 8 devices; choose 8 or 16"):
        choose_global_batch(tiny_config.train, 8)
    tiny_config.train.global_batch_size = 0
    tiny_config.train.batch_size = 3
    assert choose_global_batch(tiny_config.train, 8) == 24
