import functools

import pytest
from support.own_code import (
    KEY,
    given,
)

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.config_files import override
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.own_code import OwnCode, is_own, own_keys
from pix2pix_jax.core.validation import validate


@pytest.mark.parametrize(
    ("value", "own"),
    [
        ("my_net.py:Net", True),
        ("../a folder/my-net.py:Net", True),
        ("/abs/net.py:Net", True),
        ("C:\\code\\net.py:Net", True),
        ("package.module:Net", True),
        ("module:Net", True),
        ("os:system", True),  # refused when loaded
        ("net.py:", True),  # so that the message is about own code
        ("unet", False),
        ("net.py", False),
        ("a-b:Net", False),
        (":Net", False),
        ("", False),
        ("tfds:mnist", False),
        ("tfds:user/net.py:1.0.0", False),
        ("pix2pix:maps", False),
        (3, False),
    ],
)
def test_own_code_is_what_has_a_module_or_a_python_file_before_the_colon(value, own):
    assert is_own(value) is own


def test_own_keys_lists_the_references_of_each_key_without_built_in_names():
    config = default_config()
    assert own_keys(config) == {}
    config.model.generator = "net.py:Net"
    config.data.source = "tfds:mnist"
    config.eval.metrics = ("l1", "a.b:edges", "c.py:d")
    config.loss.extra = ("loss.py:edges",)
    assert own_keys(config) == {
        "model.generator": ("net.py:Net",),
        "loss.extra": ("loss.py:edges",),
        "eval.metrics": ("a.b:edges", "c.py:d"),
    }


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("eval.metrics", "l1,my/file.py:name", ("l1", "my/file.py:name")),
        ("eval.metrics", "a.b:c, ../d e.py:f", ("a.b:c", "../d e.py:f")),
        ("eval.metrics", "('l1', 'my/file.py:name')", ("l1", "my/file.py:name")),
        ("loss.extra", "my/file.py:name", ("my/file.py:name",)),
        ("loss.extra", "'my/file.py:name',", ("my/file.py:name",)),
        ("loss.extra", "()", ()),
        ("loss.extra_weights", "10", (10,)),
        ("loss.extra_weights", "10,0.5", (10, 0.5)),
        ("model.generator", "my/file.py:name", "my/file.py:name"),
    ],
)
def test_flags_take_references_without_quotes(key, text, value):
    config = default_config()
    override(config, key, text)
    section, name = key.split(".")
    assert config[section][name] == value


@pytest.mark.parametrize("text", ["my/file.py", "l1,my/file.py:", "l1,a-b:c", "l1,,a.py:b"])
def test_flags_refuse_what_is_no_reference(text):
    with pytest.raises(InputError, match="give names of metrics: choose from"):
        override(default_config(), "eval.metrics", text)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("loss.extra", ("edges",), "loss.extra='edges': expected package.module:name or path/to"),
        ("augment.extra", ("3",), "augment.extra='3': expected package.module:name or path/to"),
        ("loss.extra_weights", (1.0,), "give one number for each of the 0 entries of loss.extra"),
    ],
)
def test_validation_refuses_extras_that_are_no_own_code_and_weights_without_them(
    key, value, message
):
    config = default_config()
    section, name = key.split(".")
    config[section][name] = value
    with pytest.raises(InputError, match=message):
        validate(config)


@pytest.mark.parametrize(
    ("key", "value"), [("augment.extra", (3,)), ("loss.extra_weights", ("1",))]
)
def test_extras_of_another_type_are_refused_where_they_are_set(key, value):
    with pytest.raises(InputError, match=f"^config.{key}="):
        default_config()[key] = value


def test_validation_takes_one_weight_for_each_extra_loss_or_none():
    config = default_config()
    config.loss.extra = ("a.py:b", "c.d:e")
    validate(config)
    config.loss.extra_weights = (1, 0.5)
    validate(config)


OFFER = {"out_channels": 3, "norm": "batch"}


@pytest.fixture
def door(tmp_path):
    """Write a file of own code, and return an OwnCode that may load what is in it."""

    def write(source, name, key):
        file = tmp_path / "own.py"
        file.write_text(source)
        reference = f"{file}:{name}"
        return OwnCode(given=given(reference, key=key)), reference

    return write


@pytest.mark.parametrize(
    ("signature", "got"),
    [
        ("out_channels", {"out_channels": 3}),
        ("norm='none', *, out_channels=1", OFFER),
        ("features=8, **others", OFFER),
        ("features=8, *others", {}),
        ("norm='none', /", {}),
        ("", {}),
    ],
)
def test_build_passes_the_options_that_are_taken(door, signature, got):
    names = [name for name in OFFER if name in got]
    body = "{**others}" if "**" in signature else f"dict({', '.join(f'{n}={n}' for n in names)})"
    code, reference = door(f"def net({signature}): return {body}", "net", KEY)
    assert code.build(reference, KEY, OFFER, dict) == got


def test_build_calls_a_flax_module_with_the_options_that_are_fields(door):
    source = (
        "import flax.linen as nn\nclass Net(nn.Module):\n    out_channels: int\n    width: int = 8"
    )
    code, reference = door(source, "Net", KEY)
    module = code.build(reference, KEY, OFFER)
    assert (module.out_channels, module.width) == (3, 8)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def net(features): pass", "it takes (features)"),
        ("def net(features: int, norm: str='x') -> int: pass", "it takes (features, norm=...)"),
        ("def net(out_channels, /): pass", "it takes (out_channels, /)"),
        ("net = {}", "it is an object of type dict"),
    ],
)
def test_build_says_what_is_expected_of_a_signature(door, source, reason):
    code, reference = door(source, "net", KEY)
    with pytest.raises(InputError) as caught:
        code.build(reference, KEY, OFFER)
    assert str(caught.value) == (
        f"{KEY}='{reference}': called as net(out_channels=..., norm=...), with those of these that "
        f"it takes; {reason}"
    )


def test_build_says_which_line_of_own_code_raised(door):
    code, reference = door("def net():\n    raise ValueError('too deep')", "net", KEY)
    with pytest.raises(InputError, match=r"own.py, line 2: ValueError: too deep$"):
        code.build(reference, KEY, OFFER)
    text = (
        "from pix2pix_jax.core.errors import InputError\ndef net(): raise InputError('their own')"
    )
    code, reference = door(text, "net", KEY)
    with pytest.raises(InputError, match=r"^their own$"):
        code.build(reference, KEY, OFFER)


def test_build_refuses_a_result_of_another_kind(door):
    code, reference = door("def net(): return 3", "net", KEY)
    with pytest.raises(InputError, match=r"returns an object of type int; expected builtins.dict$"):
        code.build(reference, KEY, OFFER, dict)


@pytest.mark.parametrize(
    "parameters",
    ["source, target, fake", "a, b, c", "a, b, c, weight=1", "*images", "a, *others, **options"],
)
def test_function_takes_whatever_can_be_called_as_expected(door, parameters):
    code, reference = door(f"def loss({parameters}): return 5", "loss", "loss.extra")
    loss = code.function(reference, "loss.extra", "source", "target", "fake")
    assert loss(1, 2, 3) == 5


@pytest.mark.parametrize(
    "parameters",
    ["source, target", "a, b, c, d", "a, b, *, c", "fake, target, source", "**images"],
)
def test_function_says_what_is_expected_of_a_signature(door, parameters):
    code, reference = door(f"def loss({parameters}): return 5", "loss", "loss.extra")
    with pytest.raises(InputError) as caught:
        code.function(reference, "loss.extra", "source", "target", "fake")
    line = (
        f"loss.extra='{reference}': called as loss(source, target, fake); it takes ({parameters})"
    )
    assert str(caught.value) == line


def test_instance_refuses_objects_of_another_kind(door):
    code, reference = door(
        "import functools\ndef f(): return 0\nhalf = functools.partial(f)", "half", "eval.metrics"
    )
    assert code.instance(reference, "eval.metrics", functools.partial)() == 0
    code, reference = door("class Half: pass", "Half", "eval.metrics")
    with pytest.raises(InputError) as caught:
        code.instance(reference, "eval.metrics", functools.partial)
    assert str(caught.value) == (
        f"eval.metrics='{reference}': is an object of type type; expected an instance of "
        "functools.partial"
    )
