"""Where a train step's time goes: milliseconds, rate and share of the machine's limit for each part of the network."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import convolens as cl
from convolens.benchmarking.tasks import TASKS, operations
from convolens.benchmarking.worker import sgemm_rate

__all__ = ["growth", "profile"]


def profile(task: str, repeats: int = 20) -> dict[str, Any]:
    """Time each stage of a task's train step, on one thread so that times add up.

    Returns:
        ``rows`` with ``part``, ``forward`` and ``backward`` in milliseconds, ``rate`` in operations per second and
        ``share`` of ``sgemm``, the rate of BLAS on the same thread; ``step`` is the whole of ``train_on_batch``.
    """
    from threadpoolctl import threadpool_limits

    threads = cl.config.get_num_threads()
    cl.config.set_num_threads(1)
    try:
        with threadpool_limits(1), cl.kernels.use("compiled"):
            return _profile(task, repeats)
    finally:
        cl.config.set_num_threads(threads)


def _profile(task: str, repeats: int) -> dict[str, Any]:
    model, (x, y) = TASKS[task].network(), TASKS[task].data(TASKS[task].batch)
    model.train_on_batch(x, y)
    plan = model.plan_for([x.shape], training=True, gradients="parameters")
    segment = plan.steps[0].forward.__self__
    times: dict[tuple[int, str], float] = {}
    for number, stage in enumerate(segment.stages):
        for name in ("prepare", "forward", "gather", "settle"):
            _clocked(stage, name, times, (number, "forward"))
        for name in (
            "prepare_backward",
            "gather_backward",
            "settle_backward",
            "backward",
            "finish",
            "finish_part",
            "gradients",
        ):
            _clocked(stage, name, times, (number, "backward"))
    outside: dict[tuple[int, str], float] = {}
    _clocked(model.optimizer, "step", outside, (0, "optimiser"))
    begin = time.perf_counter()
    for _ in range(repeats):
        model.train_on_batch(x, y)
    step = (time.perf_counter() - begin) / repeats
    limit = max(sgemm_rate(1024) for _ in range(5))
    rows = []
    for number, stage in enumerate(segment.stages):
        forward, backward = (times.get((number, kind), 0.0) / repeats for kind in ("forward", "backward"))
        factor = 2 if number == 0 else 3
        work = 2 * stage.products * len(x) * factor
        rows.append(
            {
                "part": " + ".join(stage.words),
                "forward": 1e3 * forward,
                "backward": 1e3 * backward,
                "rate": work / (forward + backward),
                "share": work / (forward + backward) / limit,
            }
        )
    rest = step - sum(times.values()) / repeats - outside[0, "optimiser"] / repeats
    rows.append({"part": "optimiser", "forward": 0.0, "backward": 1e3 * outside[0, "optimiser"] / repeats})
    rows.append({"part": "images in, loss, metrics, the rest", "forward": 1e3 * rest, "backward": 0.0})
    total = operations(model) * len(x)
    return {"task": task, "rows": rows, "step": 1e3 * step, "sgemm": limit, "share": total / step / limit}


def _clocked(owner: Any, name: str, times: dict[tuple[int, str], float], key: tuple[int, str]) -> None:
    """Have a method add the time it takes to ``times[key]``."""
    work = getattr(owner, name)

    def clocked(*args: Any, **options: Any) -> Any:
        begin = time.perf_counter()
        result = work(*args, **options)
        times[key] = times.get(key, 0.0) + time.perf_counter() - begin
        return result

    setattr(owner, name, clocked)


def growth(say: Any = lambda text: None, repeats: int = 5) -> dict[str, list[dict[str, float]]]:
    """Time a train step of a convolution with pooling and a dense layer against batch, image size, channels, threads.

    Returns:
        For each of ``batch``, ``size``, ``channels`` and ``threads`` the points ``{"value", "seconds"}``, seconds per
        image.
    """
    usual = {"batch": 64, "size": 32, "channels": 16, "threads": cl.config.get_num_threads()}
    ranges = {
        "batch": (1, 2, 4, 8, 16, 32, 64, 128, 256),
        "size": (8, 16, 32, 64, 128),
        "channels": (1, 2, 4, 8, 16, 32, 64),
        "threads": tuple(range(1, usual["threads"] + 1)),
    }
    threads = cl.config.get_num_threads()
    found: dict[str, list[dict[str, float]]] = {}
    try:
        for name, values in ranges.items():
            found[name] = []
            for value in values:
                one = {**usual, name: value}
                cl.config.set_num_threads(one["threads"])
                found[name].append({"value": value, "seconds": _seconds_per_image(repeats, **one)})
            say(f"{name}: " + ", ".join(f"{p['value']}: {1e6 * p['seconds']:.1f} us" for p in found[name]))
    finally:
        cl.config.set_num_threads(threads)
    return found


def _seconds_per_image(repeats: int, batch: int, size: int, channels: int, threads: int) -> float:
    layers = cl.layers
    model = cl.Sequential(
        [
            cl.Input((size, size, channels)),
            layers.Conv2D(channels, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x, y = rng.random((batch, size, size, channels), dtype=np.float32), rng.integers(0, 10, batch)
    model.train_on_batch(x, y)
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        model.train_on_batch(x, y)
        times.append(time.perf_counter() - begin)
    return min(times) / batch
