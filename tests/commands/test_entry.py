"""How a command starts: `pix2pix-jax NAME ...`, or a script of that name."""

import pathlib
import subprocess
import sys

import pytest
from support.scripts import SCRIPTS, refused, stay_in_process

import pix2pix_jax
from pix2pix_jax.commands import entry

ROOT = SCRIPTS.parent
# Modules that several commands share.
_SHARED = {
    *("__init__", "cli", "config_help", "ending", "entry", "foreign_flags"),
    *("interrupts", "shared_flags", "surroundings", "terminal", "unknown_flags"),
    *("finding", "found_config", "found_recipe", "found_scale", "found_sides", "found_sources"),
}


@pytest.fixture
def call(monkeypatch, capsys):
    def call(*arguments):
        stay_in_process(monkeypatch)
        monkeypatch.setattr(sys, "argv", ["/somewhere/bin/pix2pix-jax", *arguments])
        with pytest.raises(SystemExit) as end:
            entry.main()
        return end.value.code or 0, *capsys.readouterr()

    return call


def test_every_command_has_a_module_and_a_script():
    scripts = {path.stem for path in SCRIPTS.glob("*.py")}
    assert scripts == {*entry.COMMANDS, "benchmark", "compile"}
    modules = {path.stem for path in pathlib.Path(entry.__file__).parent.glob("*.py")}
    assert modules - _SHARED == {*entry.COMMANDS}


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",)])
def test_without_a_command_the_commands_are_listed(call, arguments):
    status, out, error = call(*arguments)
    assert (status, error) == (0, "")
    for name, text in entry.COMMANDS.items():
        assert any(line.split(maxsplit=1) == [name, text] for line in out.splitlines())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trian", "there is no command 'trian'; did you mean train?"),
        ("import-torch", "did you mean import_torch?"),
        ("--config", "there is no command '--config'; choose from train, sample, evaluate"),
    ],
)
def test_an_unknown_command_is_one_line_and_status_2(call, name, message):
    assert refused(call(name, "--help"), message)


@pytest.mark.parametrize("arguments", [("--version",), ("prepare", "--version")])
def test_the_version_is_printed(call, arguments):
    assert call(*arguments) == (0, f"pix2pix-jax {pix2pix_jax.__version__}\n", "")


def test_a_command_gets_the_arguments_after_its_name(call):
    status, out, error = call("prepare", "check", "nowhere")
    assert (status, out) == (2, "")
    assert error == "error: nowhere: there is no such folder\n"
    assert call("sample", "--help")[1].startswith("usage: pix2pix-jax sample [-h]")


def printed_by(code):
    """Return what a program prints that is in a process of its own, to have its own modules."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_train_sets_the_allocator_before_jax_is_imported():
    code = (
        "import sys, types, pix2pix_jax\n"
        "from pix2pix_jax.commands import entry\n"
        "from pix2pix_jax.core import allocator\n"
        "def train(*_, **options):\n"
        "    print('train', 'jax' in sys.modules)\n"
        "    return types.SimpleNamespace(stopped_by=None)\n"
        "allocator.keep_memory = lambda: print('allocator', 'jax' in sys.modules)\n"
        "pix2pix_jax.train_and_evaluate = train\n"
        "sys.argv = ['pix2pix-jax', 'train', '--config', 'demo']\n"
        "entry.main()\n"
    )
    assert printed_by(code) == "allocator False\ntrain True\n"


def test_what_only_prints_does_not_wait_for_jax():
    code = (
        "import sys\n"
        "from pix2pix_jax.commands import check, compare, entry, export, sample, train\n"
        "def call(main, *arguments):\n"
        "    sys.argv = ['pix2pix-jax train', *arguments]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit:\n"
        "        pass\n"
        "call(train.main, '--help')\n"
        "call(train.main, '--help_config')\n"
        "call(train.main, '--config', 'maps', '--print_config')\n"
        "call(train.main, '--epochs', '3')\n"
        "for command in (check, compare, export, sample):\n"
        "    call(command.main, '--help')\n"
        "for name in entry.COMMANDS:\n"
        "    call(lambda: entry._run(name), '--version')\n"
        "print('jax' in sys.modules)\n"
    )
    assert printed_by(code).endswith("\nFalse\n")
