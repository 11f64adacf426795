"""One of two processes of a run fails: what is lost, and do both end?

    python -m tests.attacks.processes

Two processes of two virtual devices each train a tiny run together. Once the second checkpoint is
there, one of them is killed, or stopped for a while, or the run's folder is renamed under them.
Printed are how and when both ended, and whether starting both again ends with the bits of a run
where nothing happened.
"""

import argparse
import contextlib
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

from tests.attacks import tiny_run

_KEYS = {"train.batch_size": "1", "train.epochs": "60", "checkpoint.every_epochs": "4"}
_PATIENCE = 300  # seconds


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def start(workdir, home):
    """Start both processes."""
    variables = tiny_run.environment(home)
    variables["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    flags = [f"--distributed.coordinator=localhost:{free_port()}", "--distributed.num_processes=2"]
    return [
        subprocess.Popen(
            [*tiny_run.command(workdir), *flags, f"--distributed.process_id={number}"],
            env=variables,
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        for number in (0, 1)
    ]


def end(processes, begun):
    """Wait for both; return what is to be told of them."""
    told = []
    for number, process in enumerate(processes):
        try:
            _, error = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            _, error = process.communicate()
            error = f"STILL RUNNING, killed\n{error}"
        lines = error.strip().splitlines()
        last = lines[-1][:160] if lines else "-"
        seconds = time.monotonic() - begun
        told.append(
            f"process {number}: status {process.returncode} after {seconds:.0f} s, "
            f"{len(lines)} lines of errors, the last: {last}"
        )
    return told


def kill(processes, victim, workdir):
    processes[victim].kill()


def pause(processes, victim, workdir):
    processes[victim].send_signal(signal.SIGSTOP)
    time.sleep(60)
    processes[victim].send_signal(signal.SIGCONT)


def rename(processes, victim, workdir):
    workdir.rename(workdir.with_name("renamed"))


def attempt(name, harm, victim, home, wanted):
    """Make one attempt and print what came of it."""
    workdir = home / name.replace(" ", "_")
    processes = start(workdir, home)
    deadline = time.monotonic() + _PATIENCE
    while not (workdir / "checkpoints").is_dir() or len(steps_in(workdir)) < 2:
        assert time.monotonic() < deadline, [process.communicate() for process in processes]
        time.sleep(0.1)
    harm(processes, victim, workdir)
    begun = time.monotonic()
    print(f"{name}:")
    for line in end(processes, begun):
        print(f"  {line}")
    with contextlib.suppress(FileNotFoundError):
        workdir.with_name("renamed").rename(workdir)
    print(f"  checkpoints there: {sorted(steps_in(workdir))}")
    for line in end(start(workdir, home), time.monotonic()):
        print(f"  again, {line}")
    same = tiny_run.digests_of(workdir) == wanted
    print(f"  ends with the bits of a run where nothing happened: {same}", flush=True)


def steps_in(workdir):
    entries = (workdir / "checkpoints").iterdir()
    return [int(path.name) for path in entries if path.name.isdecimal()]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    tiny_run.KEYS.update(_KEYS)
    with tempfile.TemporaryDirectory(prefix="processes_") as folder:
        home = pathlib.Path(folder)
        for line in end(start(home / "whole", home), time.monotonic()):
            print(f"nothing happens: {line}", flush=True)
        wanted = tiny_run.digests_of(home / "whole")
        for victim in (0, 1):
            attempt(f"process {victim} is killed", kill, victim, home, wanted)
        attempt("process 1 is stopped for a minute", pause, 1, home, wanted)
        attempt("the folder is renamed", rename, 0, home, wanted)


if __name__ == "__main__":
    main()
