import csv
import io

import numpy as np
import pytest
from PIL import Image

from pix2pix_jax import InputError, train_and_evaluate, translate
from pix2pix_jax.runs.checkpoints import Checkpoints

pytestmark = pytest.mark.usefixtures("one_device")


def test_callbacks_get_plain_numbers_and_the_rows_of_the_table(tiny_config, tmp_path):
    steps, epochs = [], []
    result = train_and_evaluate(
        tiny_config,
        tmp_path / "run",
        on_step=lambda *call: steps.append(call),
        on_epoch=lambda *call: epochs.append(call),
    )
    assert [step for step, _ in steps] == [1, 2, 3, 4, 5, 6]
    assert all(type(loss) is float for _, losses in steps for loss in losses.values())
    assert [step for step, _ in epochs] == [3, 6]
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, (step, values) in zip(rows, epochs, strict=True):
        assert int(row.pop("step")) == step
        assert {name: float(cell) for name, cell in row.items()} == pytest.approx(values, rel=1e-4)
    losses = [losses["g_loss"] for _, losses in steps[:3]]
    assert np.mean(losses) == pytest.approx(epochs[0][1]["g_loss"], rel=1e-6)
    assert result.scores["l1"] == epochs[-1][1]["val_l1"]


class PrunedError(Exception):
    pass


def test_what_a_callback_raises_ends_the_run_which_then_goes_on(tiny_config, tmp_path, trained):
    def prune(step, values):
        if step == at:
            raise kind(str(step))

    for where, at, kind in (("on_step", 2, PrunedError), ("on_epoch", 3, SystemExit)):
        with pytest.raises(kind, match=str(at)):
            train_and_evaluate(tiny_config, tmp_path / "run", **{where: prune})
        with Checkpoints(tmp_path / "run", read_only=True) as checkpoints:
            assert max(checkpoints.steps) == at
    steps = []
    train_and_evaluate(tiny_config, tmp_path / "run", on_step=lambda step, _: steps.append(step))
    assert steps == [4, 5, 6]
    tables = [(run / "metrics.csv").read_text() for run in (tmp_path / "run", trained)]
    losses = [[row["g_loss"] for row in csv.DictReader(io.StringIO(table))] for table in tables]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("wrong", [lambda step: None, lambda step, losses, more: None])
def test_what_cannot_be_called_is_refused_before_anything_is_written(tiny_config, tmp_path, wrong):
    for name in ("on_step", "on_epoch"):
        with pytest.raises(InputError, match=f"^{name}=.*: expected a function of two values"):
            train_and_evaluate(tiny_config, tmp_path / "run", **{name: wrong})
    assert not (tmp_path / "run").exists()


def test_a_result_knows_its_files_and_shows_its_newest_samples(tiny_config, trained):
    result = train_and_evaluate(tiny_config, trained)
    assert result.workdir == trained
    assert result.report == trained / "report.html"
    assert [path.name for path in result.samples] == [f"epoch_000{n}.png" for n in range(3)]
    assert result._repr_png_() == result.samples[-1].read_bytes()
    assert repr(result).startswith(f"Result({trained}: step 6, val l1 0.")
    source = np.zeros((32, 32, 3), np.uint8)
    (fake,) = translate(result.generator(), [source])
    assert Image.fromarray(fake).size == (32, 32)
