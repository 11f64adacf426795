"""A prepared set of which a file is damaged."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.published import build_published
from pix2pix_jax.images.encoding import PHOTO


@pytest.fixture
def archive(tmp_path):
    """A set of four pairs as it is published."""
    path = tmp_path / "maps.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for number in range(4):
            memory = io.BytesIO()
            Image.fromarray(np.full((4, 8, 3), number, np.uint8)).save(memory, "PNG")
            info = tarfile.TarInfo(f"maps/train/{number}.png")
            info.size = len(memory.getvalue())
            tar.addfile(info, io.BytesIO(memory.getvalue()))
    return path


def build(data_dir, archive):
    options = {"data_dir": str(data_dir), "archive": str(archive)}
    return build_published("maps", "train", source=PHOTO, target=PHOTO, **options)


def broken_records(folder):
    for path in folder.glob("*array_record*"):
        path.write_bytes(path.read_bytes()[:70])


def missing_records(folder):
    for path in folder.glob("*array_record*"):
        path.unlink()


def broken_description(folder):
    (folder / "dataset_info.json").write_text("{")


def description_of_other_bytes(folder):
    (folder / "metadata.json").write_bytes(b"\xff\xfe")


def fewer_names(folder):
    path = folder / "metadata.json"
    path.write_text(path.read_text().replace('"2.png", ', ""))


@pytest.mark.parametrize(
    "damage",
    [
        broken_records,
        missing_records,
        broken_description,
        description_of_other_bytes,
        fewer_names,
    ],
)
def test_a_damaged_set_is_an_error_that_gives_its_folder(tmp_path, archive, damage):
    build(tmp_path, archive)
    damage(tmp_path / "pix2pix/maps/1.0.0")
    with pytest.raises(InputError, match=r"pix2pix[:/]maps.*delete") as error:
        build(tmp_path, archive)[0]
    assert "\n" not in str(error.value)
