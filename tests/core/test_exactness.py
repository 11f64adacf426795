import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.platforms import lowered, precisions

from pix2pix_jax import InputError
from pix2pix_jax.core import choices
from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import from_values
from pix2pix_jax.core.exactness import USUAL, Exactness, exactness_of
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.models.convolutions import down_conv, up_conv
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.translation import translate_batch
from pix2pix_jax.training.feeding import build_feed
from pix2pix_jax.training.run import prepare_run

ON_GPU = {"xla_gpu_deterministic_ops": True}


def test_a_config_without_the_keys_computes_as_before():
    values = {"model": {"dtype": "float32"}, "train": {"epochs": 3}}
    assert exactness_of(from_values(values)) == USUAL == Exactness("default", False)


def test_the_precision_is_that_of_float32_only():
    config = default_config()
    config.model.precision = "float32"
    assert exactness_of(config) == Exactness("float32")
    config.model.dtype = "bfloat16"
    assert exactness_of(config) == USUAL


def test_another_precision_is_refused_with_the_choices():
    config = default_config()
    config.model.precision = "tf32"
    expected = r"model\.precision='tf32': choose from default, float32, tensorfloat32, bfloat16$"
    with pytest.raises(InputError, match=expected):
        resolve(config)


def test_on_a_gpu_alone_programs_are_compiled_to_give_the_same_bits(monkeypatch):
    assert Exactness(deterministic=True).compiler_options == {}
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert USUAL.compiler_options == {}
    assert Exactness(deterministic=True).compiler_options == ON_GPU


def test_xla_knows_the_option():
    lowered = jax.jit(jnp.negative).lower(1.0)
    lowered.compile(ON_GPU)
    with pytest.raises(jax.errors.JaxRuntimeError, match="No such compile option"):
        lowered.compile({"xla_gpu_deterministic_operations": True})


def test_the_steps_and_evaluations_of_a_run_follow_its_config(tiny_config, tmp_path, monkeypatch):
    tiny_config.train.deterministic = True
    tiny_config.train.global_batch_size = 8
    tiny_config.data.synthetic_pairs = (8, 2, 0)
    tiny_config.model.precision = "tensorfloat32"
    run = prepare_run(tiny_config, tmp_path / "run")
    assert run.parts.exactness == Exactness("tensorfloat32", deterministic=True)
    assert run.meta()["config"]["train.deterministic"] is True
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert build_feed(run, "none").compiler_options == ON_GPU


def test_translations_have_the_precision_of_their_generator():
    found = []

    class Noting(nn.Module):
        @nn.compact
        def __call__(self, source, *, train, dropout_keys=None):
            found.append(jax.config.jax_default_matmul_precision)
            return source

    for asked in ("float32", "default"):
        generator = Generator(Noting(), {"params": {}}, (8, 8), exactness=Exactness(asked))
        images = np.zeros((1, 8, 8, 3), np.uint8)
        translate_batch(generator, images, ["a"], mode="deterministic", batch_size=1)
    assert found == ["float32", None]


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_each_precision_has_its_name_in_a_program(platform):
    written = {"default": "DEFAULT", "bfloat16": "DEFAULT", "tensorfloat32": "HIGH"}
    for asked in choices.PRECISIONS:
        multiply = Exactness(asked).applied_to(jnp.matmul)
        text = lowered(multiply, jnp.ones((2, 2)), jnp.ones((2, 2)), platform=platform)
        assert precisions(text) == {written.get(asked, "HIGHEST"): 1}


def test_on_the_cpu_no_precision_changes_a_bit():
    rng = np.random.default_rng(0)
    source = jnp.asarray(rng.normal(size=(1, 8, 8, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(4, 4, 3, 3)), jnp.float32)

    def loss(kernel):  # a convolution and a product, each with its gradient
        return jnp.abs(up_conv(down_conv(source, kernel), kernel)).mean()

    def gradient(asked):
        return Exactness(asked).jit(jax.grad(loss))(kernel)

    for asked in choices.PRECISIONS[1:]:
        np.testing.assert_array_equal(gradient(asked), gradient("default"))
