import pytest

from pix2pix_jax.reports.metric_notes import best_value, describe_metric


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("psnr", "dB, higher is better"),
        ("ssim", "higher is better"),
        ("fid", "lower is better"),
        ("mine", ""),
    ],
)
def test_notes_give_unit_and_direction(name, note):
    assert describe_metric(name) == note


def test_the_best_value_is_the_highest_or_the_lowest():
    assert best_value([2.0, 1.0, 3.0], "low") == 1.0
    assert best_value([2.0, 1.0, 3.0], "high") == 3.0
    assert best_value([2.0, 1.0, 3.0], None) is None
    assert best_value([], "high") is None
