import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.runs.blending import Blend


def frame(value, dtype=np.uint8, side=2):
    return np.full((side, side, 3), value, dtype)


def test_results_approach_a_new_value_exponentially_and_without_rounding_in_between():
    blend = Blend(0.5)
    assert [int(blend(frame(value)).max()) for value in (0, 100, 100, 100)] == [0, 50, 75, 88]
    slow = Blend(0.9)
    slow(frame(0))
    for _ in range(100):
        last = slow(frame(4))  # of which one step is less than half a level
    assert last.dtype == np.uint8
    assert last.min() == 4


def test_a_blend_of_nothing_changes_nothing_and_another_size_begins_again():
    same = frame(7)
    assert Blend(0.0)(same) is same
    blend = Blend(0.5)
    blend(frame(0))
    assert blend(frame(100, side=3)).max() == 100
    depth = Blend(0.5)
    depth(frame(0.0, np.float32))
    assert depth(frame(3.0, np.float32)).dtype == np.float32


def test_pixels_without_data_stay_so_and_are_mixed_into_no_later_frame():
    for mark, dtype in (("nan", np.float32), ("0", np.uint8)):
        blend = Blend(0.5, Encoding(3, np.dtype(dtype).name, 0.0, 255.0, no_data=mark))
        first, second = frame(80, dtype), frame(40, dtype)
        first[0, 0] = second[1, 1] = float(mark)
        blend(first)
        expected = frame(60, dtype)
        expected[0, 0], expected[1, 1] = 40, float(mark)
        np.testing.assert_array_equal(blend(second), expected)
        expected[:] = 50
        expected[0, 0], expected[1, 1] = 40, 40
        np.testing.assert_array_equal(blend(frame(40, dtype)), expected)


def test_class_indices_are_not_blended():
    with pytest.raises(InputError, match=r"blend=0.5 of class indices: they cannot be mixed"):
        Blend(0.5, Encoding(1, classes=3))


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan")])
def test_shares_out_of_range_are_refused(share):
    with pytest.raises(InputError, match=r"blend=.*: expected a number from 0 to less than 1"):
        Blend(share)
