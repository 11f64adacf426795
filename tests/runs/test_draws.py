import dataclasses

import numpy as np
import pytest
from support.networks import variables_of

from pix2pix_jax import InputError, translate, translate_draws
from pix2pix_jax.core.config import default_config
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.models.build import build_generator
from pix2pix_jax.models.sizes import size_multiple
from pix2pix_jax.runs.draws import mean_and_deviation
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.image_folders import translate_folder

pytestmark = pytest.mark.usefixtures("one_device")
SIZE = (16, 16)
PHOTO_PIXELS = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)


def make_generator(form=PHOTOS, placement="paper"):
    """A generator of random weights, one of whose two levels has dropout."""
    model = default_config().model
    model.base_features, model.levels, model.dropout_placement = 4, 2, placement
    module = build_generator(model, image_size=SIZE, out_channels=form.target.channels)
    variables = variables_of(module, np.zeros((1, *SIZE, 3), np.float32))
    multiple = size_multiple(model, SIZE)
    return Generator(module, variables, SIZE, form, multiple=multiple, fit="pad")


@pytest.fixture(scope="module")
def generator():
    return make_generator()


def test_mean_and_deviation_are_those_of_numpy():
    draws = np.random.default_rng(0).normal(1000, 1, (5, 3, 4, 2)).astype(np.float32)
    mean, deviation = mean_and_deviation(iter(draws))
    # Of values near 1000 in float32; the deviation is computed from differences in float64.
    np.testing.assert_allclose(mean, draws.astype(np.float64).mean(axis=0), rtol=1e-7)
    expected = draws.astype(np.float64).std(axis=0, ddof=1)
    np.testing.assert_allclose(deviation, expected, rtol=1e-6)


def test_draws_are_independent_results_and_the_first_is_the_ordinary_one():
    target = Encoding(3, "float32", -10.0, 10.0)  # without rounding
    generator = make_generator(PairFormat(PHOTO, target))
    names = ["a.png", "a.png (draw 2)", "a.png (draw 3)"]
    single = np.stack(translate(generator, [PHOTO_PIXELS] * 3, names=names))
    assert len({each.tobytes() for each in single}) == 3
    (drawn,) = translate_draws(generator, [PHOTO_PIXELS], draws=3, names=["a.png"])
    np.testing.assert_allclose(drawn.mean, single.mean(axis=0), atol=1e-5)
    by_channel = single.astype(np.float64).std(axis=0, ddof=1)
    expected = np.sqrt((by_channel**2).mean(axis=-1, keepdims=True))
    assert drawn.deviation.dtype == np.float32
    # Rounding of results of size 10, relative to a deviation of about 0.1.
    np.testing.assert_allclose(drawn.deviation, expected, atol=1e-4)


def test_deviations_are_in_levels_and_do_not_depend_on_other_images(generator):
    (alone,) = translate_draws(generator, [PHOTO_PIXELS], draws=2, names=["b"])
    _, second = translate_draws(
        generator, [255 - PHOTO_PIXELS, PHOTO_PIXELS], draws=2, names=["a", "b"]
    )
    np.testing.assert_array_equal(alone.mean, second.mean)
    np.testing.assert_array_equal(alone.deviation, second.deviation)
    levels = make_generator(PairFormat(PHOTO, Encoding(3, "float32", -1.0, 1.0)))
    (unscaled,) = translate_draws(levels, [PHOTO_PIXELS], draws=2, names=["b"])
    np.testing.assert_allclose(alone.deviation, unscaled.deviation * 127.5, rtol=1e-5)
    assert alone.mean.dtype == np.uint8


@pytest.mark.parametrize("fit", ["resize", "pad"])
def test_a_folder_has_the_deviation_beside_each_result(generator, tmp_path, fit):
    generator = dataclasses.replace(generator, fit=fit)
    (tmp_path / "in").mkdir()
    photo = np.random.default_rng(1).integers(0, 256, (21, 30, 3), np.uint8)
    image_files.write(tmp_path / "in" / "a.png", photo)
    (path,) = translate_folder(generator, tmp_path / "in", tmp_path / "out", draws=3)
    assert sorted(each.name for each in path.parent.iterdir()) == ["a.png", "a_deviation.tif"]
    (drawn,) = translate_draws(generator, [photo], draws=3, names=["a.png"])
    np.testing.assert_array_equal(image_files.read(path), drawn.mean)
    stored = image_files.read_stored(path.with_name("a_deviation.tif"))
    np.testing.assert_array_equal(stored, drawn.deviation)
    assert stored.shape == (21, 30, 1)
    assert stored.min() >= 0 < stored.max()


def test_a_deviation_never_replaces_a_result_or_an_input(tmp_path):
    generator = make_generator(PairFormat(PHOTO, Encoding(3, "float32", -10.0, 10.0)))
    folder = tmp_path / "in"
    folder.mkdir()
    image_files.write(folder / "a.png", PHOTO_PIXELS)
    image_files.write(folder / "a_deviation.png", PHOTO_PIXELS)
    with pytest.raises(InputError, match=r"would both be written to .*a_deviation\.tif"):
        translate_folder(generator, folder, tmp_path / "out", draws=2)
    (folder / "a_deviation.png").rename(folder / "a_deviation.tif")
    (folder / "a.png").rename(folder / "a.jpg")
    with pytest.raises(InputError, match=r"a_deviation\.tif, for .*a\.jpg, would replace an input"):
        translate_folder(make_generator(), folder, folder, draws=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 0}, "draws=0: expected a whole number from 1 to 1000"),
        ({"draws": 1}, "draws=1: a deviation needs at least 2"),
        ({"mode": "deterministic"}, "draws=8 with mode 'deterministic', which has none"),
    ],
)
def test_draws_that_make_no_sense_are_one_line(generator, options, message):
    with pytest.raises(InputError, match=message):
        translate_draws(generator, [PHOTO_PIXELS], **options)


def test_a_run_without_dropout_says_so_before_anything_is_written(tmp_path):
    image_files.write(tmp_path / "a.png", PHOTO_PIXELS)
    without = make_generator(placement="reference")  # which has none in two levels
    with pytest.raises(InputError, match="draws=4: this run's generator has no dropout"):
        translate_folder(without, tmp_path / "a.png", tmp_path / "out", draws=4)
    with pytest.raises(InputError, match=r"draws=2 with blend=0\.5: choose one"):
        translate_folder(make_generator(), tmp_path / "a.png", tmp_path / "out", draws=2, blend=0.5)
    assert not (tmp_path / "out").exists()


def test_the_deviation_of_classes_is_that_of_their_shares():
    form = PairFormat(PHOTO, Encoding(1, "uint8", classes=3))
    (drawn,) = translate_draws(make_generator(form), [PHOTO_PIXELS], draws=4)
    assert 0 < drawn.deviation.max() <= 1
