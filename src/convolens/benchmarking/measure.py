"""The measurement: processes that take turns, and what their times say."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from convolens import config
from convolens.benchmarking.contestants import PREDICTED, installed
from convolens.benchmarking.tasks import TASKS, operations

__all__ = ["Process", "as_markdown", "machine", "measure", "ratios"]

_TURN = 0.4  # seconds that a contestant works before the next has its turn
_OURS = "convolens"


class Process:
    """A contestant at work on a task.

    Args:
        contestant: its name.
        task: the task's.
        threads: how many.
        steps: train steps of an epoch.
        clock: ``"wall"`` or ``"processor"``: what its seconds are.

    Raises:
        ValueError: if it does not start; with the last line it printed.
    """

    def __init__(self, contestant: str, task: str, threads: int, steps: int, clock: str = "wall") -> None:
        self.steps, self.clock = steps, clock
        begin = time.time()
        words = [sys.executable, "-m", "convolens.benchmarking.worker", contestant, task, str(threads), str(steps)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1" if contestant == _OURS else str(threads)}
        environment["OMP_NUM_THREADS"] = str(threads)
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        line = self._process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            said = self._process.stderr.read().strip().splitlines() or ["nothing"]  # type: ignore[union-attr]
            raise ValueError(f"{contestant} does not run {task}: {said[-1]}")
        self.first_epoch = json.loads(line)["ready"] - begin

    def ask(self, what: str, times: int = 1) -> float:
        """Return the seconds (or what else was asked for) of one of ``times``; NaN if it cannot do that."""
        self._process.stdin.write(json.dumps({"do": what, "times": times, "clock": self.clock}) + "\n")  # type: ignore[union-attr]
        self._process.stdin.flush()  # type: ignore[union-attr]
        value = json.loads(self._process.stdout.readline())["value"]  # type: ignore[union-attr]
        return math.nan if value is None else float(value)

    def end(self) -> None:
        """Let the process end."""
        self._process.communicate()


def measure(
    tasks: Sequence[str] = tuple(TASKS),
    peers: Sequence[str] | None = None,
    rounds: int = 7,
    steps: int = 8,
    busy: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure training, prediction, latency, memory and start of all contestants.

    Args:
        tasks: names in ``TASKS``.
        peers: contestants; all that are installed if None.
        rounds: turns of each; the median counts.
        steps: train steps of an epoch.
        busy: the machine does other things too: one thread each, and seconds of processor time instead of the wall
            clock's, which other programs change least.
        say: gets a line on what happens.

    Returns:
        The machine, and for each task the contestants' seconds: ``train`` per step, ``predict`` of 256 images, ``one``
        image, and ``predict_one`` by ``predict`` where there is one, each ``{"median", "least", "most"}``; ``memory``
        in bytes; ``first_epoch`` from the process's start; and the machine's ``sgemm`` rate in operations per second
        in the same minutes.
    """
    names = installed() if peers is None else list(peers)
    threads = 1 if busy else config.get_num_threads()
    clock = "processor" if busy else "wall"
    found: dict[str, Any] = {"machine": machine(), "threads": threads, "clock": clock, "rounds": rounds, "tasks": {}}
    found["import"] = {name: import_seconds(name) for name in ("numpy", "convolens")}
    for task in tasks:
        if _OURS in names:
            Process(_OURS, task, threads, steps, clock).end()  # compiles the kernels, which is done once per machine
        say(f"{task}: starting {len(names)} contestants, one after another.")
        running: dict[str, Process] = {}
        for name in names:
            try:
                running[name] = Process(name, task, threads, steps, clock)
            except ValueError as error:
                say(str(error))
        memory = {name: process.ask("memory") for name, process in running.items()}
        found["tasks"][task] = {
            "contestants": _turns(running, rounds, say),
            "operations": {
                "train": operations(TASKS[task].network()) * TASKS[task].batch,
                "predict": operations(TASKS[task].network(), training=False) * PREDICTED,
                "one": operations(TASKS[task].network(), training=False),
            },
        }
        sgemm = []
        # Our own process holds BLAS to one thread.
        limit = next((process for name, process in running.items() if name != _OURS), running[next(iter(running))])
        for _ in range(rounds):
            sgemm.append(limit.ask("sgemm"))
        found["tasks"][task]["sgemm"] = _spread(sgemm)
        for name, process in running.items():
            own = found["tasks"][task]["contestants"][name]
            own["memory"], own["first_epoch"] = memory[name], process.first_epoch
            process.end()
    return found


def _turns(running: dict[str, Process], rounds: int, say: Callable[[str], None]) -> dict[str, dict[str, Any]]:
    """Let all contestants do each kind of work in turn, round by round."""
    times: dict[str, dict[str, list[float]]] = {name: {} for name in running}
    for kind in ("train", "predict", "one", "predict_one"):
        counts = {}
        for name, process in running.items():
            if math.isnan(process.ask(kind)):
                continue
            count = max(1, min(2000, int(_TURN / process.ask(kind))))
            if kind == "train" and count > process.steps:
                count -= count % process.steps
            counts[name] = count
        for _ in range(rounds):
            for name, count in counts.items():
                times[name].setdefault(kind, []).append(running[name].ask(kind, count))
        say(f"  {kind}: " + ", ".join(f"{name} {1e3 * statistics.median(times[name][kind]):.2f} ms" for name in counts))
    return {name: {kind: _spread(values) for kind, values in own.items()} for name, own in times.items()}


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


_WORDS = {
    "train": ("a train step", 1e3, "ms"),
    "predict": (f"predict {PREDICTED} images", 1e3, "ms"),
    "one": ("one image", 1e3, "ms"),
    "predict_one": ("one image by predict", 1e3, "ms"),
    "memory": ("peak memory", 1e-6, "MB"),
    "first_epoch": ("start to end of first epoch", 1, "s"),
}


def ratios(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each task and kind of work: our figure, the others as multiples of it, and the limit's share."""
    rows = []
    for task, results in found["tasks"].items():
        contestants = results["contestants"]
        if _OURS not in contestants:
            continue
        for kind, (words, scale, unit) in _WORDS.items():
            figures = {name: _figure(own[kind]) for name, own in contestants.items() if kind in own}
            if _OURS not in figures:
                continue
            ours = figures.pop(_OURS)
            row: dict[str, Any] = {"network": task, "work": words, "convolens": f"{ours * scale:.3g} {unit}"}
            row |= {name: round(figure / ours, 2) for name, figure in figures.items()}
            if kind in results["operations"]:
                row["of sgemm"] = round(results["operations"][kind] / ours / _figure(results["sgemm"]), 2)
            rows.append(row)
    return rows


def _figure(value: Any) -> float:
    return float(value["median"] if isinstance(value, dict) else value)


def as_markdown(found: dict[str, Any]) -> str:
    """Return the machine and the ratios as text, a table in Markdown."""
    about, rows = found["machine"], ratios(found)
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    clock = "seconds of processor time" if found["clock"] == "processor" else "wall clock"
    lines = [
        f"{about['processor']}, {about['cores']} cores; {about['system']}; Python {about['python']}; {packages}.",
        f"{about['date']}, {found['threads']} threads, {clock}, medians of {found['rounds']} rounds, load at the start "
        f"{about['load']:.1f}. `import numpy` {found['import']['numpy']:.2f} s, `import convolens` "
        f"{found['import']['convolens']:.2f} s.",
        "",
        "The others' columns are multiples of convolens's figure: above 1, convolens is faster, or smaller.",
        "",
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    columns.sort(key=lambda name: name == "of sgemm")
    table = [columns, ["---"] * len(columns), *([str(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(columns))]
    for row in table:
        cells = (cell.ljust(width, "-" if cell == "---" else " ") for cell, width in zip(row, widths, strict=True))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def import_seconds(module: str, times: int = 5) -> float:
    """Return the least time that a fresh process takes to import a module."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(times)
    ]
    return min(float(run.stdout) for run in runs)


def machine() -> dict[str, Any]:
    """Return what the results depend on: processor, system, versions."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for package in ("convolens", "numpy", "numba", "torch", "tensorflow", "tensorflow-cpu", "keras", "jax"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    processor = platform.processor()
    try:
        with open("/proc/cpuinfo") as lines:
            processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), processor)
    except OSError:
        pass
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": versions,
        "date": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
