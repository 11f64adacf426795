import numpy as np
import pytest

from pix2pix_jax.data.preparation.alignment import CELLS, compare, edge_field
from pix2pix_jax.data.synthetic import SyntheticPairs


@pytest.fixture(scope="module")
def pairs():
    """Photos and their maps, 128x128 pixels: two pixels are a cell."""
    source = SyntheticPairs(12, 128, 0, "train", "AtoB")
    return [source[index] for index in range(len(source))]


def judge(pairs):
    return compare([(edge_field(first), edge_field(second)) for first, second in pairs])


def test_partners_have_more_edges_in_common_than_strangers(pairs):
    for alignment in judge(pairs):
        assert alignment.score > alignment.strangers + 0.1
        assert not alignment.unlike
        assert not alignment.displaced


def test_swapped_and_mirrored_partners_are_unlike(pairs):
    maps = [second for _, second in pairs]
    maps[2], maps[5] = maps[5], maps[2]
    maps[8] = maps[8][:, ::-1]
    found = judge([(first, other) for (first, _), other in zip(pairs, maps, strict=True)])
    assert [index for index, alignment in enumerate(found) if alignment.unlike] == [2, 5, 8]


@pytest.mark.parametrize(("down", "right"), [(0, 8), (-6, 0), (12, -10)])
def test_a_displaced_partner_is_found_with_its_displacement(pairs, down, right):
    first, second = pairs[3]
    moved = [*pairs[:3], (first, np.roll(second, (down, right), axis=(0, 1))), *pairs[4:]]
    found = judge(moved)
    assert found[3].displaced
    assert found[3].offset == pytest.approx((down / 128, right / 128), abs=1.01 / CELLS)
    assert not any(alignment.displaced for alignment in found[:3] + found[4:])


def test_the_direction_of_an_edge_matters_but_not_which_side_is_bright(pairs):
    field = edge_field(pairs[0][1])
    np.testing.assert_allclose(edge_field(255 - pairs[0][1]), field, atol=1e-3)
    turned = edge_field(np.ascontiguousarray(np.rot90(pairs[0][1])))
    np.testing.assert_allclose(turned, -np.rot90(field), atol=2e-3)


def test_a_field_has_mean_0_and_norm_1(pairs):
    field = edge_field(pairs[0][0])
    assert abs(field.mean()) < 1e-6
    assert np.linalg.norm(field) == pytest.approx(1, abs=1e-5)


def test_score_is_the_correlation_of_both_fields(pairs):
    fields = [edge_field(side) for side in pairs[1]]
    expected = (fields[0] * fields[1].conj()).sum().real
    assert judge(pairs)[1].score == pytest.approx(expected, abs=1e-5)
    same = judge([(first, first) for first, _ in pairs])
    assert all(alignment.score == pytest.approx(1, abs=1e-4) for alignment in same)


def test_a_side_without_edges_is_not_judged(pairs):
    flat = np.full((128, 128, 3), 80, np.uint8)
    assert edge_field(flat) is None
    found = judge([*pairs, (pairs[0][0], flat)])
    assert found[-1] is None
    assert None not in found[:-1]


def test_few_pairs_are_not_judged(pairs):
    assert judge(pairs[:3]) == [None] * 3
    assert None not in judge(pairs[:4])
    assert judge([]) == []


def test_sides_may_have_any_size_and_depth(pairs):
    photo, plan = pairs[0]
    other = (plan[..., :1].repeat(2, 0).astype(np.uint16) * 257, photo.astype(np.float32))
    fields = [edge_field(image) for image in other]
    assert all(field.shape == (CELLS, CELLS) for field in fields)
    assert (fields[1] * edge_field(photo).conj()).sum().real > 0.99
