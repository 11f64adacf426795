"""The reference's networks in PyTorch, for tests: the same names and layers, reduced in width.

Without PyTorch the tests that import this are skipped.
"""

import functools

import numpy as np
import pytest

from pix2pix_jax import default_config
from pix2pix_jax.core.validation import resolve
from pix2pix_jax.models.build import build_networks
from pix2pix_jax.models.reference_layers import Architecture
from pix2pix_jax.models.reference_weights import configure

torch = pytest.importorskip("torch", reason="the reference's networks need PyTorch")
tn = torch.nn

NORMS = ["batch", "instance"]


def norm_after(kind, channels):
    return tn.BatchNorm2d(channels) if kind == "batch" else tn.InstanceNorm2d(channels)


class Level(tn.Module):
    """One level of the U-Net with all deeper ones inside."""

    def __init__(self, widths, ends, norm, level=0, dropouts=()):
        super().__init__()
        bias, self.outermost, innermost = norm == "instance", level == 0, level == len(widths) - 1
        outside = ends[0] if self.outermost else widths[level - 1]
        wide = widths[level] * (1 if innermost else 2)
        above = ends[1] if self.outermost else outside
        down = tn.Conv2d(outside, widths[level], 4, 2, 1, bias=bias)
        up = tn.ConvTranspose2d(wide, above, 4, 2, 1, bias=bias or self.outermost)
        inside = [] if innermost else [Level(widths, ends, norm, level + 1, dropouts)]
        if self.outermost:
            parts = [down, *inside, tn.ReLU(), up, tn.Tanh()]
        else:
            between = [] if innermost else [norm_after(norm, widths[level])]
            parts = [tn.LeakyReLU(0.2), down, *between, *inside, tn.ReLU(), up]
            parts += [norm_after(norm, above)] + [tn.Dropout(0.5)] * (level in dropouts)
        self.model = tn.Sequential(*parts)

    def forward(self, x):
        y = self.model(x)
        return y if self.outermost else torch.cat([x, y], 1)


class UNetTwin(tn.Module):
    def __init__(self, levels=5, features=8, norm="batch", ends=(3, 3)):
        super().__init__()
        widths = [features * min(2**level, 8) for level in range(levels)]
        self.model = Level(widths, ends, norm, dropouts=range(4, levels - 1))

    def forward(self, x):
        return self.model(x)


class ResidualTwin(tn.Module):
    def __init__(self, width, norm, dropout):
        super().__init__()

        def half():
            convolution = tn.Conv2d(width, width, 3, bias=norm == "instance")
            return [tn.ReflectionPad2d(1), convolution, norm_after(norm, width)]

        between = [tn.ReLU()] + [tn.Dropout(0.5)] * dropout
        self.conv_block = tn.Sequential(*half(), *between, *half())

    def forward(self, x):
        return x + self.conv_block(x)


class ResNetTwin(tn.Module):
    def __init__(self, blocks=2, features=4, norm="batch", dropout=True, ends=(3, 3)):
        super().__init__()
        bias, w = norm == "instance", features

        def layer(convolution, channels):
            return [convolution, norm_after(norm, channels), tn.ReLU()]

        up = functools.partial(tn.ConvTranspose2d, output_padding=1, bias=bias)
        self.model = tn.Sequential(
            tn.ReflectionPad2d(3),
            *layer(tn.Conv2d(ends[0], w, 7, bias=bias), w),
            *layer(tn.Conv2d(w, 2 * w, 3, 2, 1, bias=bias), 2 * w),
            *layer(tn.Conv2d(2 * w, 4 * w, 3, 2, 1, bias=bias), 4 * w),
            *[ResidualTwin(4 * w, norm, dropout) for _ in range(blocks)],
            *layer(up(4 * w, 2 * w, 3, 2, 1), 2 * w),
            *layer(up(2 * w, w, 3, 2, 1), w),
            tn.ReflectionPad2d(3),
            tn.Conv2d(w, ends[1], 7),
            tn.Tanh(),
        )

    def forward(self, x):
        return self.model(x)


class PatchTwin(tn.Module):
    def __init__(self, layers=3, features=8, norm="batch", channels=6):
        super().__init__()
        widths = [features * min(2**layer, 8) for layer in range(layers + 1)]
        parts = [tn.Conv2d(channels, widths[0], 4, 2, 1), tn.LeakyReLU(0.2)]
        for layer in range(1, layers + 1):
            stride, bias = 2 if layer < layers else 1, norm == "instance"
            parts += [tn.Conv2d(widths[layer - 1], widths[layer], 4, stride, 1, bias=bias)]
            parts += [norm_after(norm, widths[layer]), tn.LeakyReLU(0.2)]
        self.model = tn.Sequential(*parts, tn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, x):
        return self.model(x)


class PixelTwin(tn.Module):
    def __init__(self, features=8, norm="batch", channels=6):
        super().__init__()
        bias = norm == "instance"
        self.net = tn.Sequential(
            tn.Conv2d(channels, features, 1),
            tn.LeakyReLU(0.2),
            tn.Conv2d(features, 2 * features, 1, bias=bias),
            norm_after(norm, 2 * features),
            tn.LeakyReLU(0.2),
            tn.Conv2d(2 * features, 1, 1, bias=bias),
        )

    def forward(self, x):
        return self.net(x)


GENERATORS = {
    "unet": UNetTwin,
    "unet of other channels": functools.partial(UNetTwin, ends=(1, 3)),
    "resnet": functools.partial(ResNetTwin, dropout=False),
    "resnet with dropout": ResNetTwin,
}
DISCRIMINATORS = {
    "patch": PatchTwin,
    "patch of one layer": functools.partial(PatchTwin, layers=1),
    "patch of five layers": functools.partial(PatchTwin, layers=5, features=2),
    "pixel": PixelTwin,
}
TWINS = GENERATORS | DISCRIMINATORS


def arrays_of(module):
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}


def make_twin(build, norm, seed=0):
    """Build a twin whose norms have statistics and pairs that matter, and without dropout."""
    torch.manual_seed(seed)
    twin = build(norm=norm)
    for layer in twin.modules():
        if isinstance(layer, tn.BatchNorm2d):
            tn.init.normal_(layer.weight, 1.0, 0.2)
            tn.init.normal_(layer.bias, 0.0, 0.2)
            tn.init.normal_(layer.running_mean, 0.0, 0.2)
            tn.init.uniform_(layer.running_var, 0.5, 2.0)
        if isinstance(layer, tn.Dropout):
            layer.p = 0.0
    return twin


def networks_for(architecture, size):
    """Return a resolved config whose networks are as in a file, and these networks."""
    config = default_config()
    config.data.image_size = (size,)
    if architecture.network in DISCRIMINATORS:
        configure(config, Architecture("unet", "instance", 5, 4, 3, 3), architecture)
    else:
        configure(config, architecture)
    config.model.dropout = 0.0
    config = resolve(config)
    return config, build_networks(config.model, config.data, adversarial=True)


def module_for(architecture, size):
    """Return our module of the network in a file."""
    _, networks = networks_for(architecture, size)
    is_generator = architecture.network not in DISCRIMINATORS
    return networks.generator if is_generator else networks.discriminator


def nchw(image):
    return torch.tensor(np.asarray(image).transpose(0, 3, 1, 2))


def nhwc(tensor):
    return tensor.detach().numpy().transpose(0, 2, 3, 1)
