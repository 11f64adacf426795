import dataclasses
import io

import jax
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from support.generators import SIDE, drawn_generator

from pix2pix_jax.data.pair_format import PairFormat
from pix2pix_jax.deployment.server.pictures import Options, Pictures, Source
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import Encoding
from pix2pix_jax.models.unet import UNet
from pix2pix_jax.runs.image_folders import translate_folder
from pix2pix_jax.runs.translation import translate

RNG = np.random.default_rng(0)
PHOTOS = [RNG.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for _ in range(3)]


@pytest.fixture(scope="module")
def generator():
    return drawn_generator(UNet(levels=2, base_features=4))


def answers(pictures, contents, options=()):
    """Do what the server does with image files that come together; return the files of results."""
    sources = [pictures.open(content, Options(name=name)) for name, content in contents.items()]
    options = options or Options()
    (key,) = {pictures.key(source, options) for source in sources}
    together = pictures.most_at_once(key)
    fakes = []
    for start in range(0, len(sources), together):
        fakes += pictures.translate(key, sources[start : start + together])
    return [pictures.close(*each) for each in zip(sources, fakes, strict=True)]


@pytest.mark.parametrize("seed", [None, 7])
def test_images_are_translated_as_by_translate_whatever_their_company(generator, seed):
    pictures = Pictures(generator, 2)
    contents = {f"{n}.png": image_files.to_bytes(photo) for n, photo in enumerate(PHOTOS[:2])}
    found = answers(pictures, contents, Options("paper", seed))
    seeded = generator if seed is None else dataclasses.replace(generator, seed=seed)
    expected = translate(seeded, PHOTOS[:2], names=list(contents), batch_size=2)
    assert found == [image_files.to_bytes(fake) for fake in expected]
    for name, alone in zip(contents, found, strict=True):
        assert answers(pictures, {name: contents[name]}, Options("paper", seed)) == [alone]


def test_images_of_one_padded_size_go_together(generator):
    pictures, options = Pictures(generator, 2), Options()
    shapes = [(15, 13, 3), (16, 16, 3), (17, 16, 3)]
    keys = [
        pictures.key(
            pictures.open(image_files.to_bytes(np.zeros(shape, np.uint8)), Options()), options
        )
        for shape in shapes
    ]
    assert keys[0] == keys[1] != keys[2]
    resizing = Pictures(dataclasses.replace(generator, fit="resize"), 2)
    source = resizing.open(image_files.to_bytes(np.zeros(shapes[2], np.uint8)), Options())
    assert resizing.key(source, options)[0] == (SIDE, SIDE)


def test_tiled_images_are_translated_as_by_translate(generator):
    tiling = dataclasses.replace(generator, fit="tile")
    (found,) = answers(Pictures(tiling), {"a.png": image_files.to_bytes(PHOTOS[0])})
    assert found == image_files.to_bytes(translate(tiling, PHOTOS[:1], names=["a.png"])[0])


def test_what_png_cannot_hold_is_answered_as_tiff(generator):
    deep = Encoding(3, "uint16", 0.0, 65535.0)
    pictures = Pictures(dataclasses.replace(generator, form=PairFormat(target=deep)), 1)
    (found,) = answers(pictures, {"a": image_files.to_bytes(PHOTOS[0])})
    assert pictures.media_type(found) == "image/tiff"
    array = tifffile.imread(io.BytesIO(found))
    assert (array.shape, array.dtype) == ((SIDE, SIDE, 3), np.uint16)


def test_the_programs_of_many_sizes_are_not_all_kept(generator, monkeypatch):
    cleared = []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(True))
    monkeypatch.setattr(
        "pix2pix_jax.deployment.server.pictures.translate_batch",
        lambda _, images, *__, **___: images,
    )
    pictures = Pictures(generator)
    for number in range(33):
        pixels = np.zeros((16, 16 + 4 * number, 3), np.uint8)
        source = Source(pixels, pixels, "")
        for _ in range(2):
            pictures.translate(pictures.key(source, Options()), [source])
        assert len(cleared) == number // 16


def test_the_example_is_an_image_of_the_training(generator):
    pictures = Pictures(generator, 1)
    example = pictures.example()
    assert example.pixels.shape == (SIDE, SIDE, 3)
    (fake,) = pictures.translate(pictures.key(example, Options()), [example])
    assert fake.shape == (SIDE, SIDE, 3)


def test_results_keep_what_those_of_sample_keep(generator, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = [
        (33550, "d", 3, (0.5, 0.5, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 440720.0, 3751320.0, 0.0), True),
        (34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 26711), True),
    ]
    Image.fromarray(PHOTOS[0]).save(tmp_path / "a.png", icc_profile=profile)
    tifffile.imwrite(tmp_path / "b.tif", PHOTOS[1], photometric="rgb", extratags=tags)
    pictures = Pictures(generator, 1)
    for name in ("a.png", "b.tif"):
        content = (tmp_path / name).read_bytes()
        (found,) = answers(pictures, {name: content})
        (path,) = translate_folder(generator, tmp_path / name, tmp_path / "out", side="whole")
        assert path.read_bytes() == found
        assert pictures.media_type(found) == f"image/{'png' if name == 'a.png' else 'tiff'}"
    assert Image.open(tmp_path / "out" / "a.png").info["icc_profile"] == profile


def test_the_memory_of_an_image_grows_with_its_result(generator):
    def bytes_of(fit="pad", **changes):
        form = dataclasses.replace(generator.form, **changes)
        return Pictures(dataclasses.replace(generator, form=form, fit=fit), 1).bytes_of_a_pixel

    assert bytes_of() == 8 + 12 + 3
    assert bytes_of("resize") == 8 + 4 + 3
    assert bytes_of(scale=4.0) == 8 + 16 * 15
    assert bytes_of(source=Encoding(16, "float32", 0.0, 1.0)) == 64 + 15
