"""Signals at random times of a tiny run: does it heed each, print no traceback, lose nothing?

    python -m tests.attacks.signals --trials 100

Each trial starts the run, sends SIGINT, SIGTERM or SIGHUP at a random time from its first moment
to its last, and looks at its exit status and what it printed. The same command then goes on to the
end: parameters, optimiser and random key must be bit-equal to those of a run without a signal, and
so must metrics.csv (apart from times), the kept checkpoints and the names of all files.
"""

import argparse
import collections
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from tests.attacks import tiny_run

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SLOW = 10  # seconds from a signal to the end of the process


def is_heeding(pid):
    """Tell whether a process has come to the first line of the command: it then handles SIGTERM."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, mask = line.partition(":")
        if name == "SigCgt":
            return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)
    return False


def send(workdir, home, number, delay):
    """Send a signal to the run.

    Returns:
        Its status, what it printed, how long it took to end, and whether it heeded signals already.
    """
    process, heeding = tiny_run.start(workdir, home), True
    try:
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            heeding = is_heeding(process.pid)
            process.send_signal(number)
        begun = time.monotonic()
        out, error = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, error, time.monotonic() - begun, heeding


def judge_end(number, status, error, seconds, heeding):
    """Return how a signal was taken, and what is wrong about that, if anything is."""
    lines = error.strip().splitlines()
    if not heeding and status in (-number, 1, 128 + number):  # Python itself still starts
        return "before the first line", []
    faults = []
    if status not in (0, 128 + number):
        faults.append(f"status {status}")
    if "Traceback" in error or len(lines) > 2:
        faults.append(f"{len(lines)} lines of errors: {error.strip()[-300:]}")
    if seconds > _SLOW:
        faults.append(f"ended after {seconds:.0f} s")
    return "run was complete" if status == 0 else "heeded", faults


def judge_rest(workdir, home, wanted):
    """Go on to the end; return what differs from a run without a signal."""
    status, _, error = tiny_run.finish(workdir, home)
    if status:
        return [f"going on ended with {status}: {error.strip()[-300:]}"]
    faults = [] if tiny_run.digest_of_state(workdir) == wanted[0] else ["the state differs"]
    rows = [row for row in tiny_run.table_of(workdir) if row not in wanted[1]]
    rows += [row for row in wanted[1] if row not in tiny_run.table_of(workdir)]
    if rows:
        faults.append(f"metrics.csv differs in steps {sorted({row['step'] for row in rows})}")
    more = set(tiny_run.files_of(workdir)) ^ set(wanted[2])
    return [*faults, *(f"file {name}" for name in sorted(more))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latest", type=float, default=0.0, help="latest second of a signal")
    flags = parser.parse_args()
    # The runs would inherit that these are ignored, as they are in the background and by nohup.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng, counts, bad, slowest = random.Random(flags.seed), collections.Counter(), 0, 0.0
    with tempfile.TemporaryDirectory(prefix="signals_") as folder:
        home = pathlib.Path(folder)
        tiny_run.finish(home / "first", home)  # compiles
        begun = time.monotonic()
        status, out, error = tiny_run.finish(home / "whole", home)
        seconds = time.monotonic() - begun
        assert status == 0, error
        print(f"the run takes {seconds:.1f} s\n{out}", flush=True)
        whole = home / "whole"
        wanted = tiny_run.digest_of_state(whole), tiny_run.table_of(whole), tiny_run.files_of(whole)
        for trial in range(flags.trials):
            number, workdir = rng.choice(SIGNALS), home / f"run_{trial}"
            delay = rng.uniform(0, flags.latest or seconds)
            status, out, error, took, heeding = send(workdir, home, number, delay)
            how, faults = judge_end(number, status, error, took, heeding)
            if how == "heeded":
                slowest = max(slowest, took)
                how = "saved" if "saved step" in out else how
            if workdir.exists() and not faults:
                faults += judge_rest(workdir, home, wanted)
            counts[number.name, how] += 1
            bad += bool(faults)
            print(
                f"{trial:4} {number.name:8} at {delay:5.2f} s: {how}, {took:.1f} s later "
                + ("; ".join(faults) and f"FAULTS: {'; '.join(faults)}"),
                flush=True,
            )
    for (name, how), count in sorted(counts.items()):
        print(f"{name:8} {how:24} {count}")
    print(f"{flags.trials} trials, {bad} with faults; the slowest ended after {slowest:.1f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
