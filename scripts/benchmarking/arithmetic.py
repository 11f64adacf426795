"""Arithmetic of a step, counted by hand, and the peak rate of devices."""

import itertools
import re

# TFLOP/s of dense matrix products from the vendors' data sheets (NVIDIA: the SXM form if there are
# several; Google Cloud's TPU documentation). float32 is the rate of TF32 on devices that have it,
# because XLA and cuDNN use that for float32 convolutions. The first entry that is part of a
# device's name applies.
PEAKS = {
    "H200": {"bfloat16": 989.0, "float32": 494.0},
    "H100 PCIe": {"bfloat16": 756.0, "float32": 378.0},
    "H100": {"bfloat16": 989.0, "float32": 494.0},
    "A100": {"bfloat16": 312.0, "float32": 156.0},
    "L40S": {"bfloat16": 362.0, "float32": 183.0},
    "L4": {"bfloat16": 121.0, "float32": 60.0},
    "T4": {"float32": 8.1},
    "V100": {"float32": 15.7},
    "TPU v4": {"bfloat16": 275.0},
    "TPU v5 lite": {"bfloat16": 197.0},
    "TPU v5e": {"bfloat16": 197.0},
    "TPU v5p": {"bfloat16": 459.0},
    "TPU v5": {"bfloat16": 459.0},
    "TPU v6 lite": {"bfloat16": 918.0},
    "TPU v6e": {"bfloat16": 918.0},
}


def known_peak(device: str, dtype: str) -> float | None:
    """Return the peak rate of a device from the vendor's data sheet.

    Args:
        device: Name of the device, as from JAX.
        dtype: `float32` or `bfloat16`.

    Returns:
        TFLOP/s; None if the device, or this dtype for it, is not listed.
    """
    for name, peaks in PEAKS.items():
        if re.search(rf"\b{name}\b", device):
            return peaks.get(dtype)
    return None


def generator_macs(side: int, features: int, levels: int, channels: tuple[int, int]) -> int:
    """Count the multiplications of the U-Net's convolutions for one image.

    Args:
        side: Height and width of the image.
        features: Features of the outermost layer.
        levels: How often it halves the image.
        channels: Channels of source and target.

    Returns:
        Multiply-accumulate operations of one forward pass.
    """
    widths = [features * min(2**level, 8) for level in range(levels)]
    down = zip([channels[0], *widths], widths, strict=False)
    # The input of each up-convolution but the innermost includes a skip connection.
    doubled = [2 * width for width in widths[:-1]] + widths[-1:]
    up = zip(doubled, [channels[1], *widths], strict=False)
    total = 0
    for level, pair in enumerate(zip(down, up, strict=True)):
        pixels = (side >> (level + 1)) ** 2  # of the smaller image; 16 products for each
        total += sum(16 * pixels * inputs * outputs for inputs, outputs in pair)
    return total


def discriminator_macs(side: int, features: int, layers: int, channels: int) -> int:
    """Count the multiplications of the PatchGAN's convolutions for one image.

    Args:
        side: Height and width of the image.
        features: Features of the first layer.
        layers: Number of stride-2 layers.
        channels: Channels of source and target together.

    Returns:
        Multiply-accumulate operations of one forward pass.
    """
    widths = [channels, *(features * min(2**layer, 8) for layer in range(layers + 1)), 1]
    total = 0
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        side = side // 2 if layer < layers else side - 1
        total += 16 * side**2 * inputs * outputs
    return total


def step_gflop(side: int, features: int, levels: int, channels: tuple[int, int] = (3, 3)) -> float:
    """Count the convolutions of one training step for one image, which every program needs.

    The generator runs forward and backward (twice the work of forward). The discriminator runs
    forward and backward on real and on fake, and for the generator forward and back to its input.
    The gradients with respect to the data set's images, half a percent, are included.

    Args:
        side: Height and width of the image.
        features: Features of the outermost layer of either network.
        levels: Levels of the U-Net.
        channels: Channels of source and target.

    Returns:
        10^9 operations; a multiply-accumulate is two.
    """
    generator = generator_macs(side, features, levels, channels)
    discriminator = discriminator_macs(side, features, 3, sum(channels))
    return 2 * (3 * generator + 2 * 3 * discriminator + 2 * discriminator) / 1e9
