import dataclasses
import inspect

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax import (
    InputError,
    image_files,
    images,
    load_generator,
    train_and_evaluate,
    translate,
)
from pix2pix_jax.config_files import load_json, save_json
from pix2pix_jax.models import build_generator
from pix2pix_jax.train_state import abstract_variables, draw_variables
from pix2pix_jax.translate_files import translate_folder, translate_split

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (5, 64, 64, 3), np.uint8)
NAMES = [f"{number}.jpg" for number in range(5)]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Train for two steps at 64 pixels, where one level drops out, with batch norm."""
    from pix2pix_jax.config import default_config

    config = default_config()
    config.data.image_size = (64,)
    config.data.synthetic_pairs = (16, 3, 3)
    config.model.base_features = 4
    config.model.norm = "batch"
    config.train.epochs = 2
    config.checkpoint.every_epochs = 1
    config.log.tensorboard = False
    config.compilation_cache = ""
    folder = tmp_path_factory.mktemp("run")
    train_and_evaluate(config, folder)
    return folder


@pytest.fixture(scope="module")
def generator(workdir):
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
    with pytest.raises(InputError, match=r"image x: ndarray of shape \(64, 64, 1\); .* width, 3\)"):
        translate(generator, [PHOTOS[0, :, :, :1]], names=["x"])
    with pytest.raises(InputError, match="mode 'papr': choose from paper, deterministic"):
        translate(generator, PHOTOS, mode="papr")


def test_a_loaded_generator_is_the_trained_one(workdir):
    latest, best = load_generator(workdir, "latest"), load_generator(workdir)
    assert latest.step == 4
    assert best.step in (2, 4)
    assert load_generator(workdir, 2).step == 2
    with pytest.raises(InputError, match="'3': choose from best, latest, 2, 4"):
        load_generator(workdir, 3)
    with pytest.raises(InputError, match="not the folder of a run"):
        load_generator(workdir / "samples")


def test_a_folder_keeps_its_names_and_gives_the_same_bytes_again(generator, tmp_path):
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for number, path in enumerate(("a.jpg", "b.PNG", "more/a.jpeg")):
        Image.fromarray(PHOTOS[number]).save(photos / path, format="PNG")
    (photos / "notes.txt").write_text("not an image")
    first = translate_folder(generator, photos, tmp_path / "out", batch_size=2)
    assert [path.relative_to(tmp_path / "out").as_posix() for path in first] == [
        "a.png",
        "b.png",
        "more/a.png",
    ]
    second = translate_folder(generator, photos, tmp_path / "again", batch_size=2)
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    (single,) = translate_folder(generator, photos / "a.jpg", tmp_path / "one", batch_size=2)
    assert single.read_bytes() == first[0].read_bytes()


def test_a_split_is_translated_under_its_own_names(generator, workdir, tmp_path):
    written = translate_split(generator, workdir, "test", tmp_path, batch_size=2)
    assert [path.name for path in written] == [f"test_0000{n}.png" for n in range(3)]
    assert image_files.read(written[0]).shape == (64, 64, 3)
    with pytest.raises(InputError, match="split 'tset': choose from train, val, test"):
        translate_split(generator, workdir, "tset", tmp_path)


@pytest.mark.parametrize(
    ("names", "source", "output", "message"),
    [
        ([], "nowhere", "out", "nowhere: there is no such file or folder"),
        ([], ".", "out", "no images"),
        (["a.jpg", "a.png"], ".", "out", "a.jpg and .*a.png would both be written to .*a.png"),
        (["a.png"], ".", ".", "would replace an input"),
    ],
)
def test_folders_that_would_lose_something_are_refused(
    generator, tmp_path, names, source, output, message
):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in names:
        Image.fromarray(PHOTOS[0]).save(folder / name)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError, match=message):
        translate_folder(generator, folder / source, folder / output)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_any_channel_count_can_be_built(tiny_config):
    module = build_generator(tiny_config.model, image_size=(32, 32), out_channels=5)
    params, _ = abstract_variables(module, (1, 32, 32, 2))
    assert draw_variables(params, 0)["up_0"]["conv"]["kernel"].shape == (4, 4, 8, 5)


def side_by_side(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((64, 128, 3), np.uint8)).save(path)


def test_a_split_keeps_sub_folders_and_never_writes_into_the_data(generator, workdir, tmp_path):
    config = load_json(workdir / "config.json")
    config.data.source = "side_by_side"
    config.data.root = str(tmp_path / "data")
    save_json(config, tmp_path / "config.json")
    side_by_side(tmp_path / "data" / "val", "a/0.png", "b/0.png")
    written = translate_split(generator, tmp_path, "val", tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        "a/0.png",
        "b/0.png",
    ]
    with pytest.raises(InputError, match="lies in the run's data set"):
        translate_split(generator, tmp_path, "val", tmp_path / "data" / "val" / "a")
    side_by_side(tmp_path / "data" / "val", "a/0.jpg")
    with pytest.raises(InputError, match="would both be written to"):
        translate_split(generator, tmp_path, "val", tmp_path / "out")


@pytest.mark.parametrize("image", [PHOTOS[0].astype(np.float32), Image.fromarray(PHOTOS[0])])
def test_only_uint8_arrays_are_images(generator, image):
    with pytest.raises(InputError, match="takes uint8 arrays"):
        inspect.unwrap(translate)(generator, [image])
