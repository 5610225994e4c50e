"""The devices that share each batch: one, all of a machine, or those of several machines. On Keras and JAX alone."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .extras import needed
from .keras import import_keras

__all__ = ["Cluster", "Placement", "connect"]

#: A worker that is silent for so long is lost; JAX's default is 100 s.
_HEARTBEAT_SECONDS = 20
_CONNECT_SECONDS = 60


@dataclass(frozen=True)
class Cluster:
    """Who takes part in a training.

    Attributes:
        devices: how many devices of this machine; all if None and there are several processes, else one.
        coordinator: ``host:port`` of process 0, if there are several processes.
        processes: how many.
        process_id: which one this is; 0 writes the run's folder.
    """

    devices: int | None = None
    coordinator: str | None = None
    processes: int = 1
    process_id: int = 0

    def __post_init__(self) -> None:
        host, _, port = (self.coordinator or "localhost:1").rpartition(":")
        checks = [
            (self.devices is None or self.devices >= 1, f"devices is {self.devices}; expected at least 1"),
            (self.processes >= 1, f"processes is {self.processes}; expected at least 1"),
            (
                0 <= self.process_id < self.processes,
                f"process_id is {self.process_id}; with {self.processes} processes expected 0 to {self.processes - 1}",
            ),
            (host and port.isdigit(), f"coordinator is {self.coordinator!r}; expected HOST:PORT"),
            (
                (self.processes > 1) == (self.coordinator is not None),
                "several processes need the coordinator's HOST:PORT and their number, a single one neither",
            ),
        ]
        for fits, message in checks:
            if not fits:
                raise ValueError(f"{message}.")

    @property
    def is_distributed(self) -> bool:
        """Whether batches are shared out."""
        return self.processes > 1 or self.devices is not None

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's folder."""
        return self.process_id == 0


class Placement:
    """Where arrays lie: weights on every device, batches in equal shares.

    A last batch that does not divide is given whole to every device: the result is the same, batch normalisation
    included.

    Args:
        cluster: who takes part.
        keras: the Keras in use.
    """

    def __init__(self, cluster: Cluster, keras: Any) -> None:
        self.cluster, self.keras = cluster, keras
        self.distribution: Any = None
        self.devices, self.whole = 1, False
        if not cluster.is_distributed:
            return
        jax = needed("jax", None, "training on several devices")
        here = jax.local_device_count()
        if cluster.devices is not None and cluster.devices > here:
            raise ValueError(f"devices is {cluster.devices}; this machine has {here}: {jax.local_devices()}.")
        each = cluster.devices or here
        chosen = [device for process in range(cluster.processes) for device in _devices_of(jax, process)[:each]]
        self.devices = len(chosen)
        placement = self

        class SharedBatches(keras.distribution.DataParallel):
            """Data parallelism that leaves a batch whole where it does not divide."""

            def get_data_layout(self, data_shape: Any) -> Any:
                if not placement.whole:
                    return super().get_data_layout(data_shape)
                return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)

        names = [f"{device.platform}:{device.id}" for device in chosen]
        self.distribution = SharedBatches(devices=names, auto_shard_dataset=False)

    def scope(self) -> Any:
        """Return the context in which Keras places variables and batches."""
        return contextlib.nullcontext() if self.distribution is None else self.distribution.scope()

    def share(self, array: np.ndarray) -> np.ndarray:
        """Return this process's part of a batch's array; afterwards Keras shares it out among its devices."""
        self.whole = len(array) % self.devices != 0
        if self.whole:
            return array
        size = len(array) // self.cluster.processes
        return array[self.cluster.process_id * size : (self.cluster.process_id + 1) * size]

    def from_chief(self, values: Any) -> Any:
        """Return what process 0 has, on every process."""
        if self.cluster.processes == 1:
            return values
        from jax.experimental import multihost_utils

        return multihost_utils.broadcast_one_to_all(values)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Turn the failure of a collective operation into an error that says what to do.

        Raises:
            ConnectionError: if a worker was lost.
        """
        try:
            yield
        except Exception as error:
            if self.cluster.processes == 1 or type(error).__name__ not in ("JaxRuntimeError", "XlaRuntimeError"):
                raise
            atexit.register(_exit_at_once)
            raise ConnectionError(
                f"process {self.cluster.process_id} of {self.cluster.processes} lost another one in mid-training. "
                f"Start all again with --resume; the run goes on from its last checkpoint. ({_brief(error)})"
            ) from error

    def leave(self) -> None:
        """Part from the other processes, once all are done."""
        if self.cluster.processes > 1:
            needed("jax", None, "training on several devices").distributed.shutdown()


def _exit_at_once() -> None:
    """End without JAX's own farewell, which would wait for the lost process and then abort."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _devices_of(jax: Any, process: int) -> list[Any]:
    return [device for device in jax.devices() if device.process_index == process]


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def connect(cluster: Cluster) -> Placement:
    """Join the processes of a cluster, before anything else uses JAX, and say where arrays lie.

    Raises:
        ValueError: if several devices are asked of a backend other than JAX, or this machine has fewer.
        ConnectionError: if the processes do not find each other within a minute.
        ImportError: if Keras, or JAX where it is needed, is not installed.
    """
    purpose = "--engine keras"
    if not cluster.is_distributed:
        return Placement(cluster, import_keras(purpose))
    if os.environ.get("KERAS_BACKEND") != "jax":
        raise ValueError("training on several devices runs on JAX: set the environment variable KERAS_BACKEND=jax.")
    jax = needed("jax", None, "training on several devices")
    # Virtual devices share a pool of threads; steps that overlap there can wait for each other for ever.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    if cluster.processes > 1:
        try:
            jax.distributed.initialize(
                cluster.coordinator,
                cluster.processes,
                cluster.process_id,
                initialization_timeout=_CONNECT_SECONDS,
                coordinator_bind_address=cluster.coordinator,  # else it would listen on every address
                heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=_HEARTBEAT_SECONDS,
            )
        except RuntimeError as error:
            raise ConnectionError(
                f"process {cluster.process_id} of {cluster.processes} did not find the others at {cluster.coordinator} "
                f"within {_CONNECT_SECONDS} s: {_brief(error)}"
            ) from error
    return Placement(cluster, import_keras(purpose))
