"""The networks that are measured, and how many operations they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

import convolens as cl

__all__ = ["TASKS", "Task", "operations", "vgg_small"]


def vgg_small(api: Any = cl, input_shape: tuple[int, int, int] = (32, 32, 3), compile: bool = True) -> Any:
    """Return two pairs of 3x3 convolutions of 32 and 64 filters with pooling, and a dense layer of 512."""
    layers = api.layers
    inputs = x = api.Input(input_shape)
    for filters in (32, 64):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dense(512, activation="relu")(layers.Flatten()(x))
    model = api.Model(inputs, layers.Dense(10, activation="softmax")(x))
    if compile:
        model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@dataclass(frozen=True)
class Task:
    """A network and the batches it is trained on.

    Attributes:
        network: builds and compiles it with the API it is given.
        batch: images per step.
        shape: of an image.
        classes: how many; 2 are told apart by one probability.
    """

    network: Callable[..., Any]
    batch: int
    shape: tuple[int, int, int]
    classes: int

    def data(self, images: int) -> tuple[np.ndarray, np.ndarray]:
        """Return random images and labels: the work does not depend on what they show."""
        rng = np.random.default_rng(0)
        x = rng.random((images, *self.shape), dtype=np.float32)
        y = rng.integers(0, self.classes, images)
        return x, (y.astype(np.float32)[:, None] if self.classes == 2 else y)


TASKS = {
    "lenet5": Task(cl.zoo.lenet5, 128, (28, 28, 1), 10),
    "happy": Task(cl.zoo.happy_model, 16, (64, 64, 3), 2),
    "signs": Task(cl.zoo.convolutional_model, 64, (64, 64, 3), 6),
    "vgg_small": Task(vgg_small, 64, (32, 32, 3), 10),
}


def operations(model: Any, training: bool = True) -> int:
    """Return the additions and multiplications of convolutions and dense layers, per image.

    A train step is three times forward, without the first layer's gradient by its input.
    """
    forward = []
    for layer in model.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            positions = prod(layer.output.shape[1:3]) if len(kernel.shape) == 4 else 1
            forward.append(2 * prod(kernel.shape) * positions)
    return 3 * sum(forward) - forward[0] if training else sum(forward)
