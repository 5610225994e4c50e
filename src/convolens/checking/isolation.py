"""Running a learner's file in a process of its own, and getting a report whatever becomes of that process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import convolens
from convolens.checking.results import Report, Result

__all__ = ["GIGABYTE", "check_isolated"]

GIGABYTE = 1 << 30
_GRACE = 3.0  # Seconds a process gets beyond its limit before it is killed: enough to stop by itself and to report.


def check_isolated(path: Path, seconds: float = 10.0, memory: int = 4 * GIGABYTE) -> Report:
    """Judge a file's functions in another process.

    Guards against mistakes, not malice: the file's code can do whatever the user can.

    Args:
        path: a Python file or a notebook.
        seconds: for running the file, and again for each function.
        memory: bytes of address space, where the system can limit it; 0 for no limit.

    Returns:
        The report; a function that takes the process down is judged wrong, and the others all the same.
    """
    known: list[dict[str, Any]] = []
    while True:
        events, died = _run(path, seconds, memory, known)
        notes: list[str] = next((event["notes"] for event in events if "notes" in event), [])
        if not died:
            return Report([Result(**event["record"]) for event in events if "record" in event], str(path), notes)
        culprit = [event["begins"] for event in events if "begins" in event][-1:]
        if not culprit or not culprit[0] or any(record["function"] == culprit[0] for record in known):
            return Report([], str(path), [*notes, f"{path.name}: running the file {died}"])
        diagnosis = "ends the process" if died.startswith("ended") else "does not end"
        known.append(Result(culprit[0], "wrong", problem=f"calling it {died}.", diagnosis=diagnosis).to_json())


def _run(path: Path, seconds: float, memory: int, known: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """Run the worker once; return its events, and how it died in words (empty if it ended well)."""
    with tempfile.TemporaryDirectory(prefix="convolens-check-") as folder:
        events = Path(folder, "events.jsonl")
        events.touch()
        order = {"path": str(path.resolve()), "events": str(events), "seconds": seconds, "bytes": memory, "skip": known}
        process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", "convolens.checking.worker", json.dumps(order)],
            cwd=path.resolve().parent,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            ended = _wait(process, events, seconds + _GRACE)
        finally:
            _kill(process)
        told = [json.loads(line) for line in events.read_text("utf-8").splitlines() if line.endswith("}")]
    if any("ends" in event for event in told):
        return told, ""
    if not ended:
        return told, f"did not end in {seconds:g} seconds"
    return told, f"ended the process (exit code {process.returncode})"


def _wait(process: subprocess.Popen[bytes], events: Path, limit: float) -> bool:
    """Wait until the process ends; False if it has told nothing for too long."""
    size, since = -1, time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            return True
        if events.stat().st_size != size:
            size, since = events.stat().st_size, time.monotonic()
        if time.monotonic() - since > limit:
            return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _environment() -> dict[str, str]:
    package = str(Path(convolens.__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        **os.environ,
        **threads,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
    }
