"""The networks of the PyTorch reference: each array of a weight file, and its place in ours.

The reference is `junyanz/pytorch-CycleGAN-and-pix2pix`. `_LAYERS` has a table of layers for each
network, with the reference's names.
"""

import dataclasses
from collections.abc import Callable, Iterator


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A network of the reference.

    Attributes:
        network: `unet`, `resnet` (generators), `patch`, `pixel` (discriminators).
        norm: `batch` or `instance` (without scale and offset).
        depth: Levels of a U-Net, residual blocks of a ResNet, stride-2 layers of a PatchGAN; 0 for
            a PixelGAN.
        base_features: Features of the first layer.
        in_channels: Channels of the source; for a discriminator, of source and target together.
        out_channels: Channels of the target; 1 for a discriminator.
        dropout: Whether residual blocks have a dropout layer, which shifts the names after it.
            False for a U-Net, whose names do not tell.
    """

    network: str
    norm: str
    depth: int
    base_features: int
    in_channels: int
    out_channels: int
    dropout: bool = False

    def __str__(self) -> str:
        dropout = "with" if self.dropout else "without"
        names = {
            "unet": f"U-Net of {self.depth} levels",
            "resnet": f"ResNet of {self.depth} blocks {dropout} dropout",
            "patch": f"PatchGAN discriminator of {self.depth} layers",
            "pixel": "PixelGAN discriminator",
        }
        return (
            f"{names[self.network]}, {self.norm} norm, {self.base_features} features, "
            f"{self.in_channels} -> {self.out_channels} channels"
        )


@dataclasses.dataclass(frozen=True)
class _Layer:
    """A convolution in our network (`block`) and theirs (`conv`); `norm` is '' without any."""

    block: str
    conv: str
    norm: str
    kernel: tuple[int, int, int]  # side, channels in, channels out
    transposed: bool = False
    always_bias: bool = False  # even with batch norm


@dataclasses.dataclass(frozen=True)
class Entry:
    """One array of a weight file, and its place in our trees.

    Attributes:
        key: Its name in the reference.
        shape: Its shape there.
        layout: How the axes are arranged: `conv`, `transposed` or `vector`.
        collection: `params` or `batch_stats`; '' if we have no such array.
        path: Names that lead to it in the collection.
    """

    key: str
    shape: tuple[int, ...]
    layout: str
    collection: str
    path: tuple[str, str, str] = ("", "", "")


def _unet_layers(a: Architecture) -> Iterator[_Layer]:
    widths = [a.base_features * min(2**level, 8) for level in range(a.depth)]
    yield _Layer("down_0", "model.model.0", "", (4, a.in_channels, widths[0]))
    last = (4, 2 * widths[0], a.out_channels)
    yield _Layer("up_0", "model.model.3", "", last, transposed=True, always_bias=True)
    for level in range(1, a.depth):
        at = "model.model.1.model." + "3.model." * (level - 1)
        innermost = level == a.depth - 1
        outside, inside = widths[level - 1], widths[level]
        down_norm = "" if innermost else f"{at}2"
        yield _Layer(f"down_{level}", f"{at}1", down_norm, (4, outside, inside))
        up, norm = (f"{at}3", f"{at}4") if innermost else (f"{at}5", f"{at}6")
        # The input of all but the innermost includes the skip connection.
        kernel = (4, inside if innermost else 2 * inside, outside)
        yield _Layer(f"up_{level}", up, norm, kernel, transposed=True)


def _resnet_layers(a: Architecture) -> Iterator[_Layer]:
    width, tail = a.base_features, 10 + a.depth
    yield _Layer("first", "model.1", "model.2", (7, a.in_channels, width))
    yield _Layer("down_0", "model.4", "model.5", (3, width, 2 * width))
    yield _Layer("down_1", "model.7", "model.8", (3, 2 * width, 4 * width))
    for block in range(a.depth):
        at = f"model.{10 + block}.conv_block"
        for part, index in enumerate((1, 6 if a.dropout else 5)):
            kernel = (3, 4 * width, 4 * width)
            yield _Layer(f"block_{block}_{part}", f"{at}.{index}", f"{at}.{index + 1}", kernel)
    for number, (wide, index) in enumerate(((4 * width, tail), (2 * width, tail + 3))):
        kernel, names = (3, wide, wide // 2), (f"model.{index}", f"model.{index + 1}")
        yield _Layer(f"up_{number}", *names, kernel, transposed=True)
    kernel = (7, width, a.out_channels)
    yield _Layer("last", f"model.{tail + 7}", "", kernel, always_bias=True)


def _patch_layers(a: Architecture) -> Iterator[_Layer]:
    widths = [a.base_features * min(2**layer, 8) for layer in range(a.depth + 1)]
    yield _Layer("conv_0", "model.0", "", (4, a.in_channels, widths[0]), always_bias=True)
    for layer in range(1, a.depth + 1):
        names = (f"model.{3 * layer - 1}", f"model.{3 * layer}")
        yield _Layer(f"conv_{layer}", *names, (4, widths[layer - 1], widths[layer]))
    kernel = (4, widths[-1], 1)
    yield _Layer(f"conv_{a.depth + 1}", f"model.{3 * a.depth + 2}", "", kernel, always_bias=True)


def _pixel_layers(a: Architecture) -> Iterator[_Layer]:
    width = a.base_features
    yield _Layer("conv_0", "net.0", "", (1, a.in_channels, width), always_bias=True)
    yield _Layer("conv_1", "net.2", "net.3", (1, width, 2 * width))
    yield _Layer("conv_2", "net.5", "", (1, 2 * width, 1))


_LAYERS: dict[str, Callable[[Architecture], Iterator[_Layer]]] = {
    "unet": _unet_layers,
    "resnet": _resnet_layers,
    "patch": _patch_layers,
    "pixel": _pixel_layers,
}


def entries(architecture: Architecture) -> Iterator[Entry]:
    """Yield each array of a network's weight file.

    Args:
        architecture: The network.

    Yields:
        Its arrays, layer by layer.
    """
    batch = architecture.norm == "batch"
    for layer in _LAYERS[architecture.network](architecture):
        side, wide_in, wide_out = layer.kernel
        layout = "transposed" if layer.transposed else "conv"
        channels = (wide_in, wide_out) if layer.transposed else (wide_out, wide_in)
        kernel, bias = (layer.block, "conv", "kernel"), (layer.block, "conv", "bias")
        yield Entry(f"{layer.conv}.weight", (*channels, side, side), layout, "params", kernel)
        if layer.always_bias or not batch:
            yield Entry(f"{layer.conv}.bias", (wide_out,), "vector", "params", bias)
        if not (layer.norm and batch):
            continue
        for theirs, collection, ours in (
            ("weight", "params", "scale"),
            ("bias", "params", "bias"),
            ("running_mean", "batch_stats", "mean"),
            ("running_var", "batch_stats", "var"),
        ):
            path = (layer.block, "norm", ours)
            yield Entry(f"{layer.norm}.{theirs}", (wide_out,), "vector", collection, path)
        yield Entry(f"{layer.norm}.num_batches_tracked", (), "vector", "")
