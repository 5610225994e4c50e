"""Train a model of this library on Keras: same weights at the start, same batches in the same order, same callbacks.

The model's twin in Keras does the steps. After every epoch its weights and its optimiser's state come back, so that
callbacks, checkpoints and whatever is saved are those of the model itself.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from convolens import random as random_source
from convolens.training import callbacks as callback_module
from convolens.training.batches import Batch, make_batches
from convolens.training.trainer import Progress

from .cluster import Cluster, Placement, connect
from .keras import copy_weights_from_keras, to_keras

__all__ = ["fit_on_keras"]


def fit_on_keras(
    model: Any,
    x: Any,
    y: Any,
    *,
    batch_size: int = 32,
    epochs: int = 1,
    verbose: str | int = "auto",
    callbacks: Sequence[Any] = (),
    validation_data: Any = None,
    shuffle: bool = True,
    cluster: Cluster | None = None,
) -> Any:
    """Train a compiled model on Keras, as its own ``fit`` would, and return the ``History``.

    Layers that draw random numbers draw others than here; all else is the same up to rounding.

    Args:
        model: a compiled model; it ends with the trained weights and the optimiser's state.
        x, y, batch_size, epochs, verbose, callbacks, validation_data, shuffle: as in ``fit``.
        cluster: the devices that share each batch; one if None. Every process calls this with the same arguments;
            callbacks run in each.

    Raises:
        ValueError: if the model cannot be expressed in Keras, or a batch does not divide among the devices.
        FloatingPointError: if the loss is NaN or infinite.
        ConnectionError: if a process of the cluster is lost.
        ImportError: if Keras is not installed.
    """
    placement = connect(cluster or Cluster())
    if batch_size % placement.devices:
        raise ValueError(f"batch_size is {batch_size}, which does not divide among {placement.devices} devices.")
    batches: Any = make_batches(model, x, y, batch_size=batch_size, shuffle=shuffle)
    held_out: Any = None if validation_data is None else make_batches(model, *validation_data, batch_size=batch_size)
    model.progress = Progress(random_source.next_seed())
    model.stop_training = False
    watchers = callback_module.CallbackList(
        list(callbacks), add_history=True, add_progbar=verbose != 0, model=model, verbose=verbose, epochs=epochs,
        steps=len(batches),
    )  # fmt: skip
    logs: dict[str, float] = {}
    watchers.on_train_begin()  # may restore a checkpoint
    try:
        with placement.watched(), placement.scope():
            twin = _Twin(model, placement)
            for epoch in range(model.progress.epoch, epochs):
                model.progress.epoch = epoch
                watchers.on_epoch_begin(epoch)
                logs = twin.train(batches, watchers)
                if held_out is not None:
                    logs |= {f"val_{name}": value for name, value in twin.evaluate(held_out).items()}
                twin.bring_back()
                model.progress.batch, model.progress.epoch = 0, epoch + 1
                logs = dict(sorted(logs.items()))
                watchers.on_epoch_end(epoch, logs)
                if model.stop_training:
                    break
        placement.leave()
    finally:
        watchers.on_train_end(logs)
    return watchers.history


class _Twin:
    """The model in Keras, on the devices of a cluster."""

    def __init__(self, model: Any, placement: Placement) -> None:
        self.model, self.placement = model, placement
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_weights)
        self._agree()
        placement.keras.utils.set_random_seed(model.progress.seed % 2**32)
        self.keras_model = to_keras(model)
        self.seeds = [v for v in self.keras_model.variables if v.name == "seed_generator_state"]

    def _agree(self) -> None:
        """Let every process begin with what process 0 has restored."""
        if self.placement.cluster.processes == 1:
            return
        model = self.model
        progress = np.array([model.progress.seed, model.progress.epoch, model.progress.step], np.int64)
        variables = [*model.weights, *model.optimizer.variables]
        # As bytes, because JAX would narrow 64-bit numbers.
        arrays = [np.frombuffer(array.tobytes(), np.uint8) for array in [progress, *(v.value for v in variables)]]
        first, *others = self.placement.from_chief(arrays)
        seed, epoch, step = np.frombuffer(np.asarray(first).tobytes(), np.int64).tolist()
        model.progress = Progress(seed, epoch, 0, step)
        for variable, array in zip(variables, others, strict=True):
            raw = np.frombuffer(np.asarray(array).tobytes(), variable.value.dtype)
            variable.assign(raw.reshape(variable.shape))

    def train(self, batches: Any, watchers: Any) -> dict[str, float]:
        """Do the steps of an epoch and return the means."""
        progress, means = self.model.progress, _Means()
        for number, state in enumerate(self.seeds):
            # The counter counts steps, so that a resumed run draws what an undisturbed one would.
            state.assign(np.array([(progress.seed + number) % 2**32, progress.step], np.uint32))
        for batch in batches.epoch(progress.seed, progress.epoch, progress.batch):
            watchers.on_train_batch_begin(progress.batch)
            logs = self._run(self.keras_model.train_on_batch, batch)
            if not math.isfinite(logs["loss"]):
                raise FloatingPointError(
                    f"the loss is {logs['loss']} in epoch {progress.epoch + 1}, batch {progress.batch + 1}."
                )
            means.add(logs, len(batch.x[0]))
            done = progress.batch
            progress.batch += 1
            progress.step += 1
            watchers.on_train_batch_end(done, means.result())
        return means.result()

    def evaluate(self, batches: Any) -> dict[str, float]:
        """Return the means over all batches, without training."""
        means = _Means()
        for batch in batches.epoch():
            means.add(self._run(self.keras_model.test_on_batch, batch), len(batch.x[0]))
        return means.result()

    def _run(self, step: Any, batch: Batch) -> dict[str, float]:
        # Copies: the next batch overwrites this one, and a backend may still read it then.
        x, y = ([self.placement.share(np.array(array)) for array in arrays] for arrays in (batch.x, batch.y or []))
        # Some of Keras's backends warn about what is no concern of the caller.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            logs = step(x if len(x) > 1 else x[0], y if len(y) > 1 else y[0], return_dict=True)
        return {name: float(value) for name, value in logs.items()}

    def bring_back(self) -> None:
        """Copy weights and the optimiser's state into the model."""
        copy_weights_from_keras(self.keras_model, self.model)
        for ours, theirs in zip(self.model.optimizer.variables, self.keras_model.optimizer.variables, strict=True):
            ours.assign(np.asarray(theirs))


class _Means:
    """Means over the samples of several batches."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.samples = 0

    def add(self, logs: dict[str, float], samples: int) -> None:
        """Take in the means of a batch."""
        self.samples += samples
        for name, value in logs.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * samples

    def result(self) -> dict[str, float]:
        """Return the means so far."""
        return {name: total / self.samples for name, total in self.sums.items()}
