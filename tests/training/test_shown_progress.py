import io
import logging
import sys

import pytest

from pix2pix_jax.training.shown_progress import ShownProgress

LOSSES = {"g_loss": 12.345, "g_loss_l1": 0.1, "d_loss": 0.5}


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    """An output that is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def shown(caplog):
    """Take ten steps of two images, 30 s each, of a run that goes on from step 100 of 200."""
    caplog.set_level(logging.INFO, logger="pix2pix_jax")

    def run(told_at=None, halt_at=None):
        clock = Clock()
        progress = ShownProgress(100, 200, 2, clock)
        assert progress.time_left(100) == ""
        progress.start(100)
        for step in range(101, 111):
            clock.now += 30
            progress.advance(step, 1, LOSSES)
            if step == told_at:
                progress.told()
            if step == halt_at:
                clock.now += 300
                progress.start(step)
        progress.close()
        return caplog.messages

    return run


def test_without_a_terminal_there_is_a_line_each_minute(shown, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    lines = shown()
    assert len(lines) == 5
    assert lines[0] == (
        "step 102 of 200: g_loss 12.3, d_loss 0.5; 0.1 img/s; 49 min left"  # 98 steps of 30 s
    )
    assert lines[-1].startswith("step 110 of 200: ")
    assert lines[-1].endswith("; 45 min left")
    assert sys.stderr.getvalue() == ""


def test_on_a_terminal_there_is_the_bar_alone(shown, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert shown() == []
    assert "110/200" in sys.stderr.getvalue()


def test_an_output_that_goes_to_a_file_has_its_lines_beside_the_bar(shown, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert len(shown()) == 5
    assert "110/200" in sys.stderr.getvalue()


def test_the_line_of_an_epoch_starts_a_new_minute(shown, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    steps = [line.split()[1] for line in shown(told_at=103)]
    assert steps == ["102", "105", "107", "109"]


def test_a_halt_counts_for_the_time_left_but_not_for_the_speed(shown, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    after = next(line for line in shown(halt_at=105) if line.startswith("step 106 "))
    assert "; 0.1 img/s; " in after  # two images in 30 s
    assert after.endswith("; 2 h 5 min left")  # 480 s for 6 steps, 94 are left
