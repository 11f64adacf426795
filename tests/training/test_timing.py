from pix2pix_jax.training.timing import Minutes, Stopwatch


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_a_stopwatch_shows_tenths_of_a_second_only_if_they_matter():
    clock = Clock()
    stopwatch, shown = Stopwatch(clock), []
    for seconds in (0.04, 9.94, 12.3, 200, 7500):
        clock.now = 1000 + seconds
        shown.append(str(stopwatch))
    assert shown == ["0.0 s", "9.9 s", "12 s", "3 min 20 s", "2 h 5 min"]


def test_a_minute_is_due_once_and_starts_again_with_every_line():
    clock = Clock()
    minutes, due = Minutes(clock), []
    for clock.now in (1059, 1060, 1061, 1119, 1120):
        due.append(minutes.due())
    assert due == [False, True, False, False, True]
    clock.now = 1150
    minutes.restart()
    clock.now = 1209
    assert not minutes.due()
    clock.now = 1210
    assert minutes.due()
