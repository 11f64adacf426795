import csv
import dataclasses
import json
import os
import shutil
import signal

import orbax.checkpoint as ocp
import pytest
from support import tiny
from support.runs import assert_bit_equal, final_state

from pix2pix_jax import InputError, load_generator, train_and_evaluate
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.data.sources import names_digest
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.runs.lock import RunLock
from pix2pix_jax.runs.translation import BatchTranslator
from pix2pix_jax.runs.writers import CsvWriter
from pix2pix_jax.training.progress import Progress
from pix2pix_jax.training.start import resume_timeline
from pix2pix_jax.training.start_settings import find_scored_from

pytestmark = pytest.mark.usefixtures("one_device")

TIMED = ("images_per_second", "seconds_per_1000_steps")  # differ from run to run


def table_of(workdir):
    with (workdir / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key not in TIMED} for row in rows]


def steps_in(workdir):
    with Checkpoints(workdir, read_only=True) as checkpoints:
        return checkpoints.steps


def assert_same_run(ours, theirs):
    """Compare what a run leaves with what another one does: weights, table, pictures, files."""
    assert_bit_equal(final_state(ours), final_state(theirs))
    assert table_of(ours) == table_of(theirs)
    assert steps_in(ours) == steps_in(theirs)
    assert sorted(path.name for path in ours.iterdir()) == sorted(
        path.name for path in theirs.iterdir()
    )
    for picture in (theirs / "samples").iterdir():
        assert (ours / "samples" / picture.name).read_bytes() == picture.read_bytes()
    mine, other = (json.loads((run / "summary.json").read_text()) for run in (ours, theirs))
    assert mine["val"] == other["val"]


def rows_config():
    return tiny.tiny_config({"log.every_steps": 2, "checkpoint.keep": 1, "seed": 3})


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run with rows between halts, and one checkpoint that is kept besides the best."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    with pytest.MonkeyPatch.context() as patch:
        tiny.see_one_device(patch)
        train_and_evaluate(rows_config(), folder)
    return folder


def interrupt(monkeypatch, owner, name, before):
    """Have a function called before each call of another one, with the number of the call."""
    original, calls = getattr(owner, name), iter(range(1, 10**6))

    def interrupted(*arguments, **options):
        before(next(calls))
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, interrupted)


def signal_at(wanted):
    return lambda number: signal.raise_signal(signal.SIGTERM) if number == wanted else None


@pytest.mark.parametrize(("step", "cache_gigabytes"), [(1, 4.0), (3, 0.0), (5, 0.0), (6, 4.0)])
def test_a_run_that_was_stopped_at_any_step_leaves_the_same(
    uninterrupted, tmp_path, monkeypatch, step, cache_gigabytes
):
    config, run = rows_config(), tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt(patch, Progress, "add", signal_at(step))
        stopped = train_and_evaluate(config, run)
    assert (stopped.step, stopped.stopped_by) == (step, signal.SIGTERM)
    assert steps_in(run)[-1] == step
    assert not (run / "summary.json").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    config.data.cache_gigabytes = cache_gigabytes
    assert train_and_evaluate(config, run).step == 6
    assert_same_run(run, uninterrupted)


def test_a_stop_in_an_evaluation_is_heeded_before_its_next_batch(
    uninterrupted, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        # An evaluation is a grid of two pairs and then three pairs, one by one, as on every CPU.
        # This is the first pair of the second evaluation.
        interrupt(patch, BatchTranslator, "__call__", signal_at(8))
        assert train_and_evaluate(rows_config(), run).step == 3
    assert table_of(run)[-1]["step"] == "2"
    train_and_evaluate(rows_config(), run)
    assert_same_run(run, uninterrupted)


@pytest.mark.parametrize(("row", "step"), [(1, 2), (2, 3), (4, 6)])
def test_a_row_that_the_disk_refused_is_written_by_the_next_start(
    uninterrupted, tmp_path, monkeypatch, row, step
):
    run = tmp_path / "run"

    def refuse(number):
        if number == row:
            with (run / "metrics.csv").open("a") as file:
                file.write("2,0.66")  # a full disk may take the beginning
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        interrupt(patch, CsvWriter, "scalars", refuse)
        with pytest.raises(OSError, match="No space left"):
            train_and_evaluate(rows_config(), run)
    assert steps_in(run)[-1] == step
    train_and_evaluate(rows_config(), run)
    assert_same_run(run, uninterrupted)


def test_a_checkpoint_that_could_not_be_written_is_written_by_the_next_start(
    uninterrupted, tmp_path, monkeypatch
):
    run = tmp_path / "run"

    def refuse(number):
        if number == 1:
            raise OSError(5, "Input/output error", "manifest.ocdbt")

    with monkeypatch.context() as patch:
        interrupt(patch, ocp.AsyncCheckpointer, "wait_until_finished", refuse)
        with pytest.raises(InputError, match=r"could not be written \(Input/output error: manif"):
            train_and_evaluate(rows_config(), run)
    train_and_evaluate(rows_config(), run)
    assert_same_run(run, uninterrupted)


def flip_a_bit_of_the_weights(checkpoint):
    largest = max((checkpoint / "generator").rglob("d/*"), key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 4
    largest.write_bytes(content)


def test_a_damaged_checkpoint_is_put_aside_and_the_run_ends_the_same(
    tiny_config, trained, whole, caplog
):
    flip_a_bit_of_the_weights(trained / "checkpoints" / "6")
    (trained / "summary.json").unlink()
    assert train_and_evaluate(tiny_config, trained).step == 6
    assert (trained / "damaged_checkpoints" / "6" / "generator").is_dir()
    assert "6/generator: is damaged (" in caplog.text
    assert "checkpoint 3 is used instead" in caplog.text
    shutil.rmtree(trained / "damaged_checkpoints")
    assert_same_run(trained, whole)


def test_a_run_without_a_whole_checkpoint_is_refused_and_left_as_it_is(tiny_config, trained):
    for checkpoint in (trained / "checkpoints").iterdir():
        flip_a_bit_of_the_weights(checkpoint)
    before = sorted(trained.rglob("*"))
    with pytest.raises(InputError, match=r"no checkpoint is whole: .*6/generator: is damaged"):
        train_and_evaluate(tiny_config, trained)
    assert sorted(trained.rglob("*")) == before


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"")])
def test_a_checkpoint_knows_its_configuration_in_place_of_a_damaged_file(
    tiny_config, trained, whole, damage, caplog
):
    damage(trained / "config.json")
    assert load_generator(trained).step == load_generator(whole).step
    assert "the configuration in checkpoint 6 is used" in caplog.text
    (trained / "summary.json").unlink()
    assert train_and_evaluate(tiny_config, trained).step == 6
    assert (trained / "config.json").read_text() == (whole / "config.json").read_text()


def test_pairs_with_other_names_are_not_taken_for_the_same():
    timeline = Timeline(3, 1, seed=0)
    meta = {**dataclasses.asdict(timeline), "names": names_digest(["a", "b", "c"])}
    others = names_digest(["a", "b", "d"])
    message = "the training pairs: as many as before, but with other names"
    with pytest.raises(InputError, match=message):
        resume_timeline(timeline, meta, 6, {}, others, allow_change=False)
    assert resume_timeline(timeline, meta, 6, {}, others, allow_change=True).first_step == 6
    assert resume_timeline(timeline, meta, 6, {}, meta["names"], allow_change=False) == timeline
    del meta["names"]  # as in version 0.1.0
    assert resume_timeline(timeline, meta, 6, {}, others, allow_change=False) == timeline


def test_two_processes_do_not_train_in_one_folder(tiny_config, trained):
    tiny_config.train.epochs = 3
    before = (trained / "run.json").read_text()
    with RunLock(trained / ".lock") as lock:
        lock.take()
        with pytest.raises(
            InputError, match=rf"another process trains there \(process {os.getpid()} on "
        ):
            train_and_evaluate(tiny_config, trained)
    assert (trained / "run.json").read_text() == before
    assert train_and_evaluate(tiny_config, trained).step == 9


def test_what_a_killed_process_left_half_written_is_swept(tiny_config, trained):
    names = [".config.json.abcd1234", ".report.html.x_y_z_12", "samples/.test.png.aaaaaaaa"]
    foreign = [".notes.txt.abcd1234", ".config.json.backup", "samples/mine.png"]
    for name in names + foreign:
        (trained / name).touch()
    tiny_config.train.epochs = 3
    train_and_evaluate(tiny_config, trained)
    assert not any((trained / name).exists() for name in names)
    assert all((trained / name).exists() for name in foreign)


def test_scores_of_another_kind_are_not_compared_with_those_before():
    timeline = Timeline(3, 1, seed=0)
    now = {"eval.mode": "paper", "pairs": "ab"}
    assert find_scored_from(timeline, None, 0, now) == 0
    for meta, expected in (
        ({}, 0),  # as in earlier versions
        ({"scoring": now, "scored_from": 4}, 4),
        ({"scoring": now | {"eval.mode": "deterministic"}, "scored_from": 4}, 6),
        ({"scoring": now | {"pairs": "abc"}, "scored_from": 0}, 6),
    ):
        assert find_scored_from(timeline, meta, 6, now) == expected
    later = dataclasses.replace(timeline, first_step=6)
    assert find_scored_from(later, {"scoring": now, "scored_from": 4}, 6, now) == 6


def test_the_best_checkpoint_is_chosen_anew_after_a_change_of_what_is_scored(tiny_config, trained):
    tiny_config.eval.max_images, tiny_config.train.epochs = 1, 3
    train_and_evaluate(tiny_config, trained)
    with Checkpoints(trained, read_only=True) as checkpoints:
        metas = checkpoints.metas
    assert [meta["metrics"]["part"] for meta in metas.values()] == [0, 0, 6]
    assert load_generator(trained).step == 9


def test_a_damaged_newest_checkpoint_does_not_count_among_those_that_are_kept(
    tiny_config, trained, whole
):
    """What the run goes on from must not be deleted as superseded by it."""
    flip_a_bit_of_the_weights(trained / "checkpoints" / "6")
    (trained / "summary.json").unlink()
    tiny_config.checkpoint.keep = 1
    assert train_and_evaluate(tiny_config, trained).step == 6
    assert_bit_equal(final_state(trained), final_state(whole))


@pytest.mark.parametrize("norms", [(0.0, 1.0), (1.0, 0.0)])
def test_a_run_may_begin_and_cease_to_clip_when_it_goes_on(tiny_config, tmp_path, norms):
    for epochs, norm in enumerate(norms, start=1):
        tiny_config.train.epochs, tiny_config.optimizer.clip_norm = epochs, norm
        assert train_and_evaluate(tiny_config, tmp_path).step == 3 * epochs


def test_a_start_without_a_step_records_no_speed(tiny_config, trained):
    (trained / "summary.json").unlink()
    train_and_evaluate(tiny_config, trained)
    assert "images_per_second" not in json.loads((trained / "summary.json").read_text())
