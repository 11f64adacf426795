"""One operation on files of a tiny run goes wrong: is anything lost, or left half-written?

    python -m tests.attacks.crash --trials 100

Needs Linux and a C compiler. In every trial, the process is killed before its nth operation on a
file of the run, or the disk is full from there on, or the operation fails with an input/output
error, or a write takes only half of what it was given. The same command then goes on to the end.
What is left must be that of a run where nothing went wrong: parameters, optimiser and random key to
the bit, metrics.csv (apart from times), the kept checkpoints, the pictures, the names of all files.
An error is one line.
"""

import argparse
import collections
import ctypes
import os
import pathlib
import pickle
import random
import subprocess
import sys
import tempfile

from pix2pix_jax.commands import entry
from tests.attacks import tiny_run

MODES = {"kill": 1, "full disk": 2, "failed operation": 3, "short write": 4}
_SOURCE = pathlib.Path(__file__).with_name("failing_files.c")
# A shorter run than that of the other attacks: it is started for each of some thousand operations.
_KEYS = {"data.synthetic_pairs": "6,2,1", "train.epochs": "8", "checkpoint.every_epochs": "2"}


def in_child(function, *arguments):
    """Return what a function returns, called in a copy of this process, which stays without JAX."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.close(ours)
            with os.fdopen(theirs, "wb") as pipe:
                pickle.dump(function(*arguments), pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    return pickle.loads(content)


def train(workdir, log, begin=None):
    """Run the command in a copy of this process; return its exit status, negative for a signal."""
    child = os.fork()
    if not child:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.argv = tiny_run.command(workdir)[1:]
        if begin is not None:
            begin()
        try:
            entry.run("train")
        except SystemExit as ended:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(ended.code or 0))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def outcome(workdir):
    """Return what the run has left; the digests of a checkpoint stand for its bits."""
    return {
        "state": tiny_run.digests_of(workdir),
        "table": tiny_run.table_of(workdir),
        "files": tiny_run.files_of(workdir),
        "pictures": [path.read_bytes() for path in sorted((workdir / "samples").iterdir())],
    }


def faults_of(trial, wanted, status, text, expected_statuses):
    """Return what is wrong after a trial."""
    faults = []
    if status not in expected_statuses:
        faults.append(f"status {status}")
    noise = [line for line in text.splitlines() if "Traceback" in line or "ERROR" in line]
    errors = [line for line in text.splitlines() if line.startswith("error:")]
    if noise or len(errors) > 1:
        faults.append(f"{len(noise)} lines of noise, {len(errors)} of errors: {text[-300:]!r}")
    found = in_child(outcome, trial)
    faults += [f"{name} differs" for name in wanted if found[name] != wanted[name]]
    return faults


def attack(library, mode, nth, home, wanted):
    """Make one trial; return how the first start ended, and the faults."""
    workdir, first, second = (home / f"{mode}_{nth}{end}" for end in ("", ".first", ".second"))
    begin = lambda: library.failing_begin(bytes(workdir), MODES[mode], nth)  # noqa: E731
    status = train(workdir, first, begin)
    again = train(workdir, second)
    how = {0: "unharmed", 2: "one line", -9: "killed"}.get(status, f"status {status}")
    if (mode, status) == ("kill", 0):
        how = "not reached"  # the number of operations varies by some percent
    text = first.read_text(errors="replace") + second.read_text(errors="replace")
    expected = (-9, 0) if mode == "kill" else (0, 2)
    faults = [] if again == 0 else [f"going on ended with {again}: {text[-400:]!r}"]
    return how, faults or faults_of(workdir, wanted, status, text, expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100, help="of each mode")
    parser.add_argument("--modes", default=",".join(MODES), help="some of: " + ",".join(MODES))
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    if "FAILING_FILES" not in os.environ:
        restart_with_library()
    tiny_run.KEYS.update(_KEYS)
    library = ctypes.CDLL(os.environ["FAILING_FILES"])
    library.failing_begin.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_long]
    library.failing_count.restype = ctypes.c_long
    import tensorboardX  # noqa: F401  once for all trials: with PyTorch it takes seconds

    import pix2pix_jax.commands.train  # noqa: F401

    with tempfile.TemporaryDirectory(prefix="crash_") as folder:
        home = pathlib.Path(folder)
        os.environ.update(tiny_run.environment(home))
        assert train(home / "compiles", home / "log") == 0, (home / "log").read_text()
        whole = home / "whole"
        assert train(whole, home / "log", lambda: library.failing_begin(bytes(whole), 0, 0)) == 0
        operations = library.failing_count()
        wanted = in_child(outcome, whole)
        print(f"the run makes {operations} operations on its files", flush=True)
        return run_trials(library, flags, home, operations, wanted)


def run_trials(library, flags, home, operations, wanted):
    rng, counts, bad = random.Random(flags.seed), collections.Counter(), collections.Counter()
    for mode in flags.modes.split(","):
        chosen = rng.sample(range(1, operations + 1), min(flags.trials, operations))
        for nth in sorted(chosen):
            how, faults = attack(library, mode, nth, home, wanted)
            counts[mode, how] += 1
            bad[mode] += bool(faults)
            if faults:
                print(f"{mode} at {nth}: {how}: FAULTS: {'; '.join(faults)}", flush=True)
        for (of, how), count in sorted(counts.items()):
            if of == mode:
                print(f"{mode:12} {how:16} {count}", flush=True)
        print(f"{mode:12} {'with faults':16} {bad[mode]}", flush=True)
    return 1 if bad.total() else 0


def restart_with_library():
    """Start this program anew, with the C library loaded before all others."""
    with tempfile.TemporaryDirectory(prefix="failing_files_") as folder:
        library = pathlib.Path(folder, "failing_files.so")
        compiler = os.environ.get("CC", "cc")
        options = ["-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run([compiler, *options], check=True)
        variables = {"LD_PRELOAD": str(library), "FAILING_FILES": str(library)}
        command = [sys.executable, "-m", "tests.attacks.crash", *sys.argv[1:]]
        done = subprocess.run(command, env={**os.environ, **variables}, check=False)
    raise SystemExit(done.returncode)


if __name__ == "__main__":
    raise SystemExit(main())
