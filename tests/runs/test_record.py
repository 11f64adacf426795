import json
import os

import pytest
from support.run_files import COMMAND, make_run

from pix2pix_jax.core.config import default_config
from pix2pix_jax.runs.folder import RunFolder
from pix2pix_jax.runs.record import Record, Start, Summary, read_record, read_rows


def rows_at(*positions):
    """Return rows of a table with these steps and epochs."""
    return [{"step": float(step), "epoch": float(epoch)} for step, epoch in positions]


def test_a_complete_run_is_read_whole(tmp_path):
    record = read_record(make_run(tmp_path / "run"))
    assert (record.complete, record.missing) == (True, ())
    assert (record.step, record.epoch, record.share) == (40, 4, 1)
    assert (record.total("seconds"), record.total("odd")) == (3725.4, None)
    assert record.newest("val_l1") == 0.025
    assert record.newest("odd") is None
    assert record.summary.validation == {"l1": 0.125, "psnr": 20.5}
    assert record.baselines == {"mean_target_l1": 0.5, "copy_source_l1": 0.75}
    changed = [setting for setting in record.settings if not setting.is_default]
    assert [(one.key, one.value, one.default) for one in changed] == [
        ("data.image_size", "(32,)", "(256, 256)"),
        ("train.epochs", "4", "200"),
    ]


def test_a_run_in_progress_has_no_summary(tmp_path):
    record = read_record(make_run(tmp_path / "run", epochs=3, complete=False))
    assert (record.complete, record.missing) == (False, ())
    assert (record.step, record.last_step) == (30, 40)
    assert (record.epoch, record.last_epoch) == (3, 4)
    assert (record.share, record.baselines, record.total("seconds")) == (0.75, {}, None)


def test_an_empty_folder_has_an_empty_record(tmp_path):
    record = read_record(tmp_path)
    assert record.missing == ("config.json", "run.json", "metrics.csv")
    assert (record.step, record.last_step, record.last_epoch, record.share) == (0, None, None, 0)
    assert (record.starts, record.rows, record.settings) == ([], [], [])


@pytest.mark.parametrize(
    ("positions", "last_step"),
    [
        ([(5, 0.5)], None),  # no epoch has ended yet
        ([(5, 0.5), (10, 1)], 40),
        ([(10, 1), (20, 2), (25, 3)], 30),  # a larger batch since epoch 2
        ([(40, 4)], 40),
    ],
)
def test_the_last_step_follows_from_the_newest_epoch(positions, last_step):
    assert Record({"train.epochs": 4}, [], rows_at(*positions), None).last_step == last_step


def test_a_run_that_counts_steps_has_no_last_epoch():
    record = Record({"train.epochs": 4, "train.steps": 160}, [], rows_at((40, 4)), None)
    assert (record.last_epoch, record.last_step, record.share) == (None, 160, 0.25)


def test_the_share_follows_the_epochs_as_long_as_the_last_step_is_unknown():
    assert Record({"train.epochs": 4}, [], rows_at((5, 0.5)), None).share == 0.125


def test_every_start_is_read(tmp_path):
    run = make_run(tmp_path / "run")
    config = default_config()
    config.train.epochs = 8
    config.data.image_size = (32,)
    RunFolder(run).record_start(config, first_step=40, command="again")
    first, second = read_record(run).starts
    assert (first.first_step, first.command, first.changed) == (0, COMMAND, ())
    assert (second.first_step, second.command) == (40, "again")
    assert second.changed == ("train.epochs: 4 -> 8",)
    assert second.hardware["device"] == "cpu"
    assert second.versions["python"].startswith("3.")
    assert second.time.startswith("20")


def test_what_a_start_does_not_say_is_empty(tmp_path):
    starts = [{}, 7, {"hardware": 1, "changed": 2, "first_step": "x"}]
    (tmp_path / "run.json").write_text(json.dumps({"starts": starts}))
    assert read_record(tmp_path).starts == [Start(), Start()]


BROKEN = [
    *(b"", b"{", b"[1]", b"null", b'"\xff\xfe', b"{}", b"\0" * 9),
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"a": 1' + b"0" * 10_000 + b"}",
    b'step\n"' + b"7" * 200_000,  # a cell longer than any table has
    "step;epoch\n1;0,5\n".encode("utf-16"),  # as a spreadsheet saves it
]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_missing(tmp_path, content):
    run = make_run(tmp_path / "run")
    for name in ("config.json", "run.json", "metrics.csv", "summary.json"):
        (run / name).write_bytes(content)
    record = read_record(run)
    assert record.missing == ("config.json", "run.json", "metrics.csv", "summary.json")
    assert record.summary is None


@pytest.mark.parametrize("kind", ["folder", "loop", "pipe"])
def test_what_is_no_file_is_missing(tmp_path, kind):
    run = make_run(tmp_path / "run")
    for name in ("config.json", "run.json", "metrics.csv", "summary.json"):
        (run / name).unlink()
        if kind == "folder":
            (run / name).mkdir()
        elif kind == "loop":
            (run / name).symlink_to(name)
        else:
            os.mkfifo(run / name)
    record = read_record(run)
    assert record.missing == ("config.json", "run.json", "metrics.csv", "summary.json")


def test_values_of_other_kinds_are_left_out_or_shortened(tmp_path):
    deep = "[" * 400 + "]" * 400
    (tmp_path / "config.json").write_text(f'{{"data.root": {deep}, "seed": null}}')
    start = (
        f'{{"command": {deep}, "time": {deep}, "changed": [{deep}], "versions": {{"a": {deep}}}}}'
    )
    (tmp_path / "run.json").write_text(f'{{"starts": [{start}]}}')
    (tmp_path / "summary.json").write_text('{"steps": 1%s, "seconds": 1e400}' % ("0" * 400))
    record = read_record(tmp_path)
    assert [len(one.value) < 150 for one in record.settings] == [True, True]
    assert record.starts == [Start(changed=("",), versions={"a": ""})]
    assert record.summary == Summary()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252"])
def test_a_table_that_an_editor_has_saved_is_read(tmp_path, encoding):
    path = tmp_path / "metrics.csv"
    path.write_bytes("step,l1,größe\n1,0.5,2\n".encode(encoding))
    (row,) = read_rows(path)
    assert (row["step"], row["l1"]) == (1, 0.5)


def test_names_of_columns_are_one_line(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text('step,"val_a\nb"\n1,0.5\n')
    assert read_rows(path) == [{"step": 1, "val_a\\nb": 0.5}]


def test_a_summary_keeps_its_finite_numbers(tmp_path):
    content = '{"steps": 3, "seconds": NaN, "odd": "x", "on": true, "val": {"l1": 1, "l2": null}}'
    (tmp_path / "summary.json").write_text(content)
    assert read_record(tmp_path).summary == Summary({"steps": 3.0}, {"l1": 1.0}, {})


def test_cells_without_a_finite_number_are_left_out(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(
        "step,g_loss,val_l1\n1,3.5,\n2,nan,0.5\n3,inf,0.25\n4,1e300,\n,7,7\nx,7,7\n-1,7,7\n"
        "6,oops,1,8\n5,1.5"
    )
    assert read_rows(path) == [
        {"step": 1, "g_loss": 3.5},
        {"step": 2, "val_l1": 0.5},
        {"step": 3, "val_l1": 0.25},
        {"step": 4},
        {"step": 5, "g_loss": 1.5},
        {"step": 6, "val_l1": 1},
    ]
