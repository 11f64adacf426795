"""Norms and dropout."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.networks import apply, draw, initial, normalised

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.models.layers import (
    NORMS,
    NORMS_WITH_OFFSET,
    STATISTICS,
    BatchNorm,
    InstanceNorm,
    PlacedKeys,
    dropout,
    make_norm,
)

REAL_NORMS = [norm for norm in NORMS if norm != "none"]


def norm_of(kind, dtype=jnp.float32):
    return make_norm(kind, axis_name=None, dtype=dtype, name="norm")


def test_instance_norm_by_hand():
    x = jnp.array([[[[0.0], [2.0]], [[4.0], [6.0]]]])
    y = apply(InstanceNorm(), {}, x, train=True)
    np.testing.assert_allclose(y.ravel(), np.array([-3, -1, 1, 3]) / np.sqrt(5), rtol=1e-5)


def test_instance_norm_has_no_parameters_and_forgets_scale_and_offset_of_each_channel():
    layer, x = norm_of("instance"), draw(0, 3, 6, 5, 4)
    assert initial(layer, x, train=True) == {}
    scale, offset = draw(1, 3, 1, 1, 4), draw(2, 3, 1, 1, 4)
    scale = np.sign(scale) * (np.abs(scale) + 0.5)
    y, moved = (apply(layer, {}, image, train=True) for image in (x, x * scale + offset))
    np.testing.assert_allclose(moved, y * np.sign(scale), atol=2e-4)  # EPSILON tells them apart


def test_affine_instance_norm_is_instance_norm_times_scale_plus_bias():
    layer, x = norm_of("instance_affine"), draw(0, 2, 4, 5, 3)
    scale, bias = np.array([1.0, -2.0, 0.5], np.float32), np.array([0.0, 1.0, 3.0], np.float32)
    y = apply(layer, {"params": {"scale": scale, "bias": bias}}, x, train=True)
    np.testing.assert_allclose(y, normalised(x, (1, 2)) * scale + bias, atol=1e-5)


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (6, 2), (5, 1)])
def test_group_norm_by_hand(channels, groups):
    layer, x = norm_of("group"), draw(0, 2, 3, 4, channels)
    (name,) = initial(layer, x, train=True)["params"]
    scale, bias = (np.asarray(draw(number, channels)) for number in (1, 2))
    y = apply(layer, {"params": {name: {"scale": scale, "bias": bias}}}, x, train=True)
    grouped = normalised(x.reshape(2, 3, 4, groups, -1), (1, 2, 4)).reshape(x.shape)
    np.testing.assert_allclose(y, grouped * scale + bias, atol=1e-5)


@pytest.mark.parametrize("kind", REAL_NORMS)
def test_norms_compute_in_float32_and_answer_in_the_dtype_asked_for(kind):
    # In bfloat16, whose neighbours are 1/16 apart here, little would be left of the noise.
    x = 10 + 0.1 * draw(0, 2, 8, 8, 32)
    layer = norm_of(kind, jnp.bfloat16)
    variables = initial(layer, x, train=True)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} <= {np.dtype("float32")}
    y = apply(layer, variables, x, train=True)
    assert y.dtype == jnp.bfloat16
    named = jax.tree.leaves_with_path(variables)
    scales = [np.asarray(leaf) for path, leaf in named if path[-1].key == "scale"]
    axes = (0, 1, 2) if kind == "batch" else (1, 2)  # group norm of 32 channels has 32 groups
    exact = normalised(x, axes) * (scales[0] if scales else 1)
    np.testing.assert_allclose(y.astype(jnp.float32), exact, rtol=2**-7, atol=1e-3)


@pytest.mark.parametrize("kind", [norm for norm in REAL_NORMS if norm != "batch"])
def test_norms_of_single_images_do_not_see_the_rest_of_the_batch(kind):
    layer, x = norm_of(kind), draw(0, 3, 4, 4, 6)
    variables = initial(layer, x, train=True)
    whole = apply(layer, variables, x, train=True)
    alone = apply(layer, variables, x[1:2], train=False)
    np.testing.assert_allclose(alone[0], whole[1], atol=1e-6)


def test_batch_norm_keeps_the_unbiased_variance():
    x = jnp.array([0.0, 2.0, 4.0, 6.0]).reshape(2, 2, 1, 1)
    layer = BatchNorm()
    variables = initial(layer, x, train=True)
    y, updates = apply(layer, variables, x, train=True, mutable=["batch_stats"])
    stats = updates["batch_stats"]
    np.testing.assert_allclose(stats["mean"], [0.1 * 3], rtol=1e-6)
    np.testing.assert_allclose(stats["var"], [0.9 + 0.1 * 20 / 3], rtol=1e-6)
    scale = variables["params"]["scale"]
    np.testing.assert_allclose(y.ravel(), np.array([-3, -1, 1, 3]) / np.sqrt(5) * scale, rtol=1e-5)


def test_batch_norm_over_devices_equals_the_whole_batch():
    x = draw(0, 8, 2, 3, 3, 4)
    variables = initial(BatchNorm(), x[0], train=True)

    def call(layer):
        return partial(layer.apply, variables, train=True, mutable=["batch_stats"])

    whole, stats = jax.jit(call(BatchNorm()))(x.reshape(16, 3, 3, 4))
    split, split_stats = jax.pmap(call(BatchNorm(axis_name="i")), axis_name="i")(x)
    np.testing.assert_allclose(split.reshape(whole.shape), whole, atol=1e-5)
    for ours, theirs in zip(jax.tree.leaves(split_stats), jax.tree.leaves(stats), strict=True):
        np.testing.assert_allclose(ours[3], theirs, rtol=1e-5)


def test_batch_norm_without_train_uses_and_keeps_the_running_statistics():
    x = jnp.array([1.0, 4.0]).reshape(1, 2, 1, 1)
    params = {"scale": jnp.array([2.0]), "bias": jnp.array([5.0])}
    stats = {"mean": jnp.array([1.0]), "var": jnp.array([9.0])}
    variables = {"params": params, "batch_stats": stats}
    y, updates = apply(BatchNorm(), variables, x, train=False, mutable=["batch_stats"])
    np.testing.assert_allclose(y.ravel(), [5.0, 7.0], rtol=1e-5)
    assert updates["batch_stats"] == stats


def test_batch_norm_of_single_images_under_vmap_is_affine_instance_norm():
    x = draw(0, 3, 4, 5, 2)
    params = {"scale": jnp.array([2.0, -1.0]), "bias": jnp.array([0.5, 1.0])}
    variables = initial(BatchNorm(), x, train=True) | {"params": params}

    def single(image):
        return BatchNorm().apply(variables, image[None], train=True)[0]

    expected = apply(InstanceNorm(affine=True), {"params": params}, x, train=True)
    np.testing.assert_allclose(jax.jit(jax.vmap(single))(x), expected, atol=1e-5)


def test_make_norm_refuses_unknown_kinds_with_the_choices():
    message = "norm 'layer': choose from batch, group, instance, instance_affine"
    with pytest.raises(InputError, match=message):
        norm_of("layer")


@pytest.mark.parametrize("kind", REAL_NORMS)
def test_norms_with_an_offset_are_those_that_have_a_bias(kind):
    variables = initial(norm_of(kind), np.zeros((1, 4, 4, 4), np.float32), train=True)
    names = {path[-1].key for path, _ in jax.tree.leaves_with_path(variables)}
    assert ("bias" in names) == (kind in NORMS_WITH_OFFSET)


@partial(jax.jit, static_argnums=(1, 3))
def drop(x, rate, seed, place):
    return dropout(x, rate, jax.random.split(jax.random.key(seed), 4), place)


def test_dropout_belongs_to_the_example():
    x = jnp.ones((4, 8, 8, 16))
    keys = jax.random.split(jax.random.key(0), 4)
    whole = np.asarray(drop(x, 0.5, 0, 0))
    np.testing.assert_array_equal(dropout(x[2:3], 0.5, keys[2:3], 0)[0], whole[2])
    assert set(np.unique(whole)) == {0.0, 2.0}
    assert abs(whole.mean() - 1) < 0.05
    assert dropout(x, 0.5, None, 0) is x


def test_dropout_at_two_places_and_in_two_examples_has_two_masks():
    x = jnp.ones((4, 8, 8, 16))
    first, again, second = (np.asarray(drop(x, 0.5, 0, place)) for place in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    # Independent masks differ in half of their values; 1024 give that to 5 of 100, at 3 deviations.
    for a, b in ((first[0], second[0]), (first[0], first[1])):
        assert 0.45 < np.mean(a != b) < 0.55


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.9])
def test_dropout_zeroes_its_rate_and_keeps_the_mean(rate):
    y = np.asarray(drop(jnp.ones((4, 32, 32, 4)), rate, 0, 3))
    assert abs(np.mean(y == 0) - rate) < 0.01
    np.testing.assert_allclose(y.max(), 1 / (1 - rate), rtol=1e-6)


@pytest.mark.parametrize("kind", REAL_NORMS)
def test_a_norm_that_is_given_an_images_statistics_treats_a_part_like_the_whole(kind):
    layer, x = norm_of(kind), draw(0, 1, 8, 6, 6)
    params = jax.tree.map(jnp.asarray, jax.tree.map(np.cos, initial(layer, x, train=True)))
    whole, found = layer.apply(params, x, train=True, mutable=[STATISTICS])
    np.testing.assert_allclose(whole, apply(layer, params, x, train=True), atol=1e-6)
    part = apply(layer, {**params, **found}, x[:, :4, 2:5], train=True)
    np.testing.assert_allclose(part, whole[:, :4, 2:5], atol=1e-6)
    assert not np.allclose(part, apply(layer, params, x[:, :4, 2:5], train=True), atol=0.1)


def test_running_statistics_are_kept_whatever_an_images_own_are():
    layer, x = norm_of("batch"), draw(0, 1, 8, 6, 3)
    variables = initial(layer, x, train=True)
    _, found = layer.apply(variables, x, train=True, mutable=[STATISTICS, "batch_stats"])
    given = {**variables, STATISTICS: found[STATISTICS]}
    plain = apply(layer, variables, x, train=False)
    np.testing.assert_array_equal(apply(layer, given, x, train=False), plain)
    _, changed = layer.apply(given, x, train=True, mutable=["batch_stats"])
    for ours, theirs in zip(*map(jax.tree.leaves, (changed, variables)), strict=False):
        np.testing.assert_array_equal(ours, theirs)


def test_dropout_of_a_tile_is_that_of_its_place_in_the_image():
    keys, x = jax.random.split(jax.random.key(0), 1), jnp.ones((1, 8, 6, 5))

    def masks(features, top, left, height, layer=1):
        placed = PlacedKeys(keys, jnp.int32(top), jnp.int32(left), height=height)
        return np.asarray(dropout(features, 0.5, placed, layer))[0] > 0

    whole = masks(x, 0, 0, 16)  # features of half the image's size
    np.testing.assert_array_equal(masks(x[:, 2:6, 3:], 4, 6, 8), whole[2:6, 3:])
    assert 0.4 < whole.mean() < 0.6
    assert np.any(masks(x, 0, 0, 16, layer=2) != whole)
    assert len(np.unique(whole.reshape(-1, 5), axis=0)) > 16  # of 32 that there are
