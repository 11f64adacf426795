"""The values of a side, and the range that a run expects."""

import logging

import numpy as np
import pytest
from support.made_sources import make_source

from pix2pix_jax.data.loading import load_pairs
from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.data.shaping import Shaping
from pix2pix_jax.data.values import describe, judge, measure, merge, propose, say_values, way_out
from pix2pix_jax.images.encoding import Encoding

SHAPING = Shaping("resize", (4, 4), (4, 4), training=True)


def image(*bands, dtype="float32"):
    """Return an image of one row whose bands hold these values."""
    return np.array(bands, dtype).T[None]


def test_values_are_measured_band_by_band_and_merged():
    values = merge([measure(image([1, 2], [-5, 7])), measure(image([4, 5], [0, 0]))])
    assert (values.low.tolist(), values.high.tolist()) == ([1, -5], [5, 7])
    assert values.mean.tolist() == [3, 0.5]
    assert values.not_finite.tolist() == [0, 0]
    assert values.limits == (-5, 7)


def test_values_that_are_not_finite_are_counted_and_do_not_spoil_the_others():
    values = merge([measure(image([1, np.nan, np.inf, 3])), measure(image([-np.inf] * 4))])
    assert (values.limits, values.mean.tolist()) == ((1, 3), [2])
    assert values.not_finite.tolist() == [0.75]
    assert "75.00% not finite" in describe(values)
    assert judge(measure(image([np.nan])), 0.0, 1.0) == "no value is finite"


def test_images_of_another_kind_are_left_out_and_no_images_have_no_values():
    values = merge([measure(image([1, 2])), measure(image([9, 9], dtype="uint8"))])
    assert values.limits == (1, 2)
    assert merge([]) is None


def test_a_line_gives_each_of_a_few_bands_or_all_of_many_together():
    photo = measure(np.array([[[0, 1, 2], [200, 101, 2]]], np.uint8))
    assert describe(photo) == (
        "3 x uint8, 0 to 200 (mean 100), 1 to 101 (mean 51), 2 to 2 (mean 2)"
    )
    assert describe(measure(image(*([n, n + 1] for n in range(13))))) == (
        "13 x float32, 0 to 13 (mean 6.5)"
    )


@pytest.mark.parametrize(
    ("values", "dtype", "limits", "wrong", "proposed"),
    [
        ([0, 255], "uint8", (0, 255), "", (0, 255)),
        ([90, 140], "uint8", (0, 255), "", (90, 140)),
        ([0, 1], "uint8", (0, 255), "values only from 0 to 1, of the range 0 to 255", (0, 1)),
        ([9, 4000], "uint16", (0, 65535), "values only from 9 to 4000", (0, 4095)),
        ([27123, 31007], "uint16", (0, 65535), "values only from 27123", (27100, 31100)),
        ([-19.6, 44.2], "float32", (0, 1), "values from -19.6 to 44.2, beyond", (-20, 45)),
        ([-3, 2987], "float32", (0, 1), "beyond the range 0 to 1", (-100, 3000)),
        ([0.25, 0.75], "float32", (0, 1), "", (0.25, 0.75)),
        ([0, 2], "float32", (0, 1000), "values only from 0 to 2", (0, 2)),
        ([3, 3], "float32", (0, 1), "beyond", None),
    ],
)
def test_values_that_do_not_fit_their_range_get_a_better_one(
    values, dtype, limits, wrong, proposed
):
    measured = measure(image(values, dtype=dtype))
    assert judge(measured, *map(float, limits)).startswith(wrong) or wrong in judge(
        measured, *map(float, limits)
    )
    assert bool(judge(measured, *map(float, limits))) == bool(wrong)
    assert propose(measured) == (None if proposed is None else pytest.approx(proposed))


def test_a_filter_may_overshoot_a_little():
    measured = measure(image([-0.1, 1.1]))
    assert judge(measured, 0.0, 1.0)
    assert not judge(measured, 0.0, 1.0, slack=0.2)


def test_the_way_out_is_a_key_with_values():
    assert way_out(measure(image([-19.6, 44.2])), "target") == "set data.target_range=-20,45"
    labels = measure(image([0, 18], dtype="uint8"))
    assert way_out(labels, "source") == (
        "set data.source_range=0,31, or data.source_classes=19 if these are class indices"
    )
    assert way_out(labels, "target") == (
        "set data.target_range=0,31, or data.target_classes=19 if these are class indices"
    )
    assert way_out(labels, "source", "land") == (
        "set data.source_range=0,31 for land, or data.source_classes=19 for land if these are "
        "class indices (the key takes the values of all sources, in their order)"
    )
    assert "all values are the same" in way_out(measure(image([3, 3])), "source")


def pairs_of(source_values, target_values, form, gigabytes):
    source = make_source([(4, 4)] * 3)
    source.pairs = [
        (np.full((4, 4, 1), a, form.source.dtype), np.full((4, 4, 1), b, form.target.dtype))
        for a, b in zip(source_values, target_values, strict=True)
    ]
    return load_pairs(
        source,
        form,
        SHAPING,
        cache_gigabytes=gigabytes,
        workers=1,
        on_error="fail",
        label="pairs",
    )


@pytest.mark.parametrize("gigabytes", [1.0, 0.0])
def test_the_start_of_a_run_tells_both_sides_and_warns_of_a_wrong_range(caplog, gigabytes):
    caplog.set_level(logging.INFO)
    form = PairFormat(Encoding(1), Encoding(1, "float32", 0.0, 1.0))
    say_values(pairs_of([0, 200, 100], [-5, 3000, 0], form, gigabytes), workers=1)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said == [
        ("INFO", "source: 1 x uint8, 0 to 200 (mean 100)"),
        ("INFO", "target: 1 x float32, -5 to 3000 (mean 998.3)"),
        (
            "WARNING",
            "target: values from -5 to 3000, beyond the range 0 to 1; set "
            "data.target_range=-100,3000",
        ),
    ]


def test_class_indices_have_no_range(caplog):
    caplog.set_level(logging.INFO)
    form = PairFormat(Encoding(1, classes=3), Encoding(1))
    say_values(pairs_of([0, 1, 2], [0, 200, 100], form, 1.0), workers=1)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["target"]
