"""compile.py, by its flags, its table and its file; this CPU stands in for the device."""

import json

import jax
import pytest
from compiling import plugins, program
from support.scripts import refused, run_script

TINY = [
    *("--config.data.image_size=16", "--config.model.base_features=4", "--config.model.levels=2"),
    "--config.model.discriminator_layers=1",
]


@pytest.fixture
def compile_here(monkeypatch, tmp_path):
    """Run the script with the CPU's own compiler in place of the target's."""
    cpus = jax.devices("cpu")
    monkeypatch.setattr(plugins, "set_environment", lambda: None)
    monkeypatch.setattr(plugins, "find_compiler", lambda *_: ("stand-in", "1.2"))
    monkeypatch.setattr(program, "find_devices", lambda target, number, package: cpus[:number])
    return lambda *arguments: run_script("compile", *arguments, folder=tmp_path)


def test_a_step_is_compiled_without_a_data_set_and_its_figures_are_printed(compile_here, tmp_path):
    pair = 2 * 18 * 18 * 3  # 16 * 286 / 256
    share = 12 * pair / (0.75 * 80e9)  # 21 pairs do not fit, 11 on each of two devices do
    status, out, error = compile_here(
        *("--config", "maps", "--target", "h100", "--devices", 2, "--pairs", 21),
        *("--config.train.steps_per_call=3", "--json", "figures.json", *TINY),
        f"--config.data.device_share={share}",
    )
    assert (status, error) == (0, "")
    figures = json.loads((tmp_path / "figures.json").read_text())
    run, memory, step = (figures[name] for name in ("run", "memory", "step"))
    assert figures["overrides"]["train.steps_per_call"] == "3"
    assert (run["config"], run["devices"], run["pairs"]) == ("maps", 2, 21)
    assert (run["path"], run["pairs_on_device"], run["pairs_bytes"]) == ("spread", 11, 11 * pair)
    assert memory["arguments"] >= run["pairs_bytes"] + run["state_bytes"]
    assert figures["fit"]["needed_bytes"] == sum(memory.values())
    assert step["convolutions"]["forward"] >= 3  # the discriminator's three, at least
    assert set(step["convolution_dtypes"]) == {"f32"}
    assert step["flop"] > 1e6
    weights = run["state_bytes"] / 3  # besides Adam's two moments
    assert step["all_reduce_bytes"] == pytest.approx(weights, rel=0.05)
    assert 0 < figures["estimate"]["seconds_least"] < figures["estimate"]["seconds"] < 1
    for words in (
        "maps for h100 (NVIDIA H100 80GB HBM3): 16x16 pixels, batch 1 per device, float32, 2 dev",
        "stand-in 1.2; nothing was run on a device",
        "11 pairs (spread)",
        "all-reduces",
        "ms of bytes at 3.35 TB/s",
        "estimate, not measured: at least the longest of its parts",
    ):
        assert words in out
    assert "assumed" not in out


def test_pairs_that_do_not_fit_are_streamed(compile_here, monkeypatch):
    compiled = program.Compiled(1.0, "", {}, "stands for any answer")
    monkeypatch.setattr(program, "compile_call", lambda *_: compiled)
    _, out, _ = compile_here(
        *("--config", "maps", "--target", "v5e", "--pairs", 10**8, "--config.train.batch_size=2"),
        *TINY,
    )
    assert "all 100000000 would take 194.40 GB; those of a call are copied" in out


def test_what_the_compiler_refuses_does_not_fit(compile_here, monkeypatch):
    refusal = program.Compiled(1.0, "", {}, "RESOURCE_EXHAUSTED: Used 99G of 15.75G hbm.")
    monkeypatch.setattr(program, "compile_call", lambda *_: refusal)
    status, out, _ = compile_here("--config", "maps", "--target", "v5e", *TINY)
    assert status == 1
    assert "the compiler found that it does not fit: RESOURCE_EXHAUSTED: Used 99G" in out
    assert "pairs: 1096 assumed, as the data is not here; --pairs sets it" in out
    assert "kernels" not in out


def test_pairs_that_are_here_are_counted(compile_here, monkeypatch, pairs_folder):
    refusal = program.Compiled(1.0, "", {}, "full")
    monkeypatch.setattr(program, "compile_call", lambda *_: refusal)
    _, out, _ = compile_here(
        *("--config", "demo", "--target", "h100", f"--config.data.root={pairs_folder}"),
        *("--config.data.source=side_by_side", "--config.data.resize=crop", *TINY),
        "--json=figures.json",
    )
    assert "assumed" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "h1000"], "--target 'h1000': did you mean h100? choose from a100"),
        (["--target", "h100", "--devices", "0"], "--devices: '0': expected a whole number from 1"),
        (["--target", "v6e", "--devices", "3"], "--devices 3 with --target v6e: choose from 1, 4"),
        (["--target", "h100", "--speed"], "unknown argument --speed"),
        (["--target", "h100", "--config.model.nrom=batch"], "Did you mean config.model.norm?"),
        (["--target", "h100", "--json", "nowhere/f.json"], "expected a file in a folder that"),
        (
            ["--target", "h100", "--devices", "2", "--config.train.global_batch_size=3"],
            "train.global_batch_size=3: not divisible by the 2 devices",
        ),
        (["--target", "h100", "--pairs", "2", "--config.train.batch_size=3"], "has 2 pairs, fewer"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.setattr(plugins, "set_environment", lambda: None)
    monkeypatch.setattr(plugins, "find_compiler", lambda *_: ("stand-in", "1.2"))
    monkeypatch.setattr(
        program, "find_devices", lambda target, number, _: target.topology(number) and []
    )
    result = run_script("compile", "--config", "maps", *arguments, folder=tmp_path)
    assert refused(result, message)


def test_a_missing_compiler_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "set_environment", lambda: None)
    real = plugins.metadata.version

    def without(name):
        if name.endswith("-plugin"):
            raise plugins.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(plugins.metadata, "version", without)
    result = run_script("compile", "--config", "maps", "--target", "h100", folder=tmp_path)
    assert refused(result, "is not installed; pip install -e '.[aot]'")
