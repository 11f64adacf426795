import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pix2pix_jax import InputError
from pix2pix_jax.core.config_files import set_value
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.training import fitting
from pix2pix_jax.training.run import prepare_run

CHANGES = [
    {},
    {"model.remat": True},
    {"model.generator": "resnet", "model.blocks": 1},
    {"model.generator": "hybrid", "model.blocks": 1, "model.downsamplings": 1},
]


def build(config, changes=None):
    for key, value in (changes or {}).items():
        set_value(config, key, value)
    config = resolve(config)
    return config, build_networks(config.model, config.data, adversarial=config.loss.gan != "none")


def test_the_state_is_counted_by_hand(tiny_config):
    config, networks = build(tiny_config)
    shapes = jax.tree.leaves((networks.generator_shapes[0], networks.discriminator_shapes[0]))
    count = sum(leaf.size for leaf in shapes)
    need = fitting.estimate(config, networks, 1)
    assert need.parameters == count
    assert need.state == 12 * count
    config.train.ema_decay = 0.5
    ours = sum(leaf.size for leaf in jax.tree.leaves(networks.generator_shapes[0]))
    assert fitting.estimate(config, networks, 1).state == 12 * count + 4 * ours


def test_the_batch_is_counted_by_hand(tiny_config):
    config, networks = build(tiny_config)
    # 32 pixels, 4 features, 2 levels: blocks give 16x16x4, 8x8x8, 16x16x4 and 32x32x3 values.
    kept = 16 * 16 * 4 + 8 * 8 * 8 + 16 * 16 * 4 + 32 * 32 * 3
    images = 3 * 32 * 32 * 3
    assert fitting.estimate(config, networks, 5).batch == 4 * 5 * (images + kept)
    config.train.accumulate = 5
    assert fitting.estimate(config, networks, 5).batch == 4 * (5 * images + kept)


@pytest.mark.parametrize("changes", CHANGES)
def test_a_compiled_gradient_needs_what_is_estimated_and_more(tiny_config, changes):
    config, networks = build(tiny_config, changes)
    source, target = (
        jax.ShapeDtypeStruct((4, *shape), jnp.float32)
        for shape in (networks.source_shape, networks.target_shape)
    )
    params, _ = networks.generator_shapes

    def loss(params, source, target):
        return jnp.mean(
            jnp.abs(networks.generator.apply({"params": params}, source, train=True) - target)
        )

    compiled = jax.jit(jax.grad(loss)).lower(params, source, target).compile()
    memory = compiled.memory_analysis()
    images = source.size * source.dtype.itemsize + target.size * target.dtype.itemsize
    assert memory.temp_size_in_bytes + images >= fitting.estimate(config, networks, 4).batch


@pytest.mark.usefixtures("one_device")
def test_a_run_that_cannot_fit_is_refused_before_anything_is_written(
    tiny_config, tmp_path, monkeypatch
):
    config, networks = build(tiny_config)
    total = fitting.estimate(config, networks, 1).total
    monkeypatch.setattr(fitting, "available_bytes", lambda: total - 1)
    with pytest.raises(InputError, match=r"^a step needs at least 0\.0 GB .* Lower data\.image_s"):
        prepare_run(tiny_config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize(("factor", "warns"), [(1, True), (1.4, True), (1.6, False), (None, False)])
def test_a_run_that_may_fit_is_not_refused(
    tiny_config, tmp_path, monkeypatch, caplog, factor, warns
):
    config, networks = build(tiny_config)
    total = fitting.estimate(config, networks, 1).total
    monkeypatch.setattr(fitting, "available_bytes", lambda: factor and int(np.ceil(factor * total)))
    prepare_run(tiny_config, tmp_path / "run")
    assert ("a step needs at least" in caplog.text) == warns


def test_each_of_the_virtual_devices_holds_a_copy(tiny_config, tmp_path, monkeypatch):
    config, networks = build(tiny_config)
    total = fitting.estimate(config, networks, 1).total
    monkeypatch.setattr(fitting, "available_bytes", lambda: 7 * total)
    with pytest.raises(InputError, match="of memory on 8 devices"):
        prepare_run(tiny_config, tmp_path / "run")


@pytest.mark.usefixtures("one_device")
@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"data.image_size": 2**14, "model.base_features": 64}, "Lower data.image_size, train.bat"),
        ({"model.base_features": 4096, "model.levels": 5}, "Lower model.base_features, model.disc"),
        (
            {"model.discriminator_features": 4096, "model.discriminator_layers": 2},
            "Lower model.bas",
        ),
        (
            {"train.batch_size": 2**16, "model.base_features": 64},
            "Lower data.image_size, train.bat",
        ),
    ],
)
def test_what_no_machine_holds_is_refused_in_a_second(
    tiny_config, tmp_path, changes, hint, monkeypatch
):
    monkeypatch.setattr(fitting, "available_bytes", lambda: int(1e9))
    for key, value in changes.items():
        set_value(tiny_config, key, value)
    with pytest.raises(InputError, match=rf"^a step needs at least [\d,.]+ GB .* {hint}"):
        prepare_run(tiny_config, tmp_path / "run")
