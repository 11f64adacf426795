import dataclasses
import gc
import io

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from support.runs import tiny_run

from pix2pix_jax import InputError, load_generator, translate
from pix2pix_jax.images import pixels as images
from pix2pix_jax.runs.batch_sizes import choose_batch_size
from pix2pix_jax.runs.fitting import fitted_size
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.translation import BatchTranslator

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (5, 64, 64, 3), np.uint8)
NAMES = [f"{number}.jpg" for number in range(5)]


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """Train at 64 pixels, where one level has dropout, with batch norm."""
    workdir = tiny_run(
        tmp_path_factory.mktemp("runs") / "run",
        data__image_size=64,
        data__synthetic_pairs=(16, 3, 3),
        model__norm="batch",
        model__levels=0,
    )
    return load_generator(workdir)


@pytest.mark.parametrize("mode", ["paper", "deterministic"])
def test_an_images_result_does_not_depend_on_its_company(generator, mode):
    together = translate(generator, PHOTOS, names=NAMES, mode=mode, batch_size=8)
    for order in ([3], [4, 3, 0], [1, 2, 3, 4, 0]):
        some = translate(
            generator, PHOTOS[order], names=[NAMES[i] for i in order], mode=mode, batch_size=8
        )
        for place, number in enumerate(order):
            np.testing.assert_array_equal(some[place], together[number])


def test_paper_mode_draws_dropout_from_seed_and_name(generator):
    same = np.repeat(PHOTOS[:1], 2, axis=0)
    first, second = translate(generator, same, names=["a.png", "b.png"])
    again, _ = translate(generator, same, names=["a.png", "c.png"])
    np.testing.assert_array_equal(first, again)
    assert np.any(first != second)
    reseeded = dataclasses.replace(generator, seed=1)
    assert np.any(translate(reseeded, same[:1], names=["a.png"])[0] != first)


def test_a_generator_translates_one_image_and_the_result_shows_itself(generator):
    (expected,) = translate(generator, PHOTOS[:1])
    result = generator(PHOTOS[0])
    np.testing.assert_array_equal(result, expected)
    shown = Image.open(io.BytesIO(result._repr_png_()))
    np.testing.assert_array_equal(np.asarray(shown), expected)
    named = generator(PHOTOS[0], name="a.png")
    np.testing.assert_array_equal(named, translate(generator, PHOTOS[:1], names=["a.png"])[0])
    with pytest.raises(InputError, match=r"^mode 'fast': choose from paper, deterministic$"):
        generator(PHOTOS[0], mode="fast")


def test_deterministic_mode_draws_nothing(generator):
    same = np.repeat(PHOTOS[:1], 2, axis=0)
    first, second = translate(generator, same, names=["a", "b"], mode="deterministic")
    np.testing.assert_array_equal(first, second)
    reseeded = dataclasses.replace(generator, seed=1)
    other = translate(reseeded, same[:1], mode="deterministic")
    np.testing.assert_array_equal(first, other[0])


def test_modes_use_different_batch_norm_statistics(generator):
    (paper,) = translate(generator, PHOTOS[:1])
    (deterministic,) = translate(generator, PHOTOS[:1], mode="deterministic")
    assert np.any(paper != deterministic)


def test_images_of_other_sizes_come_back_in_their_own(generator):
    sources = [RNG.integers(0, 256, shape, np.uint8) for shape in ((30, 91, 3), (200, 64, 3))]
    fakes = translate(generator, sources)
    assert [fake.shape for fake in fakes] == [(30, 91, 3), (200, 64, 3)]
    small = images.resize(sources[0], (64, 64))
    (whole,) = translate(generator, [small], names=["0"])
    np.testing.assert_array_equal(fakes[0], images.resize(whole, (30, 91)))


def test_no_images_give_no_images(generator):
    assert translate(generator, []) == []


def test_wrong_channels_and_modes_are_refused(generator):
    with pytest.raises(InputError, match="image 0: 1 channels of uint8, expected 3 of uint8"):
        translate(generator, [PHOTOS[0, :, :, :1]], names=["x"])
    with pytest.raises(InputError, match="mode 'papr': choose from paper, deterministic"):
        translate(generator, PHOTOS, mode="papr")


def test_frames_of_the_same_name_have_the_same_dropout(generator):
    same = np.repeat(PHOTOS[:1], 2, axis=0)
    first, second = translate(generator, same, names=["film", "film"])
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["a"]}, "names has 1 entries for 2 images; give one for each"),
        ({"names": "ab"}, "names='ab': expected a list with a name for each image"),
        ({"batch_size": -1}, "batch_size=-1: expected a whole number from 0 on"),
    ],
)
def test_options_that_do_not_fit_are_one_line(generator, options, message):
    with pytest.raises(InputError, match=message):
        translate(generator, PHOTOS[:2], **options)


@pytest.mark.parametrize("size", [(64, 64), (30, 91), (65, 40)])
def test_a_padded_image_has_the_result_of_its_padded_self(generator, size):
    padding = dataclasses.replace(generator, fit="pad")
    source = RNG.integers(0, 256, (*size, 3), np.uint8)
    spare = [-side % 64 for side in size]
    whole = np.pad(source, ((0, spare[0]), (0, spare[1]), (0, 0)), mode="symmetric")
    (fake,) = translate(padding, [source], mode="deterministic")
    assert fake.shape == source.shape
    whole = jnp.asarray(whole[None], jnp.float32) / 127.5 - 1
    answer = jax.jit(generator.module.apply, static_argnames="train")(
        generator.variables, whole, train=False
    )
    expected = images.to_uint8(np.asarray(answer)[0])[: size[0], : size[1]]
    np.testing.assert_allclose(fake.astype(int), expected, atol=1)  # rounding at a half


def test_padded_images_of_several_sizes_come_back_in_order(generator):
    padding = dataclasses.replace(generator, fit="pad")
    sizes = [(64, 64), (60, 50), (64, 128), (70, 20), (100, 10), (10, 10)]
    sources = [RNG.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    names = [f"{number}.png" for number in range(6)]
    together = translate(padding, sources, names=names, batch_size=2)
    assert [fake.shape[:2] for fake in together] == sizes
    for fake, source, name in zip(together, sources, names, strict=True):
        (alone,) = translate(padding, [source], names=[name], batch_size=2)
        np.testing.assert_array_equal(fake, alone)


def test_accelerators_translate_larger_batches_unless_the_images_are_large(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    sizes = {side: choose_batch_size(0, (side, side)) for side in (32, 128, 256, 512, 1024, 2048)}
    # Of each of the eight devices.
    assert sizes == {32: 1024, 128: 1024, 256: 256, 512: 64, 1024: 16, 2048: 8}
    assert choose_batch_size(3, (256, 256)) == 3


@pytest.fixture
def compiled(caplog):
    """Count the programs that were compiled since the last call."""

    def count():
        found = sum(record.getMessage().startswith("Compiling") for record in caplog.records)
        caplog.clear()
        return found

    with jax.log_compiles():
        yield count


@pytest.mark.usefixtures("one_device")
def test_on_the_cpu_a_program_has_one_image_and_its_bits_do_not_depend_on_the_number(
    generator, compiled
):
    assert choose_batch_size(0, (256, 256)) == choose_batch_size(8, (16, 16)) == 1
    together = translate(generator, PHOTOS, names=NAMES)
    compiled()
    for batch_size in (0, 1, 5, 100):
        (alone,) = translate(generator, PHOTOS[2:3], names=NAMES[2:3], batch_size=batch_size)
        np.testing.assert_array_equal(alone, together[2])
    assert compiled() == 0
    translator = BatchTranslator(generator, (64, 64), mode="paper", batch_size=1)
    assert translator.size == 1


@pytest.mark.usefixtures("one_device")
def test_an_image_of_a_new_size_compiles_one_program(generator, compiled):
    padding = dataclasses.replace(generator, fit="pad")
    translate(padding, PHOTOS[:1])  # what is compiled once in a process, such as the random key
    compiled()
    for _ in range(2):
        translate(padding, [np.zeros((70, 64, 3), np.uint8), np.zeros((100, 50, 3), np.uint8)])
    assert compiled() == 1  # both are padded to 128 x 64


def test_few_programs_serve_photos_of_many_sizes():
    takes_multiples_of_4 = Generator(nn.Module(), {}, (256, 256), fit="pad", multiple=4)
    sizes = {fitted_size(takes_multiples_of_4, (side, side)) for side in range(513, 1025, 2)}
    assert len(sizes) == 8
    for size in ((600, 600), (1200, 600), (4, 4)):  # the network takes them: nothing is added
        assert fitted_size(takes_multiples_of_4, size) == size
    for side in range(1, 3000, 7):
        height, width = fitted_size(takes_multiples_of_4, (side, 601))
        assert (height % 4, width) == (0, 640)
        assert side <= height < max(side * 9 / 8, side + 4)


class Negative(nn.Module):
    """A network that takes any size and compiles at once."""

    def __call__(self, source, *, train, dropout_keys=None):
        return -source


@pytest.mark.usefixtures("one_device")
def test_programs_of_many_sizes_are_compiled_once_in_a_call_and_not_kept_for_ever(compiled):
    network = Generator(Negative(), {}, (256, 256), fit="pad", multiple=1)
    client = jax.devices()[0].client
    sizes = [(1 + number % 20, 3) for number in range(40)]
    fakes = translate(network, [np.full((*size, 3), 5, np.uint8) for size in sizes])
    assert [(*fake.shape[:2], fake.max()) for fake in fakes] == [(*size, 250) for size in sizes]
    assert compiled() <= 20 + 2  # the two are of the random key
    gc.collect()
    before = len(client.live_executables())
    translate(network, [np.zeros((side, 5, 3), np.uint8) for side in range(1, 21)])
    gc.collect()
    assert len(client.live_executables()) <= before
