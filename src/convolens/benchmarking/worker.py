"""One contestant's process: builds a network and takes its turns, told by lines of JSON on standard input.

``python -m convolens.benchmarking.worker CONTESTANT TASK THREADS STEPS`` answers every line ``{"do": ...}`` with one:
``train`` (steps), ``predict``, ``one`` and ``predict_one`` with the seconds of each, or null where the contestant has
no such thing; ``sgemm`` with operations per second, ``memory`` with the peak in bytes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["main", "sgemm_rate"]

_CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}


def main(contestant: str, task_name: str, threads: int, steps: int) -> None:
    """Serve until standard input ends; the first answer says how long the first epoch took from the process's start."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what frameworks print is not an answer
    _hold_threads(contestant, threads)
    from convolens.benchmarking.contestants import CONTESTANTS
    from convolens.benchmarking.tasks import TASKS

    make, _ = CONTESTANTS[contestant]
    network = make(TASKS[task_name], steps)
    network.train(steps)
    answers.write(json.dumps({"ready": time.time()}) + "\n")
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps({"value": _work(network, asked)}) + "\n")


def _hold_threads(contestant: str, threads: int) -> None:
    """Give every contestant the same number of threads."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CONVOLENS_THREADS"):
        os.environ[name] = str(threads)
    if contestant == "convolens":
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # its own threads do the work; idle ones would only spin
    if "PyTorch" in contestant:
        import torch

        torch.set_num_threads(threads)
    if "TensorFlow" in contestant:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    if "JAX" in contestant:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=true"


def _work(network: Any, asked: dict[str, Any]) -> float | None:
    if asked["do"] == "sgemm":
        return sgemm_rate(clock=_CLOCKS[asked["clock"]])
    if asked["do"] == "memory":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    if not hasattr(network, asked["do"]):
        return None
    times, clock = asked.get("times", 1), _CLOCKS[asked["clock"]]
    begin = clock()
    if asked["do"] == "train":
        network.train(times)
    else:
        work = getattr(network, asked["do"])
        for _ in range(times):
            work()
    return (clock() - begin) / times


def sgemm_rate(size: int = 2048, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the machine's operations per second on a float32 matrix product, with all threads of BLAS."""
    import numpy as np

    a = np.ones((size, size), np.float32)
    b = a @ a
    begin = clock()
    np.matmul(a, a, out=b)
    return 2 * size**3 / (clock() - begin)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
