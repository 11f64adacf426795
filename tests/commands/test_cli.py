"""What all commands share: flags, messages on the terminal and how a mistake ends a command."""

import argparse
import logging
import sys

import pytest

from pix2pix_jax import InputError
from pix2pix_jax.commands import cli

LOGGER = logging.getLogger("pix2pix_jax")


def ending_of(main, capsys):
    """Return how a command with this main function ends: its status, output and errors."""
    with pytest.raises(SystemExit) as end:
        cli.run(main)
    return end.value.code or 0, *capsys.readouterr()


def raising(error):
    def main():
        raise error

    return main


def with_note(error, note):
    error.add_note(note)
    return error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("x\ny=3: choose 1"), "error: x\\ny=3: choose 1\n"),
        (with_note(InputError("no set 'map'"), "did you mean maps?"), "no set 'map'; did you mean"),
        (
            with_note(
                InputError("y=3"), "---\nFor simplicity, JAX has removed its internal frames"
            ),
            "y=3\n",
        ),
        (FileNotFoundError(2, "No such file", "a.png"), "No such file: 'a.png'\n"),
        (OSError("two\nlines"), "error: two\\nlines\n"),
    ],
)
def test_a_mistake_of_the_user_is_one_line_and_status_2(error, line, capsys):
    status, out, printed = ending_of(raising(error), capsys)
    assert (status, out) == (2, "")
    assert line in printed
    assert printed.count("\n") == 1


def test_the_traceback_of_a_mistake_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("PIX2PIX_JAX_TRACEBACK", "1")
    with pytest.raises(InputError):
        cli.run(raising(InputError("x")))


def test_a_bug_keeps_its_traceback():
    with pytest.raises(KeyError):
        cli.run(raising(KeyError("x")))


def test_ctrl_c_ends_with_the_status_of_its_signal(capsys):
    assert ending_of(raising(KeyboardInterrupt()), capsys) == (130, "", "interrupted\n")


def test_messages_of_the_package_appear_on_standard_output(capsys):
    def main():
        logging.getLogger("pix2pix_jax.training.loop").info("step %d", 3)
        logging.getLogger("pix2pix_jax.data.splits").warning("3 pairs look alike")
        logging.getLogger("another").info("not ours")
        return 1

    out = "step 3\nwarning: 3 pairs look alike\n"
    assert ending_of(main, capsys) == (1, out, "")


def test_a_handler_of_the_root_logger_prints_no_message_again(capsys):
    def main():
        handler = logging.StreamHandler(sys.stdout)  # as absl adds one
        logging.root.addHandler(handler)
        LOGGER.info("once")
        logging.root.removeHandler(handler)

    assert ending_of(main, capsys) == (0, "once\n", "")


def test_a_command_leaves_logging_as_it_was(capsys):
    def state():
        loggers = (logging.root, LOGGER)
        return [(one.level, one.propagate, one.disabled, one.handlers[:]) for one in loggers]

    before = state()
    ending_of(lambda: None, capsys)
    ending_of(raising(InputError("x")), capsys)
    assert state() == before


@pytest.mark.parametrize("text", ["0", "11", "-1", "2.5", "many", "", "\u0663", "\uff18", "1_0"])
def test_a_whole_number_has_limits(text):
    parse = cli.whole(1, 10)
    assert (parse("1"), parse("10")) == (1, 10)
    with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 1 to 10"):
        parse(text)


@pytest.mark.parametrize("text", ["\u0663", "1_0", "", "many"])
def test_numbers_have_the_digits_0_to_9(text):
    for kind, value in ((int, "3"), (float, "0.5")):
        assert cli.number(kind)(value) == kind(value)
        with pytest.raises(argparse.ArgumentTypeError, match=r"expected a (whole )?number"):
            cli.number(kind)(text)


def test_a_path_begins_with_the_home_folder_and_is_valid_utf_8(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert cli.path("~/runs") == "/home/me/runs"
    for text, message in (
        ("runs/\udcff", "not valid UTF-8"),
        ("~nobody-of-this-name", "not known"),
    ):
        with pytest.raises(argparse.ArgumentTypeError, match=message):
            cli.path(text)


def test_a_message_is_one_line_whatever_it_names(capsys):
    def main():
        LOGGER.info("see %s", "runs/a\nb")

    assert ending_of(main, capsys) == (0, "see runs/a\\nb\n", "")


def test_an_argument_in_a_message_is_escaped(capsys):
    with pytest.raises(SystemExit):
        cli.Parser("").error("unknown argument --a\nb")
    assert capsys.readouterr().err == "error: unknown argument --a\\nb (see --help)\n"


def platform_error(error):
    """Return an error as the module of JAX raises it that starts a platform."""
    source = "def fail(error):\n    raise error"
    names = {}
    exec(compile(source, "/anywhere/jax/_src/xla_bridge.py", "exec"), names)
    return lambda: names["fail"](error)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("Unable to initialize backend 'cuda': none\nhere"), "'cuda': none); unset"),
        (AssertionError(), "JAX_PLATFORMS=cuda: JAX cannot use this platform here (it is not"),
    ],
)
def test_a_platform_that_jax_cannot_use_is_one_line(error, reason, monkeypatch, capsys):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    status, out, printed = ending_of(platform_error(error), capsys)
    assert (status, out, printed.count("\n")) == (2, "", 1)
    assert reason in printed


def test_a_machine_without_memory_is_one_line(capsys):
    status, _, printed = ending_of(raising(MemoryError("Unable to allocate 8 TiB")), capsys)
    assert (status, printed) == (2, "error: out of memory (Unable to allocate 8 TiB)\n")


def test_names_are_split_at_commas():
    assert cli.split_names("l1, psnr,,ssim ,") == ["l1", "psnr", "ssim"]
    assert cli.split_names(" , ") == []


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["scripts/train.py", "--config", "maps"], "python scripts/train.py --config maps"),
        (["my runs/train.py", "--workdir", "a b"], "python 'my runs/train.py' --workdir 'a b'"),
        (["pix2pix-jax train", "--config", "maps"], "pix2pix-jax train --config maps"),
    ],
)
def test_the_command_line_can_be_run_again(monkeypatch, argv, line):
    monkeypatch.setattr(sys, "argv", argv)
    assert cli.command_line() == line
