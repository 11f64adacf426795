"""Results at another scale than their sources: whole, in tiles, of files and of videos."""

import dataclasses

import flax.linen as nn
import jax
import numpy as np
import pytest
import tifffile
from PIL import Image
from support.networks import variables_of

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.core.scales import TARGET_SCALES, scaled
from pix2pix_jax.data.derive import Derivation
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.images.scaling import at_size, nearest
from pix2pix_jax.models.hybrid import Hybrid
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.runs.draws import translate_draws
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.image_folders import translate_folder
from pix2pix_jax.runs.tiling import Cut, Tiling, cut
from pix2pix_jax.runs.translation import translate
from pix2pix_jax.runs.video import translate_video

pytestmark = pytest.mark.usefixtures("one_device")
SCALES = [scale for scale in TARGET_SCALES if scale != 1]


class Resized(nn.Module):
    """A network without weights, whose result is its source at another size, or with noise."""

    scale: float
    noise: bool = False

    def __call__(self, source, *, train, dropout_keys=None):
        if self.noise and dropout_keys is not None:
            source = source * jax.random.uniform(dropout_keys[0], source.shape)
        return at_size(source, scaled(source.shape[1:3], self.scale))


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def generator_of(scale, fit, **tiling):
    form = dataclasses.replace(PHOTOS, scale=scale)
    tiles = Tiling(**tiling)
    return Generator(Resized(scale), {}, (16, 16), form, fit=fit, multiple=4, tiling=tiles)


def blocks(image, scale):
    """What `Resized` makes of an image, in 8 bits."""
    if scale > 1:
        return image.repeat(int(scale), 0).repeat(int(scale), 1)
    even = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), "symmetric")
    return np.asarray(at_size(even.astype(float), scaled(image.shape[:2], 0.5)))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("fit", ["pad", "tile"])
def test_a_result_of_any_size_is_the_whole_image_at_its_scale(scale, fit):
    image = noise(37, 50, 3)
    tiling = {"tile": 16, "overlap": 8} if fit == "tile" else {}
    (fake,) = translate(generator_of(scale, fit, **tiling), [image], mode="deterministic")
    assert fake.shape == (*scaled((37, 50), scale), 3)
    assert np.abs(fake - blocks(image, scale)).max() <= 0.51


def test_a_result_that_was_resized_is_resized_back_to_its_scale():
    generator = dataclasses.replace(generator_of(2.0, "resize"), module=Resized(2.0, noise=True))
    (fake,) = translate(generator, [noise(20, 24, 3)])
    assert fake.shape == (40, 48, 3)
    (drawn,) = translate_draws(generator, [noise(20, 24, 3)], draws=2)
    assert (drawn.mean.shape, drawn.deviation.shape) == ((40, 48, 3), (40, 48, 1))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("side", "sizes"), [(96, Cut(32, 16, 4, 4)), (52, Cut(24, 8, 2, 4))])
def test_the_weights_of_all_tiles_add_up_to_one_everywhere_in_the_result(side, sizes, scale):
    total = np.zeros(int(side * scale))
    for span in cut(side, sizes, scale):
        assert span.place == span.start * scale
        assert 0 <= span.used.start <= span.used.stop <= (span.stop - span.start) * scale
        total[span.first : span.last] += span.weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "multiple", "tile", "overlap"),
    [
        (UNet(3, 4, 2, dropout_placement="paper", scale=2.0), 4, 48, 20),
        (Hybrid(3, 4, 1, 1, norm="group", scale=0.5), 2, 48, 20),
    ],
    ids=["unet", "hybrid"],
)
def test_tiles_that_overlap_by_what_the_network_sees_give_the_result_of_the_whole(
    module, multiple, tile, overlap
):
    source = np.zeros((1, 32, 32, 3), np.float32)
    variables = variables_of(module, source)
    variables = {**variables, "params": jax.tree.map(lambda leaf: 5 * leaf, variables["params"])}
    form = PairFormat(PHOTO, Encoding(3, "float32", -1.0, 1.0), scale=module.scale)
    generator = Generator(module, variables, (32, 32), form, fit="tile", multiple=multiple)
    image = noise(62, 93, 3)

    def tiled(side):
        tiling = Tiling(side, overlap)
        return translate(dataclasses.replace(generator, tiling=tiling), [image])[0]

    whole = tiled(96)
    assert whole.shape == (*scaled((62, 93), module.scale), 3)
    assert np.std(whole) > 0.1
    np.testing.assert_allclose(tiled(tile), whole, atol=2e-5)  # sums in another order


def test_missing_pixels_are_marked_at_the_scale_of_the_result():
    marked = Encoding(1, "float32", 0.0, 1.0, no_data="nan")
    form = PairFormat(marked, marked, scale=3.0)
    image = np.random.default_rng(0).random((21, 30, 1)).astype(np.float32)
    image[5:9, 7:20] = np.nan
    for fit, tile in (("pad", 0), ("tile", 16)):
        generator = Generator(
            Resized(3.0), {}, (16, 16), form, fit=fit, multiple=4, tiling=Tiling(tile)
        )
        (fake,) = translate(generator, [image])
        np.testing.assert_array_equal(np.isnan(fake), np.isnan(blocks(image, 3)))


def test_a_half_sized_result_is_marked_where_one_of_four_pixels_is_missing():
    marked = Encoding(1, "float32", 0.0, 1.0, no_data="nan")
    form = PairFormat(marked, marked, scale=0.5)
    image = np.random.default_rng(0).random((21, 30, 1)).astype(np.float32)
    for place in ((0, 1), (7, 4), (13, 19), (20, 29)):  # each another one of its four
        image[place] = np.nan
    for fit, tile in (("pad", 0), ("tile", 16)):
        tiling = Tiling(tile)
        generator = Generator(Resized(0.5), {}, (16, 16), form, fit=fit, multiple=4, tiling=tiling)
        (fake,) = translate(generator, [image])
        found = {tuple(place) for place in np.argwhere(np.isnan(fake[..., 0])).tolist()}
        assert found == {(0, 0), (3, 2), (6, 9), (10, 14)}


def test_weights_of_pixels_without_data_have_the_size_of_targets():
    marked = Encoding(1, "float32", 0.0, 1.0, no_data="nan")
    source = np.zeros((1, 4, 4, 1), np.float32)
    source[0, 1, 2] = np.nan
    for scale, expected in ((2.0, {(2, 4), (2, 5), (3, 4), (3, 5)}), (0.5, {(0, 1)})):
        target = np.zeros((1, *scaled((4, 4), scale), 1), np.float32)
        weight = PairFormat(marked, marked, scale=scale).weight(source, target)
        assert {tuple(place) for place in np.argwhere(weight[0, ..., 0] == 0)} == expected


# A point of the image, by column and row: the corner of the pixel there, or its centre.
@pytest.mark.parametrize("centres", [False, True])
@pytest.mark.parametrize("scale", [2.0, 0.5])
@pytest.mark.parametrize("fit", ["pad", "tile", "resize"])
def test_a_geotiff_stays_where_it_is_on_earth(tmp_path, scale, fit, centres):
    if centres and fit == "tile":
        pytest.skip("the tags are the same for pad and tile")
    size = (15, 23) if fit == "resize" else (16, 24)  # half of an odd side is rounded up
    keys = (1, 1, 0, 1, 1025, 0, 1, 2 if centres else 1)
    matrix = (0.5, 0.25, 0.0, 100.0, 0.125, -0.5, 0.0, 200.0, *(0.0,) * 4, 0.0, 0.0, 0.0, 1.0)
    tags = [
        (33550, "d", 3, (0.5, 0.25, 0.0), True),
        (33922, "d", 6, (3.0, 4.0, 0.0, 100.0, 200.0, 0.0), True),
        (34264, "d", 16, matrix, True),
        (34735, "H", 8, keys, True),
    ]
    path = tmp_path / "in" / "a.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, noise(*size, 3), photometric="rgb", extratags=tags)
    (written,) = translate_folder(
        generator_of(scale, fit, tile=8 if fit == "tile" else 0), path.parent, tmp_path / "out"
    )
    with tifffile.TiffFile(written) as file:
        found = {code: np.array(file.pages[0].tags[code].value) for code in (33550, 33922, 34264)}
        assert file.pages[0].shape[:2] == scaled(size, scale)
    offset = 0.5 if centres else 0.0
    times = np.divide(scaled(size, scale), size)[::-1]  # columns, rows
    new = lambda place: (np.array(place) + offset) * times - offset  # noqa: E731
    np.testing.assert_allclose(found[33550], [*([0.5, 0.25] / times), 0])
    np.testing.assert_allclose(found[33922], [*new([3, 4]), 0, 100, 200, 0])
    for place in ([0, 0], [5, 2]):
        before = np.reshape(matrix, (4, 4)) @ [*place, 0, 1]
        after = np.reshape(found[34264], (4, 4)) @ [*new(place), 0, 1]
        np.testing.assert_allclose(after, before)


def test_a_derived_source_is_made_smaller_and_its_result_has_the_size_of_the_file(tmp_path):
    (tmp_path / "in").mkdir()
    coarse = noise(12, 10, 3)
    Image.fromarray(coarse.repeat(2, 0).repeat(2, 1)).save(tmp_path / "in" / "a.png")
    for fit in ("pad", "resize", "tile"):
        generator = generator_of(2.0, fit)
        form = dataclasses.replace(generator.form, derivation=Derivation("small"))
        generator = dataclasses.replace(generator, form=form)
        options = {"mode": "deterministic"}
        (same,) = translate_folder(generator, tmp_path / "in", tmp_path / fit, **options)
        assert Image.open(same).size == (40, 48)
        (back,) = translate_folder(
            generator, tmp_path / "in", tmp_path / "d" / fit, derive=True, **options
        )
        assert Image.open(back).size == (20, 24)
        if fit != "resize":
            small = np.asarray(
                Image.fromarray(coarse.repeat(2, 0).repeat(2, 1)).resize(
                    (10, 12), Image.Resampling.BICUBIC
                )
            )
            np.testing.assert_array_equal(np.asarray(Image.open(back)), nearest(small, (24, 20)))


def test_in_tiles_a_derived_source_must_be_a_whole_part_of_its_file(tmp_path):
    Image.fromarray(noise(25, 20, 3)).save(tmp_path / "a.png")
    generator = generator_of(2.0, "tile")
    form = dataclasses.replace(generator.form, derivation=Derivation("small"))
    generator = dataclasses.replace(generator, form=form)
    message = r"a\.png: 25 x 20 pixels .* of which the result would have 24 x 20 .*--fit resize"
    with pytest.raises(InputError, match=message):
        translate_folder(generator, tmp_path / "a.png", tmp_path / "out", derive=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("given", "size"), [((1, 7), (1, 4)), ((7, 1), (4, 1))])
def test_a_strip_of_one_pixel_has_its_factor_from_its_length(given, size):
    image = np.arange(7, dtype=np.float32).reshape(*given, 1)
    assert at_size(image, size).ravel().tolist() == [0.5, 2.5, 4.5, 6]


def test_the_frames_of_a_video_get_the_scale_too(tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed: pip install 'pix2pix_jax[video]'")
    from support.videos import picture, read_clip, write_clip

    clip = write_clip(tmp_path / "clip.mp4", sound="aac")
    translate_video(generator_of(2.0, "pad"), clip, tmp_path / "out.mp4", mode="deterministic")
    frames = read_clip(tmp_path / "out.mp4")[1]
    expected = blocks(picture(3), 2)
    assert frames[3].shape == expected.shape
    assert np.abs(frames[3].astype(int) - expected).mean() < 4
