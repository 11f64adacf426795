"""Affine and elastic changes of training pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.augmenting import KEYS, apply, noise

from pix2pix_jax import InputError
from pix2pix_jax.data.augment import Augmentation
from pix2pix_jax.data.warps import Warp

SIZE = (33, 41)


def coordinates():
    """An image of each pixel's row and column."""
    return jnp.stack(jnp.meshgrid(*map(jnp.arange, SIZE), indexing="ij"), -1).astype(jnp.float32)


def warped(options, image, count=40, *, nearest=False):
    warp = Warp(**options)
    return np.asarray(
        jax.jit(jax.vmap(lambda key: warp.apply(key, image, nearest=nearest)))(KEYS[:count])
    )


def inner(image, margin=10):
    return image[:, margin:-margin, margin:-margin]


def slopes(image):
    """How coordinates change along rows and columns, in the middle: nothing is mirrored there."""
    middle = inner(image)
    return np.stack([np.diff(middle, axis=1).mean((1, 2)), np.diff(middle, axis=2).mean((1, 2))], 1)


def test_a_rotation_turns_by_up_to_its_angle_about_the_centre():
    moved = warped({"affine": (10.0, 0.0, 0.0, 0.0)}, coordinates())
    jacobian = slopes(moved)
    angles = np.degrees(np.arctan2(jacobian[:, 0, 1], jacobian[:, 0, 0]))
    assert 8 < np.abs(angles).max() <= 10.01
    assert angles.min() < -5 < 5 < angles.max()
    np.testing.assert_allclose(np.linalg.det(jacobian), 1, rtol=1e-3)
    np.testing.assert_allclose(moved[:, 16, 20], [[16, 20]] * 40, atol=1e-3)


def test_a_scaling_is_as_often_larger_as_smaller():
    factors = np.sqrt(
        np.linalg.det(slopes(warped({"affine": (0.0, 0.25, 0.0, 0.0)}, coordinates())))
    )
    assert 1.15 < factors.max() <= 1.2501
    assert 1 / 1.2501 <= factors.min() < 1 / 1.15
    assert abs(np.log(factors).mean()) < 0.08


def test_a_shear_keeps_areas_and_a_translation_the_shape():
    jacobian = slopes(warped({"affine": (0.0, 0.0, 20.0, 0.0)}, coordinates()))
    np.testing.assert_allclose(np.linalg.det(jacobian), 1, rtol=1e-3)
    assert 15 < np.degrees(np.arctan(np.abs(jacobian[:, 1, 0]))).max() <= 20.01
    moved = warped({"affine": (0.0, 0.0, 0.0, 0.1)}, coordinates())
    np.testing.assert_allclose(slopes(moved), np.broadcast_to(np.eye(2), (40, 2, 2)), atol=1e-4)
    shifts = np.abs(moved[:, 16, 20] - [16, 20]).max(0)
    assert (shifts <= [3.301, 4.101]).all()
    assert (shifts > [2.5, 3.2]).all()


def test_an_elastic_change_bends_smoothly_and_does_not_fold():
    moved = warped({"elastic": (3.0, 10.0)}, coordinates())
    shift = moved - np.asarray(coordinates())
    assert 2 < np.abs(inner(shift)).max() < 4
    assert np.ptp(inner(shift), axis=(1, 2)).max() > 2  # not one shift for all
    assert np.diff(inner(moved)[..., 0], axis=1).min() > 0
    assert np.diff(inner(moved)[..., 1], axis=2).min() > 0


def test_classes_stay_classes_and_move_with_the_image():
    classes = jnp.asarray(np.random.default_rng(0).integers(0, 5, (*SIZE, 1)) * 50, jnp.uint8)
    options = {"affine": (30.0, 0.2, 5.0, 0.1), "elastic": (2.0, 16.0)}
    moved = warped(options, classes, nearest=True)
    assert moved.dtype == np.uint8
    assert set(np.unique(moved)) == {0, 50, 100, 150, 200}
    places = np.rint(warped(options, coordinates()))
    rows, columns = inner(places).astype(int).transpose(3, 0, 1, 2)
    agree = np.asarray(classes)[rows, columns, 0] == inner(moved)[..., 0]
    assert agree.mean() > 0.99  # but for ties


def test_both_sides_of_a_pair_are_moved_alike():
    image = noise(6, 24, 20, 3)
    options = Augmentation((16, 16), warp=Warp((20.0, 0.2, 5.0, 0.1), (1.0, 8.0)))
    source, target = apply(KEYS[:6], image, image, options)
    np.testing.assert_array_equal(source, target)
    plain, _ = apply(KEYS[:6], image, image, Augmentation((16, 16)))
    assert np.abs(source - plain).mean() > 10
    assert 0 <= source.min() <= source.max() <= 255


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"affine": (10.0, 0.0, 0.0)}, r"augment.affine=\(10.0, 0.0, 0.0\): give"),
        ({"affine": (10.0, 0.0, 61.0, 0.0)}, "shear in degrees"),
        ({"elastic": (16.0, 32.0)}, "would fold"),
        ({"elastic": (-1.0, 32.0)}, r"augment.elastic=\(-1.0, 32.0\)"),
    ],
)
def test_what_is_out_of_range_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Warp(**options)
