"""docs/extending.md: every example is complete, and trains."""

import hashlib
import json
import pathlib
import re
import shlex

import numpy as np
import pytest
from support.scripts import refused, run_script

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
def test_example_trains_and_is_found_again(name, tmp_path, tiny_config, one_device, monkeypatch):
    code, command = EXAMPLES[name]
    monkeypatch.chdir(tmp_path)
    file = pathlib.Path(name)
    file.parent.mkdir()
    file.write_text(code)
    write_archives(tmp_path / "data" / "archives")
    for key, text in overrides_of(command):
        override(tiny_config, key, text)
    tiny_config.train.epochs = 1
    tiny_config.lr.decay_epochs = 0
    train_and_evaluate(tiny_config, "run")

    record = json.loads(pathlib.Path("run", "code", "code.json").read_text())["own_code"]
    assert [pathlib.Path(entry["path"]) for entry in record] == [file.resolve()]
    assert COLUMNS.get(name, "step") in pathlib.Path("run", "metrics.csv").read_text()
    monkeypatch.chdir("/")  # the run's folder is all that is needed
    generator = load_generator(tmp_path / "run")
    (fake,) = translate(generator, [np.zeros((32, 32, 3), np.uint8)])
    assert fake.shape == (32, 32, 3)


def train_with_own_net(tiny_config, file="net.py"):
    """Train a run in `run` with a generator of one convolution, in a file of its own."""
    pathlib.Path(file).write_text(
        "import flax.linen as nn\n\n\n"
        "class Net(nn.Module):\n"
        "    out_channels: int\n\n"
        "    @nn.compact\n"
        "    def __call__(self, source, *, train, dropout_keys=None):\n"
        "        return nn.tanh(nn.Conv(self.out_channels, (3, 3))(source))\n"
    )
    tiny_config.model.generator = f"{file}:Net"
    tiny_config.train.epochs, tiny_config.lr.decay_epochs = 1, 0
    train_and_evaluate(tiny_config, "run")


def test_a_run_whose_file_is_gone_runs_its_own_copy_only_if_it_is_trusted(
    tmp_path, tiny_config, one_device, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    train_with_own_net(tiny_config)
    pathlib.Path("net.py").unlink()
    with pytest.raises(InputError, match=r"model.generator='net.py:Net'.*--trust-code"):
        load_generator("run")
    assert type(load_generator("run", trust_code=True).module).__name__ == "Net"
    flags = ("--workdir", "run", "--split", "val", "--output", "out")
    assert refused(run_script("sample", *flags, folder=tmp_path), "--trust-code")
    assert not pathlib.Path("out").exists()
    for name in ("sample", "evaluate"):
        status, _, error = run_script(name, *flags, "--trust-code", folder=tmp_path)
        assert status == 0, error


def test_a_resumed_run_says_that_its_file_has_changed(
    tmp_path, tiny_config, one_device, monkeypatch, caplog
):
    monkeypatch.chdir(tmp_path)
    train_with_own_net(tiny_config)
    file = pathlib.Path("net.py")
    file.write_text(file.read_text() + "# the same network\n")
    tiny_config.train.epochs = 2
    caplog.clear()
    train_and_evaluate(tiny_config, "run")
    said = [r.getMessage() for r in caplog.records if "net.py:Net" in r.getMessage()]
    assert len(said) == 1
    assert "changed" in said[0]


@pytest.mark.parametrize(
    ("body", "key", "message"),
    [
        ("def own(features): ...", "model.generator", "called as own(out_channels=..."),
        ("def own(source, target): ...", "loss.extra", "called as own(source, target, fake)"),
        ("def own(): ...", "lr.schedule", "called as own(epoch, epochs, decay_epochs)"),
        ("def own(key): ...", "augment.extra", "called as own(key, source, target)"),
        ("own = 3", "eval.metrics", "expected an instance of"),
        ("def own(root): return 3", "data.source", "expected"),
    ],
)
def test_own_code_that_does_not_fit_is_one_line(
    body, key, message, tmp_path, tiny_config, one_device, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("mine.py").write_text(body + "\n")
    override(tiny_config, key, "mine.py:own")
    with pytest.raises(InputError) as caught:
        train_and_evaluate(tiny_config, "run")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not pathlib.Path("run").exists()


NET = """import flax.linen as nn


class own(nn.Module):
    @nn.compact
    def __call__(self, {arguments}):
        return {result}
"""


@pytest.mark.parametrize(
    ("key", "arguments", "result", "message"),
    [
        ("generator", "source", "source", "called as module(source, train=..., dropout_keys=...)"),
        (
            "generator",
            "source, *, train, dropout_keys=None",
            "nn.Conv(5, (3, 3))(source)",
            "gives (2, 32, 32, 5), expected (2, 32, 32, 3)",
        ),
        ("discriminator", "source, image", "source", "called as module(source, image, train=...)"),
        ("discriminator", "source, image, *, train", "source", "expected a tuple of scales"),
    ],
)
def test_an_own_network_that_gives_something_else_is_one_line(
    key, arguments, result, message, tmp_path, tiny_config, one_device, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("mine.py").write_text(NET.format(arguments=arguments, result=result))
    override(tiny_config, f"model.{key}", "mine.py:own")
    with pytest.raises(InputError) as caught:
        train_and_evaluate(tiny_config, "run")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def own(source, target, fake):\n    return fake", "expected one number"),
        ("def l1(source, target, fake):\n    return fake.sum()", "g_loss_l1 already"),
    ],
)
def test_an_own_loss_that_is_no_number_or_takes_a_name_is_one_line(
    body, message, tmp_path, tiny_config, one_device, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("mine.py").write_text(body + "\n")
    override(tiny_config, "loss.extra", f"mine.py:{'l1' if 'l1' in body else 'own'}")
    with pytest.raises(InputError, match=message):
        train_and_evaluate(tiny_config, "run")


@pytest.mark.parametrize("name", ["other.py", "net.py"])
def test_a_record_cannot_point_to_another_file_of_this_machine(
    name, tmp_path, tiny_config, one_device, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    train_with_own_net(tiny_config)
    pathlib.Path("net.py").unlink()
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
