"""A callback that keeps what every layer made of a few images, epoch by epoch."""

from __future__ import annotations

from typing import Any

import numpy as np

from convolens.training.callbacks.base import Callback

__all__ = ["Recorder"]


class Recorder(Callback):
    """Records how layers see a few given images while the model learns.

    Args:
        x: the images (whatever the model takes), a few of them.
        y: their targets, to record the loss too.
        every: record every so many epochs.

    Attributes:
        epochs: one dictionary per record; the first is made before training, as epoch 0:

            - ``"epoch"``: how many epochs were done.
            - ``"logs"``: the epoch's loss and metrics.
            - ``"loss"``: the loss of the given images, or None without ``y``.
            - ``"outputs"``: the output of every layer, by name; of its last call if it is shared.
            - ``"d_outputs"``: the gradients of the loss by these outputs, or None without ``y``.
            - ``"parameters"``: copies of all parameters, by layer and parameter name.
            - ``"dead_relu"``: for every layer that ends in a ReLU, the share of its channels that are 0 at every
              position of every image.
            - ``"update_ratio"``: by layer and parameter name, the norm of the change since the record before over the
              norm there: ``|w - w_before| / |w_before|``. Empty in the first record.
    """

    def __init__(self, x: Any, y: Any = None, every: int = 1) -> None:
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(f"every is a positive number of epochs; got {every!r}.")
        self.x = x
        self.y = y
        self.every = every
        self.epochs: list[dict[str, Any]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Record the model as it is before training."""
        self.epochs = []
        self._record(self.model.progress.epoch, {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record this epoch if it is due."""
        if (epoch + 1) % self.every == 0:
            self._record(epoch + 1, dict(logs or {}))

    def _record(self, epoch: int, logs: dict[str, Any]) -> None:
        trace = self.model.trace(self.x, self.y)
        parameters = {step.layer.name: dict(step.parameters) for step in trace if step.parameters}
        before = self.epochs[-1]["parameters"] if self.epochs else {}
        self.epochs.append(
            {
                "epoch": epoch,
                "logs": logs,
                "loss": trace.loss,
                "outputs": {step.layer.name: step.output for step in trace},
                "d_outputs": {step.layer.name: step.d_output for step in trace},
                "parameters": parameters,
                "dead_relu": {
                    step.layer.name: _share_of_dead_channels(step.output) for step in trace if _ends_in_relu(step.layer)
                },
                "update_ratio": {
                    layer: {name: _change(w, before[layer][name]) for name, w in parameters[layer].items()}
                    for layer in before
                },
            }
        )


def _ends_in_relu(layer: Any) -> bool:
    activation = getattr(layer, "activation", None)
    return type(layer).__name__ == "ReLU" or getattr(activation, "name", None) == "relu"


def _share_of_dead_channels(output: np.ndarray) -> float:
    alive = np.any(output != 0, axis=tuple(range(output.ndim - 1)))
    return float(1 - alive.mean())


def _change(now: np.ndarray, before: np.ndarray) -> float:
    norm = float(np.linalg.norm(before))
    change = float(np.linalg.norm(now - before))
    return change / norm if norm else float("inf") if change else 0.0
