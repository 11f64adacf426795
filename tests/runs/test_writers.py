import csv
import struct

import numpy as np
import pytest

from pix2pix_jax import default_config
from pix2pix_jax.images import files as image_files
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.writers import (
    CsvWriter,
    MultiWriter,
    PngWriter,
    TensorBoardWriter,
    build_writers,
)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def events_in(folder):
    """The events of TensorBoard's record files: length, checksum, event, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event()
            event.ParseFromString(data[12 : 12 + length])
            yield event
            data = data[16 + length :]


def picture():
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def test_csv_row_is_on_the_disk_when_the_call_returns(tmp_path):
    writer = CsvWriter(tmp_path / "metrics.csv", 0)
    writer.scalars(1, {"loss": 0.123456789, "rate": 2e-4})
    assert (tmp_path / "metrics.csv").read_text().split() == ["step,loss,rate", "1,0.123457,0.0002"]


def test_csv_column_that_appears_later_leaves_old_cells_empty(tmp_path):
    writer = CsvWriter(tmp_path / "metrics.csv", 0)
    writer.scalars(1, {"loss": 0.5})
    writer.scalars(2, {"l1": 0.25, "loss": 0.75})
    writer.scalars(3, {"l1": 0.125})
    assert rows_of(tmp_path / "metrics.csv") == [
        {"step": "1", "loss": "0.5", "l1": ""},
        {"step": "2", "loss": "0.75", "l1": "0.25"},
        {"step": "3", "loss": "", "l1": "0.125"},
    ]


@pytest.mark.parametrize(("last_step", "kept"), [(0, []), (2, ["1", "2"]), (9, ["1", "2", "3"])])
def test_csv_drops_rows_after_the_step_it_goes_on_from(tmp_path, last_step, kept):
    path = tmp_path / "metrics.csv"
    writer = CsvWriter(path, 0)
    for step in (1, 2, 3):
        writer.scalars(step, {"loss": step / 4})
    writer.close()
    writer = CsvWriter(path, last_step)
    assert [row["step"] for row in rows_of(path)] == kept
    writer.scalars(last_step + 1, {"loss": 9.0, "l1": 8.0})
    rows = rows_of(path)
    assert [row["loss"] for row in rows] == [*(f"{int(step) / 4:g}" for step in kept), "9"]
    assert rows[-1] == {"step": str(last_step + 1), "loss": "9", "l1": "8"}


def test_csv_goes_on_from_an_empty_file(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"")
    CsvWriter(path, 5).scalars(6, {"loss": 1.5})
    assert rows_of(path) == [{"step": "6", "loss": "1.5"}]


def test_png_writer_writes_the_picture_under_its_name(tmp_path):
    writer = PngWriter(tmp_path / "run" / "samples")
    writer.image(7, "epoch_0001", picture())
    files = list((tmp_path / "run" / "samples").iterdir())
    assert [path.name for path in files] == ["epoch_0001.png"]
    np.testing.assert_array_equal(image_files.read(files[0]), picture())


def test_tensorboard_file_holds_scalars_and_pictures_at_their_steps(tmp_path):
    writer = TensorBoardWriter(tmp_path / "tensorboard", 4)
    writer.scalars(5, {"loss": 0.5, "l1": 0.25})
    writer.image(6, "epoch_0001", picture())
    writer.close()
    values = [
        (event.step, value)
        for event in events_in(tmp_path / "tensorboard")
        for value in event.summary.value
    ]
    scalars = {value.tag: (step, value.simple_value) for step, value in values if step == 5}
    assert scalars == {"loss": (5, 0.5), "l1": (5, 0.25)}
    ((tag, image),) = [(value.tag, value.image) for step, value in values if step == 6]
    assert (tag, image.height, image.width) == ("samples", 6, 9)
    (tmp_path / "samples.png").write_bytes(image.encoded_image_string)
    np.testing.assert_array_equal(image_files.read(tmp_path / "samples.png"), picture())


def test_multi_writer_passes_everything_on_to_all():
    calls = []

    class Recorder:
        def __init__(self, name):
            self.name = name

        def scalars(self, step, values):
            calls.append((self.name, "scalars", step, values))

        def image(self, step, name, image):
            calls.append((self.name, "image", step, name, image.shape))

        def close(self):
            calls.append((self.name, "close"))

    writer = MultiWriter([Recorder("a"), Recorder("b")])
    writer.scalars(1, {"loss": 2.0})
    writer.image(3, "grid", picture())
    writer.close()
    assert calls == [
        ("a", "scalars", 1, {"loss": 2.0}),
        ("b", "scalars", 1, {"loss": 2.0}),
        ("a", "image", 3, "grid", (6, 9, 3)),
        ("b", "image", 3, "grid", (6, 9, 3)),
        ("a", "close"),
        ("b", "close"),
    ]


@pytest.mark.parametrize("tensorboard", [False, True])
def test_run_writes_tensorboard_only_where_wanted(tmp_path, tensorboard):
    config = default_config()
    config.log.tensorboard = tensorboard
    writer = build_writers(RunFolder(tmp_path), 0, config)
    writer.scalars(1, {"loss": 0.5})
    writer.image(1, "grid", picture())
    writer.close()
    assert rows_of(tmp_path / "metrics.csv") == [{"step": "1", "loss": "0.5"}]
    assert (tmp_path / "samples" / "grid.png").is_file()
    assert (tmp_path / "tensorboard").exists() == tensorboard
