"""Own networks are built and checked: what fits trains, what does not is one line."""

import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode, own_keys
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.models.sizes import size_multiple

NETWORK = """import flax.linen as nn
import jax.numpy as jnp


class Own(nn.Module):
    out_channels: int = 3

    @nn.compact
    def __call__(self, {arguments}):
        x = nn.Conv(self.out_channels, (3, 3))(source)
        {body}
"""
GENERATOR = "source, *, train, dropout_keys=None"
DISCRIMINATOR = "source, image, *, train"


@pytest.fixture
def build(tmp_path, tiny_config):
    """Build the networks of the tiny config with an own one of some source code."""

    def call(key, arguments, body, axis_name=None):
        file = tmp_path / "mine.py"
        file.write_text(NETWORK.format(arguments=arguments, body=body))
        tiny_config.model[key] = f"{file}:Own"
        config = resolve(tiny_config)
        code = OwnCode(given=own_keys(config))
        return build_networks(
            config.model, config.data, adversarial=True, axis_name=axis_name, code=code
        )

    return call


def refusal(build, *arguments):
    with pytest.raises(InputError) as caught:
        build(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_own_generator_that_fits_has_shapes_like_any_other(build, tiny_config):
    tiny_config.data.target_channels = 2
    networks = build("generator", GENERATOR, "return jnp.tanh(x)")
    assert type(networks.generator).__name__ == "Own"
    params, batch_stats = networks.generator_shapes
    assert params["Conv_0"]["kernel"].shape == (3, 3, 3, 2)
    assert batch_stats == {}
    assert size_multiple(tiny_config.model, (32, 48)) == 16


def test_an_own_network_may_have_batch_norm_and_use_its_dropout_keys(build):
    body = "return nn.BatchNorm(use_running_average=not train)(x) * float(dropout_keys is not None)"
    _, batch_stats = build("generator", GENERATOR, body).generator_shapes
    assert set(batch_stats["BatchNorm_0"]) == {"mean", "var"}


def test_an_own_discriminator_that_fits_has_shapes_like_any_other(build):
    body = "y = nn.Conv(1, (3, 3))(image); return ((y, (x, y)), (y, ()))"
    networks = build("discriminator", DISCRIMINATOR, body)
    params, _ = networks.discriminator_shapes
    assert set(params) == {"Conv_0", "Conv_1"}


def test_an_own_network_over_devices_is_built_without_being_traced(build):
    body = "return jax.lax.pmean(x, 'devices')"  # no such axis here, and no such import
    assert build("generator", GENERATOR, body, "devices").generator is not None


@pytest.mark.parametrize(
    ("arguments", "body", "message"),
    [
        (GENERATOR, "return x[..., :2]", "gives (2, 32, 32, 2), expected (2, 32, 32, 3)"),
        (GENERATOR, "return x[:, ::2]", "gives (2, 16, 32, 3), expected (2, 32, 32, 3)"),
        (GENERATOR, "return x, x", "gives an object of type tuple, expected (2, 32, 32, 3)"),
        ("source, *, train", "return x", "unexpected keyword argument 'dropout_keys'"),
        ("source", "return x", "unexpected keyword argument 'train'"),
        (GENERATOR, "return x @ x", "mine.py, line 11: TypeError: "),
        (GENERATOR, "self.make_rng('noise'); return x", "mine.py, line 11: InvalidRngError: "),
    ],
)
def test_a_generator_that_does_not_fit_is_refused(build, arguments, body, message):
    line = refusal(build, "generator", arguments, body)
    assert line.startswith("model.generator='/")
    assert "called as module(source, train=..., dropout_keys=...)" in line
    assert message in line


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return x", "expected a tuple of scales, each (logits, tuple of features)"),
        ("return ()", "expected a tuple of scales"),
        ("return x, (x,)", "expected a tuple of scales"),
        ("return ((x, (x,)),)", "with logits of shape (2, height, width, 1)"),
        ("return ((x[..., :1], x),)", "expected a tuple of scales"),
        ("return ((x[..., :1], (None,)),)", "expected a tuple of scales"),
        ("return image.nothing", "mine.py, line 11: AttributeError: "),
    ],
)
def test_a_discriminator_that_does_not_fit_is_refused(build, body, message):
    line = refusal(build, "discriminator", DISCRIMINATOR, body)
    assert line.startswith("model.discriminator='/")
    assert "called as module(source, image, train=...)" in line
    assert message in line
