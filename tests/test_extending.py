"""docs/extending.md: every example is complete, and trains."""

import hashlib
import json
import pathlib
import re
import shlex
import shutil

import numpy as np
import pytest
from support.scripts import refused, run_script
from support.tiny import tiny_config

from pix2pix_jax import InputError, load_generator, train_and_evaluate, translate
from pix2pix_jax.core.config_files import override

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "extending.md"
# Code, and the command that follows it on the page.
EXAMPLES = {
    re.match(r"# (\S+)", code).group(1): (code, command)
    for code, command in re.findall(
        r"```python\n(.*?)```\s+```sh\n(.*?)```", PAGE.read_text(), flags=re.DOTALL
    )
}
# What is seen of an example in the tables of a run.
COLUMNS = {"my_project/edges.py": "g_loss_edges", "my_project/edge_error.py": "val_edge_error"}


def overrides_of(command):
    """Return the config overrides of the command that trains."""
    train = command.replace("\\\n", " ").splitlines()[0]
    assert train.startswith("python scripts/train.py --config configs/maps.py ")
    flags = shlex.split(train)[4:]
    assert all(flag.startswith("--config.") for flag in flags)
    return [flag.removeprefix("--config.").split("=", 1) for flag in flags]


def write_archives(root):
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 3), ("test", 2)):
        (root / split).mkdir(parents=True)
        for number in range(count):
            photo, streets = rng.integers(0, 256, (2, 40, 40, 3), np.uint8)
            np.savez(root / split / f"{number}.npz", photo=photo, map=streets)


def test_the_page_has_an_example_for_each_door():
    keys = [overrides_of(command)[-1][0] for _, command in EXAMPLES.values()]
    keys[keys.index("loss.extra_weights")] = "loss.extra"
    assert keys == re.findall(r"(?m)^\| `(\S+)` \|", PAGE.read_text())


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_have_at_most_thirty_lines(name):
    assert len(EXAMPLES[name][0].splitlines()) <= 30


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.usefixtures("one_device")
def test_example_trains_and_is_found_again(name, tmp_path, monkeypatch):
    code, command = EXAMPLES[name]
    monkeypatch.chdir(tmp_path)
    file = pathlib.Path(name)
    file.parent.mkdir()
    file.write_text(code)
    write_archives(tmp_path / "data" / "archives")
    config = tiny_config({"train.epochs": 1, "lr.decay_epochs": 0})
    for key, text in overrides_of(command):
        override(config, key, text)
    train_and_evaluate(config, "run")

    record = json.loads(pathlib.Path("run", "code", "code.json").read_text())["own_code"]
    assert [pathlib.Path(entry["path"]) for entry in record] == [file.resolve()]
    assert COLUMNS.get(name, "step") in pathlib.Path("run", "metrics.csv").read_text()
    monkeypatch.chdir("/")  # the run's folder is all that is needed
    generator = load_generator(tmp_path / "run")
    (fake,) = translate(generator, [np.zeros((32, 32, 3), np.uint8)])
    assert fake.shape == (32, 32, 3)


NET = """
import flax.linen as nn


class Net(nn.Module):
    out_channels: int

    @nn.compact
    def __call__(self, source, *, train, dropout_keys=None):
        return nn.tanh(nn.Conv(self.out_channels, (3, 3))(source))
"""


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A folder with a run and the file of its generator, moved away from where it was trained."""
    project = tmp_path_factory.mktemp("before") / "project"
    project.mkdir()
    (project / "net.py").write_text(NET)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        train_and_evaluate(tiny_config(TRAINED), "run")
    return project.rename(tmp_path_factory.mktemp("after") / "project")


TRAINED = {
    "model.generator": "net.py:Net",
    "data.synthetic_pairs": (8, 3, 2),  # one step: the tests see eight devices
    "train.epochs": 1,
    "lr.decay_epochs": 0,
}


@pytest.fixture
def project(moved, tmp_path, monkeypatch):
    """A copy of that folder, which is the current one."""
    monkeypatch.chdir(shutil.copytree(moved, tmp_path / "project"))
    return pathlib.Path()


def test_a_run_that_was_moved_runs_its_own_copy_only_if_it_is_trusted(project):
    with pytest.raises(InputError, match=r"model.generator='net.py:Net'.*--trust_code"):
        load_generator("run")
    assert type(load_generator("run", trust_code=True).module).__name__ == "Net"


@pytest.mark.parametrize(
    "arguments",
    [
        ("sample", "--workdir", "run", "--split", "val", "--output", "out"),
        ("evaluate", "--workdir", "run", "--split", "val", "--output", "out"),
        ("compare", "run", "run", "--labels", "one,two", "--split", "val", "--output", "out"),
    ],
)
def test_commands_run_the_copy_only_if_it_is_trusted(arguments, project):
    assert refused(run_script(*arguments), "--trust_code")
    assert not pathlib.Path("out").exists()
    status, _, error = run_script(*arguments, "--trust_code")
    assert status == 0, error
    assert pathlib.Path("out").exists()


def test_an_own_generator_has_no_names_in_the_reference(project):
    flags = ("--workdir", "run", "--format", "torch", "--output", "net.npz")
    assert refused(run_script("export", *flags), "--trust_code")
    assert refused(run_script("export", *flags, "--trust_code"), "model.generator='net.py:Net'")


def test_a_new_run_starts_with_the_networks_of_a_moved_one_if_it_is_trusted(project):
    config = tiny_config(TRAINED | {"train.init_from": "run"})
    with pytest.raises(InputError, match="--trust_code"):
        train_and_evaluate(config, "new")
    assert not pathlib.Path("new").exists()
    assert train_and_evaluate(config, "new", trust_code=True).step == 1


def test_a_run_goes_on_with_its_file_and_says_if_that_has_changed(project, caplog):
    file = pathlib.Path("net.py")
    for epochs, changes in ((2, 0), (3, 1)):
        caplog.clear()
        file.write_text(file.read_text() + changes * "# the same network\n")
        result = train_and_evaluate(tiny_config(TRAINED | {"train.epochs": epochs}), "run")
        assert result.step == epochs
        said = [record.getMessage() for record in caplog.records]
        assert ["net.py:Net" in line and "changed" in line for line in said] == [True] * changes
    assert len(list(pathlib.Path("run", "code").glob("*.py"))) == 2  # both forms are kept


def test_a_run_does_not_go_on_with_a_file_that_gives_other_shapes(project):
    file = pathlib.Path("net.py")
    file.write_text(file.read_text().replace("(3, 3)", "(5, 5)"))
    with pytest.raises(InputError, match=r"kernel.*3, 3, 3, 3.*5, 5, 3, 3") as caught:
        train_and_evaluate(tiny_config(TRAINED | {"train.epochs": 2}), "run")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["other.py", "net.py"])
def test_a_record_cannot_point_to_another_file_of_this_machine(name, project, tmp_path):
    # A file whose content anybody may know: of another name, or where the system has its own.
    public = tmp_path / "lib" / "python3.99" / name
    public.parent.mkdir(parents=True)
    public.write_text("raise SystemExit('this was run')\n")
    path = pathlib.Path("run", "code", "code.json")
    record = json.loads(path.read_text())
    digest = hashlib.sha256(public.read_bytes()).hexdigest()
    record["own_code"][0].update(path=str(public), sha256=digest)
    path.write_text(json.dumps(record))
    with pytest.raises(InputError):
        load_generator("run")
