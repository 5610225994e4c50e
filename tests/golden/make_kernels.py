"""Make ``kernels.npz`` and ``kernels.json``: values and gradients of real Keras (TensorFlow) and PyTorch, in float64.

Run with an interpreter that has keras, tensorflow-cpu and torch: ``python tests/golden/make_kernels.py``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")

import keras
import numpy as np
import tensorflow as tf
import torch

RNG = np.random.default_rng(20261121)
Arrays = dict[str, np.ndarray]

CONVOLUTIONS = [  # shape of x, shape of w, options
    ((2, 5, 6, 2), (3, 2, 2, 3), {"padding": "valid"}),
    ((2, 5, 6, 2), (2, 4, 2, 3), {"padding": "same"}),
    ((2, 7, 8, 2), (3, 4, 2, 3), {"padding": "same", "strides": (2, 3)}),
    ((2, 8, 7, 2), (3, 2, 2, 3), {"padding": "same", "dilation": (2, 3)}),
    ((2, 9, 8, 1), (2, 3, 1, 2), {"padding": "valid", "dilation": (3, 2)}),
    ((1, 4, 4, 3), (1, 1, 3, 2), {"padding": "same", "strides": (3, 3)}),
]
GROUPED = [
    ((2, 6, 5, 4), (3, 2, 2, 6), {"padding": ((1, 1), (2, 2)), "groups": 2, "strides": (2, 1), "dilation": (1, 2)}),
    ((2, 5, 5, 3), (3, 3, 1, 3), {"padding": ((0, 0), (1, 1)), "groups": 3}),
]
DEPTHWISE = [
    ((2, 5, 6, 3), (3, 3, 3, 2), {"padding": "same"}),
    ((2, 7, 6, 2), (3, 2, 2, 1), {"padding": "same", "strides": (2, 2)}),
    ((2, 7, 6, 2), (2, 3, 2, 3), {"padding": "valid", "dilation": (2, 2)}),
]
TRANSPOSED = [
    ((2, 3, 4, 2), (3, 2, 3, 2), {"padding": "valid"}),
    ((2, 3, 4, 2), (3, 3, 3, 2), {"padding": "same", "strides": (2, 2)}),
    ((2, 3, 4, 2), (4, 5, 3, 2), {"padding": "same", "strides": (3, 2)}),
    ((2, 3, 4, 2), (2, 1, 3, 2), {"padding": "valid", "strides": (3, 2)}),
    ((2, 3, 4, 2), (2, 1, 3, 2), {"padding": "same", "strides": (3, 2)}),
    ((2, 3, 4, 2), (3, 3, 3, 2), {"padding": "valid", "strides": (3, 3), "output_padding": (1, 2)}),
    ((2, 3, 4, 2), (3, 5, 3, 2), {"padding": "same", "strides": (3, 3), "output_padding": (1, 0)}),
]
DILATED_TRANSPOSED = [  # TensorFlow has no dilated transposed convolution on the CPU
    ((2, 3, 4, 2), (3, 2, 3, 2), {"padding": ((0, 0), (0, 0)), "dilation": (2, 3)}),
    ((2, 5, 4, 2), (3, 2, 3, 2), {"padding": ((1, 1), (2, 2)), "dilation": (2, 3), "strides": (2, 3)}),
    ((2, 3, 4, 2), (3, 3, 3, 2), {"padding": ((1, 1), (0, 0)), "strides": (2, 3), "output_padding": (1, 2)}),
]
POOLINGS = [
    ((2, 6, 5, 2), {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid"}),
    ((2, 6, 5, 2), {"pool_size": (2, 2), "strides": (2, 2), "padding": "same"}),
    ((2, 7, 8, 2), {"pool_size": (3, 4), "strides": (2, 3), "padding": "same"}),
    ((2, 7, 8, 2), {"pool_size": (4, 3), "strides": (1, 2), "padding": "valid"}),
]
NORMALIZATIONS = [
    ((4, 3, 2, 5), {"axis": -1, "training": True}),
    ((4, 3, 2, 5), {"axis": 1, "training": True, "epsilon": 0.1}),
    ((4, 3, 2, 5), {"axis": -1, "training": False}),
    ((6, 4), {"axis": -1, "training": True}),
]


def random(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def keras_case(function: Any, arrays: Arrays) -> Arrays:
    """Run the function on TensorFlow variables; return inputs, output and gradients by name."""
    variables = {name: tf.Variable(value) for name, value in arrays.items()}
    with tf.GradientTape() as tape:
        y = function(**variables)
        dy = random(*y.shape)
        loss = tf.reduce_sum(y * dy)
    gradients = tape.gradient(loss, variables)
    found = {f"d{name}": g.numpy() for name, g in gradients.items() if g is not None}
    return {**arrays, "y": y.numpy(), "dy": dy, **found}


def torch_case(function: Any, arrays: Arrays) -> Arrays:
    """Run the function on PyTorch tensors; return inputs, output and gradients by name."""
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in arrays.items()}
    y = function(**tensors)
    dy = random(*y.shape)
    y.backward(torch.tensor(dy))
    found = {f"d{name}": tensor.grad.numpy() for name, tensor in tensors.items()}
    return {**arrays, "y": y.detach().numpy(), "dy": dy, **found}


def keras_convolution(operation: Any, options: dict[str, Any]) -> Any:
    named = {"dilation_rate" if name == "dilation" else name: value for name, value in options.items()}
    return lambda x, w, b: operation(x, w, data_format="channels_last", **named) + b


def keras_transposed(shape: tuple[int, ...], options: dict[str, Any]) -> Any:
    named = {"dilation_rate" if name == "dilation" else name: value for name, value in options.items()}
    layer = keras.layers.Conv2DTranspose(shape[2], shape[:2], use_bias=False, dtype="float64", **named)

    def function(x: Any, w: Any, b: Any) -> Any:
        if not layer.built:
            layer.build(x.shape)
        return layer.stateless_call([w], [], x)[0] + b

    return function


def torch_convolution(options: dict[str, Any]) -> Any:
    (vertical, _), (horizontal, _) = options["padding"]

    def function(x: Any, w: Any, b: Any) -> Any:
        y = torch.nn.functional.conv2d(
            x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), b, options.get("strides", 1), (vertical, horizontal),
            options.get("dilation", 1), options["groups"],
        )  # fmt: skip
        return y.permute(0, 2, 3, 1)

    return function


def torch_transposed(options: dict[str, Any]) -> Any:
    (vertical, _), (horizontal, _) = options["padding"]

    def function(x: Any, w: Any, b: Any) -> Any:
        y = torch.nn.functional.conv_transpose2d(
            x.permute(0, 3, 1, 2), w.permute(3, 2, 0, 1), b, options.get("strides", 1), (vertical, horizontal),
            options.get("output_padding", 0), 1, options.get("dilation", 1),
        )  # fmt: skip
        return y.permute(0, 2, 3, 1)

    return function


def torch_max_pool(options: dict[str, Any]) -> Any:
    return lambda x: torch.nn.functional.max_pool2d(
        x.permute(0, 3, 1, 2), options["pool_size"], options["strides"]
    ).permute(0, 2, 3, 1)


def keras_normalization(options: dict[str, Any], mean: np.ndarray, variance: np.ndarray) -> Any:
    epsilon = options.get("epsilon", 1e-3)
    layer = keras.layers.BatchNormalization(axis=options["axis"], epsilon=epsilon, dtype="float64")

    def function(x: Any, gamma: Any, beta: Any) -> Any:
        if not layer.built:
            layer.build(x.shape)
        return layer.stateless_call([gamma, beta], [mean, variance], x, training=options["training"])[0]

    return function


def cases() -> list[tuple[str, str, dict[str, Any], Arrays]]:
    """Return (source, operation, options, arrays) of every case."""
    found: list[tuple[str, str, dict[str, Any], Arrays]] = []
    for x, w, options in CONVOLUTIONS:
        arrays = {"x": random(*x), "w": random(*w), "b": random(w[3])}
        found.append(("keras", "conv2d", options, keras_case(keras_convolution(keras.ops.conv, options), arrays)))
    for x, w, options in GROUPED:
        arrays = {"x": random(*x), "w": random(*w), "b": random(w[3])}
        found.append(("torch", "conv2d", options, torch_case(torch_convolution(options), arrays)))
    for x, w, options in DEPTHWISE:
        arrays = {"x": random(*x), "w": random(*w), "b": random(w[2] * w[3])}
        function = keras_convolution(keras.ops.depthwise_conv, options)
        found.append(("keras", "depthwise_conv2d", options, keras_case(function, arrays)))
    for x, w, options in TRANSPOSED:
        arrays = {"x": random(*x), "w": random(*w), "b": random(w[2])}
        found.append(("keras", "conv2d_transpose", options, keras_case(keras_transposed(w, options), arrays)))
    for x, w, options in DILATED_TRANSPOSED:
        arrays = {"x": random(*x), "w": random(*w), "b": random(w[2])}
        found.append(("torch", "conv2d_transpose", options, torch_case(torch_transposed(options), arrays)))
    for x, options in POOLINGS:
        for tied in (False, True):
            arrays = {"x": np.round(random(*x)) if tied else random(*x)}
            found.append(("keras", "max_pool2d", options, keras_case(
                lambda x, o=options: keras.ops.max_pool(x, data_format="channels_last", **o), arrays)))  # fmt: skip
            if options["padding"] == "valid":
                found.append(("torch", "max_pool2d", options, torch_case(torch_max_pool(options), arrays)))
        found.append(("keras", "average_pool2d", options, keras_case(
            lambda x, o=options: keras.ops.average_pool(x, data_format="channels_last", **o), arrays)))  # fmt: skip
    for x, options in NORMALIZATIONS:
        c = x[options["axis"]]
        mean, variance = random(c), random(c) ** 2
        arrays = {"x": random(*x), "gamma": random(c), "beta": random(c)}
        case = keras_case(keras_normalization(options, mean, variance), arrays)
        found.append(("keras", "batch_normalization", options, {**case, "mean": mean, "variance": variance}))
    return found


def main() -> None:
    folder = Path(__file__).parent
    listed, stored = [], {}
    for number, (source, operation, options, arrays) in enumerate(cases()):
        listed.append({"source": source, "operation": operation, "options": options})
        stored.update({f"{number}/{name}": value for name, value in arrays.items()})
    versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "torch": torch.__version__}
    (folder / "kernels.json").write_text(json.dumps({"versions": versions, "cases": listed}, indent=1) + "\n")
    np.savez_compressed(folder / "kernels.npz", **stored)


if __name__ == "__main__":
    main()
