import csv
import json
import signal

import jax
import pytest

from pix2pix_jax import InputError, train_and_evaluate
from pix2pix_jax.data.order import Timeline
from pix2pix_jax.images.files import read
from pix2pix_jax.runs.checkpoints import Checkpoints
from pix2pix_jax.training.progress import Progress
from pix2pix_jax.training.run import Run

pytestmark = pytest.mark.usefixtures("one_device")


def read_rows(workdir):
    with (workdir / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_writes_all_that_it_promises(tiny_config, tmp_path):
    tiny_config.log.update(tensorboard=True, report=True)
    result = train_and_evaluate(tiny_config, tmp_path / "run", command="python x.py")
    workdir = tmp_path / "run"
    assert result.step == 6
    assert result.stopped_by is None
    summary = json.loads((workdir / "summary.json").read_text())
    assert summary["steps"] == 6
    assert summary["epochs"] == 2
    assert summary["seconds"] > 0
    assert summary["images_per_second"] > 0
    assert 0 < summary["val"]["l1"] < 2
    assert 0 < summary["val"]["psnr"] < 40
    assert summary["baseline"].keys() == {"mean_target_l1", "copy_source_l1"}
    names = sorted(path.name for path in (workdir / "samples").iterdir())
    assert names == ["epoch_0000.png", "epoch_0001.png", "epoch_0002.png", "test.png"]
    assert read(workdir / "samples" / names[0]).shape == (2 * 32 + 4, 3 * 32 + 8, 3)
    assert [int(row["step"]) for row in read_rows(workdir)] == [3, 6]
    assert float(read_rows(workdir)[-1]["val_l1"]) == pytest.approx(summary["val"]["l1"], rel=1e-4)
    assert list((workdir / "tensorboard").iterdir())
    assert (workdir / "report.html").exists()
    start = json.loads((workdir / "run.json").read_text())["starts"][0]
    assert start["command"] == "python x.py"
    assert start["versions"]["jax"] == jax.__version__
    assert start["hardware"]["platform"] == "cpu"
    assert json.loads((workdir / "config.json").read_text())["model.base_features"] == 4


def test_a_finished_run_goes_on_with_more_epochs_at_the_new_schedules_rate(
    tiny_config, trained, caplog
):
    caplog.set_level("INFO", logger="pix2pix_jax")
    again = train_and_evaluate(tiny_config, trained)
    assert again.summary == json.loads((trained / "summary.json").read_text())
    assert "complete at step 6; raise train.epochs" in caplog.text
    tiny_config.train.steps = 6  # then the epochs do not matter
    train_and_evaluate(tiny_config, trained)
    assert "complete at step 6; raise train.steps" in caplog.text
    tiny_config.train.steps = 0
    tiny_config.train.epochs = 4
    result = train_and_evaluate(tiny_config, trained)
    assert result.step == 12
    # Of four epochs the last decays: the third runs at the full rate.
    assert "goes on from step 6 (epoch 3 of 4) at a learning rate of 0.0002" in caplog.text
    rates = [float(row["learning_rate"]) for row in read_rows(trained)]
    assert rates == pytest.approx([2e-4, 1e-4, 2e-4, 1e-4])


def test_steps_instead_of_epochs_end_in_mid_epoch(tiny_config, tmp_path):
    tiny_config.train.steps = 4
    result = train_and_evaluate(tiny_config, tmp_path)
    assert result.summary["steps"] == 4
    assert result.summary["epochs"] == pytest.approx(4 / 3, abs=1e-4)
    assert (tmp_path / "samples" / "step_00000004.png").exists()
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.latest == 4


def test_rows_past_the_restored_step_are_dropped(tiny_config, trained):
    with (trained / "metrics.csv").open("a") as file:
        file.write("99,1\n")
    tiny_config.train.epochs = 3
    train_and_evaluate(tiny_config, trained)
    assert [int(row["step"]) for row in read_rows(trained)] == [3, 6, 9]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train.global_batch_size", 3, "global batch .*: 1 -> 3"),
        ("seed", 5, "seed: 0 -> 5"),
        ("data.max_pairs", 2, "number of training pairs: 3 -> 2"),
        ("data.direction", "BtoA", "data.direction: AtoB -> BtoA"),
    ],
)
def test_what_changed_in_a_run_is_listed_and_needs_permission(
    tiny_config, trained, key, value, message
):
    section, _, name = key.rpartition(".")
    (tiny_config[section] if section else tiny_config)[name] = value
    tiny_config.train.epochs = 3
    before = sorted(path.name for path in (trained / "checkpoints").iterdir())
    with pytest.raises(InputError, match=message):
        train_and_evaluate(tiny_config, trained)
    assert sorted(path.name for path in (trained / "checkpoints").iterdir()) == before
    result = train_and_evaluate(tiny_config, trained, allow_change=True)
    assert result.summary["epochs"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1}, r"^train\.epochs=1: the run in .* has done 2 epochs already; set train"),
        (
            {"steps": 5},
            r"^train\.steps=5: the run in .* has done 6 steps already; set train\.steps",
        ),
    ],
)
def test_a_run_that_has_gone_beyond_the_configs_end_is_refused(
    tiny_config, trained, changes, message
):
    tiny_config.train.update(changes)
    with pytest.raises(InputError, match=message):
        train_and_evaluate(tiny_config, trained)


def test_another_network_in_the_workdir_is_refused_with_the_keys_that_differ(tiny_config, trained):
    tiny_config.model.base_features = 8
    tiny_config.model.norm = "batch"
    with pytest.raises(
        InputError, match=r"another network: model.base_features: 4 -> 8; model.norm: 'instance'"
    ):
        train_and_evaluate(tiny_config, trained, allow_change=True)


def test_a_loss_that_is_not_finite_stops_with_its_step_and_its_pairs(tiny_config, trained):
    tiny_config.train.epochs = 3
    tiny_config.optimizer.learning_rate = 1e38
    with pytest.raises(InputError, match=r"step [789]: \w+ is (nan|inf) on train_0000\d"):
        train_and_evaluate(tiny_config, trained)
    with Checkpoints(trained, read_only=True) as checkpoints:
        assert checkpoints.latest == 6


BREAKING = """
import pathlib
import numpy as np
from pix2pix_jax import InputError

class Breaking:
    def __init__(self, root, split):
        self.names = tuple(f"{split}_{number}" for number in range(4))
        self.root, self.split = pathlib.Path(root), split

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        # The first evaluation has read every pair: this one breaks after that.
        if self.split == "train" and index == LAST and any(self.root.glob("samples/*")):
            raise InputError(f"{self.names[index]}: broken")
        return tuple(np.full((2, 36, 36, 3), index, np.uint8))

    def size(self, index):
        return 36, 36
"""


def test_a_file_that_breaks_while_streaming_saves_what_was_learnt(tiny_config, tmp_path):
    code, run = tmp_path / "breaking.py", tmp_path / "run"
    last = int(Timeline(4, 1, tiny_config.seed).indices(3)[0])
    code.write_text(BREAKING.replace("LAST", str(last)))
    tiny_config.data.source = f"{code}:Breaking"
    tiny_config.data.root = str(run)
    tiny_config.data.cache_gigabytes = 0.0
    with pytest.raises(InputError, match=f"train_{last}: broken"):
        train_and_evaluate(tiny_config, run)
    with Checkpoints(run, read_only=True) as checkpoints:
        # Batches are placed two ahead of their use.
        assert checkpoints.latest == 1


def test_out_of_memory_names_the_keys_that_help(tiny_config, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")

    monkeypatch.setattr(Run, "create_state", fail)
    with pytest.raises(InputError, match=r"out of device memory: lower train.batch_size"):
        train_and_evaluate(tiny_config, tmp_path)


def test_a_run_cut_off_before_its_summary_writes_it(tiny_config, trained, whole):
    (trained / "summary.json").unlink()
    train_and_evaluate(tiny_config, trained)
    before, after = (json.loads((run / "summary.json").read_text()) for run in (whole, trained))
    assert after["val"] == before["val"]


def test_a_stop_before_the_first_step_saves_nothing(tiny_config, tmp_path, monkeypatch):
    start = Progress.start

    def start_and_signal(self):
        start(self)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Progress, "start", start_and_signal)
    assert train_and_evaluate(tiny_config, tmp_path).step == 0
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.steps == []


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # nan as a picture's pixel
def test_a_generator_that_is_not_finite_is_not_saved(tiny_config, tmp_path):
    tiny_config.loss.discriminator_weight = 0.0
    tiny_config.optimizer.learning_rate = 1e38
    tiny_config.train.steps = 1
    with pytest.raises(InputError, match="step 1: the generator's output is not finite"):
        train_and_evaluate(tiny_config, tmp_path)
    with Checkpoints(tmp_path, read_only=True) as checkpoints:
        assert checkpoints.steps == []


def test_profile_writes_a_trace(tiny_config, tmp_path):
    tiny_config.train.steps = 20
    tiny_config.eval.every_epochs, tiny_config.checkpoint.every_epochs = 0, 10
    train_and_evaluate(tiny_config, tmp_path, profile=True)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))


def test_nothing_is_written_when_the_config_is_wrong(tiny_config, tmp_path):
    tiny_config.model.generator = "unett"
    with pytest.raises(InputError, match="choose from hybrid, resnet, unet"):
        train_and_evaluate(tiny_config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
