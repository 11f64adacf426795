import signal
import subprocess
import sys
import threading

from pix2pix_jax.core.signals import STOP_SIGNALS, StopRequest


def test_a_signal_is_noted_from_when_it_is_listened_for():
    before = signal.getsignal(signal.SIGTERM)
    with StopRequest() as stop:
        assert signal.getsignal(signal.SIGTERM) == before
        stop.listen()
        assert stop.signal is None
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_signal_ends_the_process():
    code = (
        "import signal\n"
        "from pix2pix_jax.core.signals import StopRequest\n"
        "with StopRequest() as stop:\n"
        "    stop.listen()\n"
        "    signal.raise_signal(signal.SIGHUP)\n"
        "    print(stop.signal.name, flush=True)\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    print('lives on')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (130, "SIGHUP\n")


def test_a_closed_terminal_stops_nothing_that_nohup_started():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            stop.listen()
            signal.raise_signal(signal.SIGHUP)
            assert stop.signal is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_no_signal_is_noted():
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    found = []

    def train():
        with StopRequest() as stop:
            stop.listen()
            found.append([signal.getsignal(number) for number in STOP_SIGNALS])

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert found == [before]
