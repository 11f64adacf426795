"""Folders in which something is wrong: what is refused, left out, written, and said."""

import logging
import pathlib

import numpy as np
import pytest
from PIL import Image
from support.networks import variables_of

from pix2pix_jax.core.config import default_config
from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.configured_format import build_format
from pix2pix_jax.data.pair_format import PHOTOS
from pix2pix_jax.images import files as image_files
from pix2pix_jax.models.build import build_generator
from pix2pix_jax.models.sizes import size_multiple
from pix2pix_jax.runs import image_memory, results
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.image_folders import translate_folder

pytestmark = pytest.mark.usefixtures("one_device")
SIZE = (16, 16)


@pytest.fixture(scope="module")
def generator():
    """A generator of random weights, one of whose levels has dropout."""
    model = default_config().model
    model.base_features, model.levels, model.dropout_placement = 4, 2, "paper"
    module = build_generator(model, image_size=SIZE, out_channels=3)
    variables = variables_of(module, np.zeros((1, *SIZE, 3), np.float32))
    return Generator(module, variables, SIZE, PHOTOS, multiple=size_multiple(model, SIZE))


@pytest.fixture
def photos(tmp_path):
    """Four photos, a.png to d.png."""
    (tmp_path / "in").mkdir()
    for number, name in enumerate("abcd"):
        pixels = np.random.default_rng(number).integers(0, 256, (*SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{name}.png")
    return tmp_path / "in"


def names(paths):
    return [path.name for path in paths]


def spoil(path, kind):
    """Make a file one that cannot be a source: by its header, or only by its pixels."""
    if kind == "header":
        Image.fromarray(np.zeros(SIZE, np.uint16)).save(path)
    else:
        path.write_bytes(path.read_bytes()[:-60])


def test_what_the_headers_tell_is_judged_before_anything_is_written(generator, photos, tmp_path):
    spoil(photos / "d.png", "header")
    with pytest.raises(InputError, match=r"d\.png: holds uint16 .*nothing was written: --on_error"):
        translate_folder(generator, photos, tmp_path / "out", batch_size=2)
    assert not (tmp_path / "out").exists()
    spoil(photos / "b.png", "header")
    with pytest.raises(InputError, match=r"b\.png: .* \(2 such files\); nothing was written"):
        translate_folder(generator, photos, tmp_path / "out")


def test_what_comes_before_a_broken_file_is_written_and_said(generator, photos, tmp_path):
    spoil(photos / "d.png", "pixels")
    with pytest.raises(InputError, match=r"d\.png: cannot be read") as found:
        translate_folder(generator, photos, tmp_path / "out", batch_size=8)
    assert found.value.__notes__ == [f"3 of 4 images written to {tmp_path / 'out'}"]
    assert names(sorted((tmp_path / "out").iterdir())) == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize("kind", ["header", "pixels"])
def test_files_that_cannot_be_read_are_skipped_and_counted(
    generator, photos, tmp_path, kind, caplog
):
    whole = translate_folder(generator, photos, tmp_path / "whole", batch_size=2)
    spoil(photos / "b.png", kind)
    with caplog.at_level(logging.WARNING):
        some = translate_folder(generator, photos, tmp_path / "some", batch_size=2, on_error="skip")
    assert names(some) == ["a.png", "c.png", "d.png"]
    first, last = caplog.messages
    assert first.startswith(f"left out: {photos / 'b.png'}: ")
    assert last == "1 of 4 images were left out"
    for path in some:
        assert path.read_bytes() == (whole[0].parent / path.name).read_bytes()


def test_a_folder_of_which_nothing_can_be_read_is_an_error(generator, photos, tmp_path):
    for path in photos.iterdir():
        spoil(path, "header")
    with pytest.raises(InputError, match="in: none of its 4 images can be translated"):
        translate_folder(generator, photos, tmp_path / "out", on_error="skip")


def test_a_disk_that_is_full_is_said_with_what_was_written(
    generator, photos, tmp_path, monkeypatch
):
    write = image_files.write

    def fail_at_the_third(path, image, **options):
        if path.name == "c.png":
            raise OSError(28, "No space left on device")
        write(path, image, **options)

    monkeypatch.setattr(image_files, "write", fail_at_the_third)
    with pytest.raises(OSError, match="No space left") as found:
        translate_folder(generator, photos, tmp_path / "out")
    assert found.value.__notes__ == [f"2 of 4 images written to {tmp_path / 'out'}"]


def test_results_inside_the_input_are_not_taken_for_inputs(generator, photos, caplog):
    with caplog.at_level(logging.INFO):
        first = translate_folder(generator, photos, photos / "out")
        contents = [path.read_bytes() for path in first]
        assert not caplog.messages
        second = translate_folder(generator, photos, photos / "out")
    assert second == first
    assert [path.read_bytes() for path in second] == contents
    assert caplog.messages == [
        f"{photos / 'out'}: its 4 images are taken for results of an earlier call, and not "
        "translated"
    ]


def side_by_side(path, left, right):
    Image.fromarray(np.hstack([left, right])).save(path)


def test_the_half_that_was_the_source_is_taken_of_side_by_side_files(
    generator, photos, tmp_path, caplog
):
    alone = translate_folder(generator, photos, tmp_path / "alone")
    left, right = (image_files.read(photos / name) for name in ("a.png", "b.png"))
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    side_by_side(pairs / "a.png", left, right)
    Image.fromarray(left).save(pairs / "d.png")
    with caplog.at_level(logging.INFO):
        found = translate_folder(generator, pairs, tmp_path / "auto", side="auto")
    assert [image_files.size_of(path) for path in found] == [SIZE, SIZE]
    assert found[0].read_bytes() == alone[0].read_bytes()
    (line,) = caplog.messages
    assert line.startswith("1 of 2 images are side-by-side pairs by their proportions: the left")
    (whole, _) = translate_folder(generator, pairs, tmp_path / "whole", side="whole")
    assert image_files.size_of(whole) == (16, 32)


def test_a_side_can_be_chosen_and_follows_the_direction(generator, photos, tmp_path):
    left, right = (image_files.read(photos / name) for name in ("a.png", "b.png"))
    (tmp_path / "pairs").mkdir()
    side_by_side(tmp_path / "pairs" / "a.png", left, right)
    Image.fromarray(right).save(photos / "a.png")
    expected = translate_folder(generator, photos / "a.png", tmp_path / "alone")[0].read_bytes()
    config = default_config()
    config.data.direction = "BtoA"
    form = build_format(config.data, config.derive)
    backward = Generator(
        generator.module, generator.variables, SIZE, form, multiple=generator.multiple
    )
    for one, side in ((generator, "right"), (backward, "auto")):
        (path,) = translate_folder(one, tmp_path / "pairs", tmp_path / side, side=side)
        assert path.read_bytes() == expected


def test_frames_of_a_video_can_have_the_same_dropout(generator, photos, tmp_path):
    for name in "bcd":
        (photos / f"{name}.png").write_bytes((photos / "a.png").read_bytes())
    flickering = translate_folder(generator, photos, tmp_path / "names", batch_size=3)
    steady = translate_folder(generator, photos, tmp_path / "same", batch_size=3, same_dropout=True)
    assert len({path.read_bytes() for path in flickering}) == 4
    assert len({path.read_bytes() for path in steady}) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, "on_error='ignore': choose from fail, skip"),
        ({"side": "top"}, "side='top': choose from auto, left, right, whole"),
        ({"side": "left", "derive": True}, "side='left': this run derives its sources"),
    ],
)
def test_options_that_do_not_exist_are_refused(generator, tmp_path, options, message):
    if options.get("derive"):
        config = default_config()
        config.derive.kind = "edges"
        form = build_format(config.data, config.derive)
        generator = Generator(generator.module, generator.variables, SIZE, form)
    with pytest.raises(InputError, match=message):
        translate_folder(generator, tmp_path, pathlib.Path("out"), **options)


def test_images_that_cannot_fit_into_memory_are_refused_before_anything_is_allocated(
    generator, monkeypatch
):
    monkeypatch.setattr(image_memory, "available_bytes", lambda: 10**9)
    # The first layer of 4 features at half the size, or the target: at least 3 floats a pixel.
    with pytest.raises(InputError, match=r"8 images of 4096 x 8192 .* GB are free; use --fit"):
        image_memory.refuse_too_large(generator, 4096, 8192, 8)
    with pytest.raises(
        InputError, match=r"1 images of 8192 x 8192 .*; use --fit tile, or --fit resize"
    ):
        image_memory.refuse_too_large(generator, 8192, 8192, 1)
    image_memory.refuse_too_large(generator, 4096, 4096, 1)
    image_memory.refuse_too_large(generator, 16, 16, 1)


def test_a_full_memory_says_what_helps(generator, photos, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(results, "translate", fail)
    with pytest.raises(InputError, match="out of memory: translate large images in tiles"):
        translate_folder(generator, photos, tmp_path / "out")
