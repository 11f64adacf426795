import dataclasses
import logging

import flax.linen as nn
import jax
import numpy as np
import pytest
from support.networks import variables_of
from support.seams import seam_ratio

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.images.rows import rows_of
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.resnet import ResNet
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.tiled_images import ImageTiler
from pix2pix_jax.runs.tiling import Cut, Tiling, make_plan
from pix2pix_jax.runs.translation import translate

pytestmark = pytest.mark.usefixtures("one_device")
FLOATS = PairFormat(PHOTO, Encoding(3, "float32", -1.0, 1.0))
NOISE = np.random.default_rng(0).integers(0, 256, (94, 157, 3), np.uint8)


def generator_of(module, multiple, form=FLOATS, **tiling):
    variables = variables_of(module, np.zeros((1, 32, 32, 3), np.float32))
    larger = jax.tree.map(lambda leaf: 5 * leaf, variables["params"])  # for results of all levels
    variables = {**variables, "params": larger}
    tiles = Tiling(**tiling)
    return Generator(module, variables, (32, 32), form, fit="tile", multiple=multiple, tiling=tiles)


def tiled(generator, image, mode="paper", **tiling):
    """Translate an image in tiles."""
    generator = dataclasses.replace(generator, tiling=Tiling(**tiling))
    tiler = ImageTiler(generator, mode=mode)
    return np.concatenate(list(tiler(rows_of(image), "a.png", 5)))


@pytest.mark.parametrize(
    ("module", "multiple", "tile", "overlap"),
    [
        (UNet(3, 4, 2, dropout_placement="paper"), 4, 48, 20),
        (ResNet(3, 4, 1, norm="batch"), 4, 64, 40),
        (Hybrid(3, 4, 1, 1, norm="group"), 2, 48, 20),
    ],
    ids=["unet", "resnet", "hybrid"],
)
def test_tiles_that_overlap_by_what_the_network_sees_give_the_result_of_the_whole(
    module, multiple, tile, overlap
):
    generator = generator_of(module, multiple)
    whole = tiled(generator, NOISE, tile=160, overlap=overlap)
    parts = tiled(generator, NOISE, tile=tile, overlap=overlap)
    assert np.std(whole) > 0.1
    np.testing.assert_allclose(parts, whole, atol=2e-5)  # sums in another order


@pytest.fixture(scope="module")
def generator():
    """A small U-Net with instance norm."""
    return generator_of(UNet(3, 4, 2), 4)


def photo(height, width):
    """Make a photo of an evening sky, in which light changes slowly from side to side."""
    light = 50 + np.mgrid[:height, :width].sum(axis=0) * (120 / (height + width))
    shades = light + 3 * np.random.default_rng(0).normal(size=(height, width))
    return (shades[..., None] * [1, 0.8, -1] + [0, 20, 230]).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("norm", "overlap", "seen"), [("whole", 20, False), ("whole", 8, False), ("tile", 8, True)]
)
def test_the_borders_of_tiles_are_seen_only_if_each_has_its_own_statistics(
    generator, norm, overlap, seen
):
    result = tiled(
        generator, photo(600, 1200), "deterministic", tile=152, overlap=overlap, norm=norm
    )
    borders = make_plan((600, 1200), Cut(152, overlap, 0, 4)).borders
    edges, steps = (seam_ratio(result, borders, reach, period=4) for reach in (1, 32))
    assert abs(edges - 1) < 0.05
    assert steps > 1.2 if seen else abs(steps - 1) < 0.1


def test_a_large_images_statistics_come_from_pieces_all_over_it(generator, monkeypatch, caplog):
    source = photo(96, 1600)
    exact = tiled(generator, source, mode="deterministic", tile=256, overlap=20)
    monkeypatch.setattr("pix2pix_jax.runs.image_memory.available_bytes", lambda: 40e6)
    with caplog.at_level(logging.INFO):
        sampled = tiled(generator, source, mode="deterministic", tile=256, overlap=20)
    assert "a.png: the statistics of its norms are those of a sample, " in caplog.text
    own = tiled(generator, source, mode="deterministic", tile=256, overlap=20, norm="tile")
    far, near = (np.abs(result - exact).mean() for result in (own, sampled))
    assert 0 < near < far / 3


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"tile": 48, "overlap": 8}, "tiles of 48 pixels overlap by 8, less than the 18 that"),
        ({"tile": 32}, "seams are blended, not excluded"),
        ({"tile": 48, "overlap": 18}, ""),
        ({"tile": 48, "overlap": 8, "norm": "tile"}, ""),
    ],
)
def test_a_line_says_where_seams_are_only_blended(generator, caplog, options, line):
    with caplog.at_level(logging.INFO):
        tiler = ImageTiler(dataclasses.replace(generator, tiling=Tiling(**options)), mode="paper")
        tiler.say_what_is_blended()
    assert line in caplog.text
    assert bool(line) == bool(caplog.text)


def test_only_batch_norm_has_running_statistics(generator):
    running = Tiling(norm="running")
    with pytest.raises(InputError, match=r"--tile_norm running: .* choose whole or tile"):
        ImageTiler(dataclasses.replace(generator, tiling=running), mode="paper")
    trained = generator_of(UNet(3, 4, 2, norm="batch"), 4)
    parts = tiled(trained, NOISE, mode="paper", tile=48, overlap=20, norm="running")
    whole = tiled(trained, NOISE, mode="deterministic", tile=160, overlap=20)
    np.testing.assert_allclose(parts, whole, atol=2e-5)  # this depth has no dropout


class Own(nn.Module):
    """Own code, which may do anything with its keys."""

    @nn.compact
    def __call__(self, source, *, train, dropout_keys=None):
        x = nn.Conv(3, (3, 3))(source)
        if dropout_keys is None:
            return x
        return x + jax.random.uniform(dropout_keys[0], x.shape)


def test_own_networks_are_blended_and_do_not_repeat_their_dropout(caplog):
    with caplog.at_level(logging.INFO):
        own = generator_of(Own(), 4)
        ImageTiler(own, mode="paper").say_what_is_blended()
        same = np.full((32, 64, 3), 128, np.uint8)
        result = tiled(own, same, tile=32, overlap=0)
    assert "nothing is known of how far own code looks" in caplog.text
    assert np.any(result[4:-4, 4:28] != result[4:-4, 36:60])


def test_translate_gives_images_of_any_size_in_tiles(generator):
    photos = dataclasses.replace(generator, form=PHOTOS, tiling=Tiling(48, 20))
    results = translate(photos, [NOISE, NOISE[:30, :17]], names=["a.png", "b.png"])
    assert [(result.shape, str(result.dtype)) for result in results] == [
        ((94, 157, 3), "uint8"),
        ((30, 17, 3), "uint8"),
    ]
    padded = dataclasses.replace(photos, fit="pad")
    for result, expected in zip(results, translate(padded, [NOISE, NOISE[:30, :17]]), strict=True):
        # Padded to other sides, whose mirrored pixels have a share in the statistics.
        assert np.abs(result.astype(int) - expected).mean() < 6
