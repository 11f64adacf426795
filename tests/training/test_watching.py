import csv
import logging

import pytest

from pix2pix_jax import train_and_evaluate
from pix2pix_jax.training.plateaus import Plateaus
from pix2pix_jax.training.run import prepare_run
from pix2pix_jax.training.watching import WatchingWriter

pytestmark = pytest.mark.usefixtures("one_device")


class Kept:
    """A writer that keeps its rows."""

    def __init__(self):
        self.rows = []

    def scalars(self, step, values):
        self.rows.append((step, values))

    def image(self, step, name, image):
        """Take no pictures."""

    def close(self):
        """Nothing is open."""


def test_rows_go_on_to_the_writers_and_what_they_show_is_logged_once(tiny_config, tmp_path, caplog):
    tiny_config.train.patience = 2
    kept = Kept()
    run = prepare_run(tiny_config, tmp_path / "run")
    writer = WatchingWriter(run, kept, Plateaus(run))
    for epoch in range(1, 7):
        writer.scalars(3 * epoch, {"epoch": float(epoch), "val_l1": 0.1234567})
    assert kept.rows[-1] == (18, {"epoch": 6.0, "val_l1": 0.1234567})
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.messages[0].startswith(
        "epoch 3, step 9: val l1 has not got better for 2 evaluations (best 0.1235). "
    )


def test_a_run_that_goes_on_finds_what_one_that_never_stopped_finds(tiny_config, trained, caplog):
    tiny_config.train.epochs = 4
    (trained / "metrics.csv").write_text(
        "step,epoch,val_l1\n3,1,0.01\n6,2,0.02\n9,3,0.001\n"  # the last row is not kept
    )
    tiny_config.train.patience = 2
    train_and_evaluate(tiny_config, trained)
    assert "epoch 3, step 9: val l1 has not got better for 2 evaluations (best 0.01)" in caplog.text


def test_the_variation_of_outputs_is_a_column_if_there_are_enough_validation_pairs(
    tiny_config, tmp_path
):
    tiny_config.data.synthetic_pairs = (2, 8, 0)
    tiny_config.train.epochs = 1
    summary = train_and_evaluate(tiny_config, tmp_path / "run").summary
    with (tmp_path / "run" / "metrics.csv").open() as file:
        row = list(csv.DictReader(file))[-1]
    assert 0 < float(row["output_variation"]) < 2
    assert summary["output"]["variation"] == pytest.approx(float(row["output_variation"]), rel=1e-4)
    tiny_config.eval.max_images = 7
    train_and_evaluate(tiny_config, tmp_path / "few")
    assert "output_variation" not in (tmp_path / "few" / "metrics.csv").read_text()
