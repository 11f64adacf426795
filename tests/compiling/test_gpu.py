"""A step compiled for a GPU that is not here: `python -m pytest -m slow tests/compiling`."""

import pytest
from compiling.counts import KINDS
from compiling.planning import plan
from compiling.plugins import find_compiler
from compiling.program import compile_call, count_step, find_devices
from compiling.targets import load_target

from pix2pix_jax.core.config_files import load_config, override
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.validation import resolve


@pytest.mark.slow
def test_a_step_for_an_h100_has_no_image_sized_filter_and_no_float32_convolution_in_bfloat16():
    target = load_target("h100")
    try:
        package, _ = find_compiler(target.platform, target.name)
    except InputError as error:
        pytest.skip(str(error))
    config = load_config("maps")
    for key, text in {
        "data.image_size": "64",
        "model.base_features": "8",
        "model.dtype": "bfloat16",
        "train.batch_size": "4",
    }.items():
        override(config, key, text)
    planned = plan(resolve(config), target, 1, 1096)
    compiled = compile_call(planned, find_devices(target, 1, package))
    step = count_step(planned, compiled.text)
    assert step.image_sized == 0
    assert set(step.by("dtype")) == {"bf16"}
    assert set(step.by("kind")) == set(KINDS)
    assert step.products > 0  # the innermost levels
    assert 100 < step.kernels < 400  # 240 with jax 0.10.2
    assert step.open_loops == 0  # a GPU's host would wait in each round
