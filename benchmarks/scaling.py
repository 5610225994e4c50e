"""How much faster training on Keras and JAX becomes when virtual CPU devices share each batch.

    KERAS_BACKEND=jax python benchmarks/scaling.py 1 2

Prints, per number of devices, the images per second in the faster half of the steps (after compilation) and the speed
relative to the first number. LeNet-5, batches of 256 drawn images. Needs Keras and JAX.
"""

from __future__ import annotations

import os
import subprocess
import sys

BATCH, STEPS = 256, 40


def measure(devices: int) -> float:
    """Return images per second with so many virtual devices, in a process of its own."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    words = [sys.executable, __file__, "--here", str(devices)]
    return float(subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout.split()[-1])


def here(devices: int) -> float:
    """Train LeNet-5 on drawn numbers and return images per second."""
    import time

    import numpy as np

    import convolens as cl
    from convolens.bridges.cluster import Cluster
    from convolens.bridges.engine import fit_on_keras

    rng = np.random.default_rng(0)
    x = rng.random((BATCH * STEPS, 28, 28, 1), np.float32)
    y = rng.integers(0, 10, len(x))
    at: list[float] = []
    watch = cl.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: at.append(time.perf_counter()))
    cluster = Cluster(devices=devices)
    fit_on_keras(cl.zoo.lenet5(), x, y, batch_size=BATCH, verbose=0, callbacks=[watch], cluster=cluster)
    steps = np.sort(np.diff(at)[1:])
    return BATCH / steps[: len(steps) // 2].mean()


if __name__ == "__main__":
    if sys.argv[1] == "--here":
        print(here(int(sys.argv[2])))
    else:
        counts = [int(word) for word in sys.argv[1:]] or [1, 2]
        speeds = [measure(count) for count in counts]
        for count, speed in zip(counts, speeds, strict=True):
            print(f"{count} devices: {speed:,.0f} images/s, {speed / speeds[0]:.2f} times the first")
