"""Counting the arithmetic of the paper's networks, and peaks of devices."""

import pathlib

import pytest
from benchmarking import arithmetic
from benchmarking.cases import Case, build_config, gflop_per_image


def test_arithmetic_of_a_tiny_unet_by_hand():
    # Down: 3 -> 1 channels at 2x2, 1 -> 2 at 1x1; up: 2 -> 1 at 1x1, 1 + 1 skipped -> 3 at 2x2.
    expected = 16 * (4 * 3 + 1 * 2) + 16 * (1 * 2 + 4 * 6)
    assert arithmetic.generator_macs(4, 1, 2, (3, 3)) == expected


def test_arithmetic_of_a_tiny_patchgan_by_hand():
    # 8x8 -> 4x4 -> 3x3 -> 2x2, with 6 -> 1 -> 2 -> 1 channels.
    expected = 16 * (16 * 6 * 1 + 9 * 1 * 2 + 4 * 2 * 1)
    assert arithmetic.discriminator_macs(8, 1, 1, 6) == expected


def test_arithmetic_of_the_papers_networks():
    assert arithmetic.generator_macs(256, 64, 8, (3, 3)) / 1e9 == pytest.approx(6.05, abs=0.005)
    assert arithmetic.discriminator_macs(256, 64, 3, 6) / 1e9 == pytest.approx(3.2, abs=0.005)
    assert gflop_per_image(build_config(Case(), pathlib.Path())) == pytest.approx(87.4, abs=0.1)


@pytest.mark.parametrize(
    ("device", "dtype", "peak"),
    [
        ("NVIDIA H200", "bfloat16", 989.0),
        ("NVIDIA H100 PCIe", "float32", 378.0),
        ("NVIDIA L40S", "bfloat16", 362.0),
        ("NVIDIA L4", "bfloat16", 121.0),
        ("NVIDIA L40", "bfloat16", None),
        ("Tesla V100-SXM2-16GB", "float32", 15.7),
        ("TPU v5 lite", "bfloat16", 197.0),
        ("TPU v5", "bfloat16", 459.0),
        ("TPU v4", "float32", None),
        ("cpu", "float32", None),
    ],
)
def test_a_peak_is_known_by_the_whole_name_of_a_device(device, dtype, peak):
    assert arithmetic.known_peak(device, dtype) == peak
