"""Random weights for the tests of the Inception network."""

import numpy as np
import pytest

from pix2pix_jax.core import weight_files
from pix2pix_jax.evaluation.metrics import inception_weights


@pytest.fixture(scope="session")
def weights():
    """Random weights under which activations neither vanish nor grow (He et al., 2015)."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, shape in inception_weights.published_shapes().items():
        array = rng.standard_normal(shape, np.float32)
        if len(shape) > 1:
            array *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
        elif name.endswith(("bn.weight", "bn.running_var")):
            array = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            array *= np.float32(0.1)
        arrays[name] = array
    return arrays


@pytest.fixture(scope="session")
def variables(weights):
    return inception_weights.to_variables(weights, "here")


@pytest.fixture(scope="session")
def file(weights, tmp_path_factory):
    pytest.importorskip("torch", reason=".pth files need PyTorch")
    path = tmp_path_factory.mktemp("published") / "weights.pth"
    weight_files.write(path, weights)
    return path
