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
