"""The contestants: this library and the frameworks, each at its best setting, behind a few functions.

A contestant's ``train(steps)`` trains for so many batches, ``predict()`` predicts 256 images and ``one()`` a single
image by the shortest way; ``predict_one()``, where there is a ``predict``, does so by that. They run in the process of
``worker.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from convolens.benchmarking.tasks import Task

__all__ = ["CONTESTANTS", "PREDICTED", "installed"]

PREDICTED = 256


class _Networks:
    """What ``fit`` and ``predict`` of Keras's kind can do.

    Args:
        task: the network and its batches.
        api: ``convolens`` or ``keras``.
        train_steps: the steps of an epoch; ``train`` is asked for fewer, or for whole epochs.
    """

    def __init__(self, task: Task, api: Any, train_steps: int) -> None:
        self.task = task
        self.model = task.network(api)
        self.x, self.y = task.data(task.batch * train_steps)
        self.images, _ = task.data(PREDICTED)

    def train(self, steps: int) -> None:
        epochs = -(-steps * self.task.batch // len(self.x))
        count = min(steps * self.task.batch, len(self.x))
        self.model.fit(self.x[:count], self.y[:count], batch_size=self.task.batch, epochs=epochs, verbose=0)

    def predict(self) -> Any:
        return self.model.predict(self.images, batch_size=PREDICTED, verbose=0)

    def predict_one(self) -> Any:
        return self.model.predict(self.images[:1], verbose=0)


class Convolens(_Networks):
    """This library; one image by ``model(x)``."""

    def __init__(self, task: Task, kernels: str, train_steps: int) -> None:
        import convolens as cl

        cl.kernels.set(kernels)
        super().__init__(task, cl, train_steps)

    def one(self) -> Any:
        return self.model(self.images[:1])


class Keras(_Networks):
    """Keras on one of its engines; one image by ``model(x)`` too."""

    def __init__(self, task: Task, engine: str, train_steps: int) -> None:
        os.environ["KERAS_BACKEND"] = engine
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras

        super().__init__(task, keras, train_steps)

    def one(self) -> Any:
        import keras

        return keras.ops.convert_to_numpy(self.model(self.images[:1], training=False))


class PyTorch:
    """PyTorch, eager, with fused Adam; batches are cut beforehand, one image under ``inference_mode``."""

    def __init__(self, task: Task, layout: str, train_steps: int) -> None:
        import torch

        self.torch = torch
        order = torch.channels_last if layout == "channels_last" else torch.contiguous_format
        self.net = _torch_network(torch, task.network()).to(memory_format=order)
        self.loss = torch.nn.BCEWithLogitsLoss() if task.classes == 2 else torch.nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(self.net.parameters(), fused=True)

        def tensor(images: np.ndarray) -> Any:
            return torch.tensor(images).permute(0, 3, 1, 2).contiguous(memory_format=order)

        x, y = task.data(task.batch * 4)
        cut = [slice(start, start + task.batch) for start in range(0, len(x), task.batch)]
        self.batches = [(tensor(x[at]), torch.tensor(y[at])) for at in cut]
        self.images = tensor(task.data(PREDICTED)[0])
        self.single = self.images[:1].contiguous(memory_format=order)

    def train(self, steps: int) -> None:
        self.net.train()
        for step in range(steps):
            x, y = self.batches[step % len(self.batches)]
            self.optimizer.zero_grad()
            loss = self.loss(self.net(x), y)
            loss.backward()
            self.optimizer.step()
            loss.item()

    def predict(self) -> Any:
        return self._infer(self.images)

    def one(self) -> Any:
        return self._infer(self.single)

    def _infer(self, images: Any) -> Any:
        self.net.eval()
        with self.torch.inference_mode():
            return self.net(images)


def _torch_network(torch: Any, model: Any) -> Any:
    """Return a network of this library as PyTorch modules, without the last activation."""
    nn, modules, channels = torch.nn, [], model.inputs[0].shape[-1]
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "ZeroPadding2D":
            (top, bottom), (left, right) = layer.padding
            modules.append(nn.ZeroPad2d((left, right, top, bottom)))
        elif kind == "Conv2D":
            if layer.padding == "same":
                (kh, kw) = layer.kernel_size
                modules.append(nn.ZeroPad2d(((kw - 1) // 2, kw // 2, (kh - 1) // 2, kh // 2)))
            modules.append(nn.Conv2d(channels, layer.filters, layer.kernel_size, layer.strides))
            if layer.padding == "same" and layer.kernel_size[0] % 2:  # one operation less where PyTorch can
                modules[-2:] = [nn.Conv2d(channels, layer.filters, layer.kernel_size, padding="same")]
            channels = layer.filters
        elif kind == "BatchNormalization":
            modules.append(nn.BatchNorm2d(channels, layer.epsilon))
        elif kind == "MaxPooling2D":
            modules.append(nn.MaxPool2d(layer.pool_size, layer.strides, ceil_mode=layer.padding == "same"))
        elif kind == "Flatten":
            modules.append(nn.Flatten())
        elif kind == "Dense":
            modules.append(nn.Linear(layer.kernel.shape[0], layer.units))
        if kind == "ReLU" or (kind in ("Conv2D", "Dense") and layer.activation.name == "relu"):
            modules.append(nn.ReLU())
    return nn.Sequential(*modules)


CONTESTANTS: dict[str, tuple[Callable[[Task, int], Any], tuple[str, ...]]] = {
    "convolens": (lambda task, steps: Convolens(task, "compiled", steps), ("numba",)),
    "convolens (NumPy only)": (lambda task, steps: Convolens(task, "vectorized", steps), ()),
    "PyTorch": (lambda task, steps: PyTorch(task, "default", steps), ("torch",)),
    "PyTorch (channels last)": (lambda task, steps: PyTorch(task, "channels_last", steps), ("torch",)),
    "Keras on TensorFlow": (lambda task, steps: Keras(task, "tensorflow", steps), ("keras", "tensorflow")),
    "Keras on JAX": (lambda task, steps: Keras(task, "jax", steps), ("keras", "jax")),
    "Keras on PyTorch": (lambda task, steps: Keras(task, "torch", steps), ("keras", "torch")),
}


def installed() -> list[str]:
    """Return the contestants whose packages are here."""
    return [name for name, (_, needs) in CONTESTANTS.items() if all(find_spec(package) for package in needs)]
