"""Write ``tests/golden/kernels.json``: what the library's reference loops compute in float64, for the engine's tests.

Run from the repository's root: ``.venv/bin/python web/scripts/make_golden.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from convolens.kernels import geometry, reference

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "kernels.json"
rng = np.random.default_rng(20)
cases: list[dict[str, Any]] = []


def array(*shape: int) -> np.ndarray:
    """Return numbers on a grid of 1/64, so that ties occur and the file stays short."""
    return np.round(rng.normal(size=shape) * 64) / 64


def packed(x: np.ndarray | None, batch: bool = False) -> dict[str, Any] | None:
    """Return an array as its shape and numbers, without the batch axis of one."""
    if x is None:
        return None
    x = x[0] if batch else x
    return {"shape": list(x.shape), "data": [float(value) for value in np.ravel(x)]}


def add(name: str, cls: str, options: dict[str, Any], x: np.ndarray, parameters: dict[str, Any], run: Any) -> None:
    """Run a kernel forward and backward and keep the numbers."""
    y, back = run(x)
    dy = array(*y.shape)
    dx, gradients = back(dy)
    cases.append(
        {
            "name": name,
            "class": cls,
            "options": options,
            "inputs": [packed(x, batch=True)],
            "parameters": {key: packed(value) for key, value in parameters.items() if value is not None},
            "dy": packed(dy, batch=True),
            "output": packed(y, batch=True),
            "d_inputs": [packed(dx, batch=True)],
            "gradients": {key: packed(value) for key, value in gradients.items() if value is not None},
        }
    )


def convolution(name: str, cls: str, shape: tuple[int, ...], kernel: tuple[int, ...], bias: int | None, **options: Any) -> None:
    """Add a case of a convolution, depthwise or not."""
    x, w = array(1, *shape), array(*kernel)
    b = None if bias is None else array(bias)
    strides, dilation = options.get("strides", (1, 1)), options.get("dilation", (1, 1))
    pads = geometry.pads(options.get("padding", "valid"), shape[:2], kernel[:2], strides, dilation)
    kind = "conv2d" if cls == "Conv2D" else "depthwise_conv2d"
    forward, backward = getattr(reference, f"{kind}_forward"), getattr(reference, f"{kind}_backward")

    def run(x: np.ndarray) -> Any:
        y, cache = forward(x, w, b, **options)

        def back(dy: np.ndarray) -> Any:
            dx, dw, db = backward(dy, cache)
            return dx, {"kernel": dw, "bias": db}

        return y, back

    record = {"strides": strides, "pads": pads, "dilation": dilation, "groups": options.get("groups", 1)}
    add(name, cls, record, x, {"kernel": w, "bias": b}, run)


def transpose(name: str, shape: tuple[int, ...], kernel: tuple[int, ...], **options: Any) -> None:
    """Add a case of a transposed convolution."""
    x, w, b = array(1, *shape), array(*kernel), array(kernel[2])
    y, cache = reference.conv2d_transpose_forward(x, w, b, **options)

    def run(x: np.ndarray) -> Any:
        def back(dy: np.ndarray) -> Any:
            dx, dw, db = reference.conv2d_transpose_backward(dy, cache)
            return dx, {"kernel": dw, "bias": db}

        return y, back

    record = {
        "strides": cache.strides,
        "pads": cache.pads,
        "dilation": cache.dilation,
        "output_shape": y.shape[1:],
    }
    add(name, "Conv2DTranspose", record, x, {"kernel": w, "bias": b}, run)


def pooling(name: str, cls: str, shape: tuple[int, ...], pool_size: tuple[int, int], strides: tuple[int, int], padding: str) -> None:
    """Add a case of pooling."""
    kind = "max_pool2d" if cls == "MaxPooling2D" else "average_pool2d"

    def run(x: np.ndarray) -> Any:
        y, cache = getattr(reference, f"{kind}_forward")(x, pool_size=pool_size, strides=strides, padding=padding)
        return y, lambda dy: (getattr(reference, f"{kind}_backward")(dy, cache), {})

    pads = geometry.pads(padding, shape[:2], pool_size, strides)
    add(name, cls, {"pool_size": pool_size, "strides": strides, "pads": pads}, np.round(array(1, *shape) * 2) / 2, {}, run)


def normalization(name: str, shape: tuple[int, ...], training: bool, scale: bool = True, center: bool = True) -> None:
    """Add a case of batch normalisation."""
    c = shape[-1]
    gamma, beta = (array(c) if scale else None), (array(c) if center else None)
    mean, variance = array(c), np.abs(array(c)) + 0.25

    def run(x: np.ndarray) -> Any:
        y, cache = reference.batch_normalization_forward(x, gamma, beta, mean, variance, epsilon=1e-3, training=training)

        def back(dy: np.ndarray) -> Any:
            dx, dgamma, dbeta = reference.batch_normalization_backward(dy, cache)
            return dx, {"gamma": dgamma, "beta": dbeta}

        return y, back

    parameters = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    add(name, "BatchNormalization", {"epsilon": 1e-3, "training": training}, array(1, *shape), parameters, run)


def dense(name: str, shape: tuple[int, ...], units: int, bias: bool) -> None:
    """Add a case of a dense layer."""
    w, b = array(shape[-1], units), (array(units) if bias else None)

    def run(x: np.ndarray) -> Any:
        y, cache = reference.dense_forward(x, w, b)

        def back(dy: np.ndarray) -> Any:
            dx, dw, db = reference.dense_backward(dy, cache)
            return dx, {"kernel": dw, "bias": db}

        return y, back

    add(name, "Dense", {}, array(1, *shape), {"kernel": w, "bias": b}, run)


def softmax(name: str, shape: tuple[int, ...]) -> None:
    """Add a case of softmax."""

    def run(x: np.ndarray) -> Any:
        y, cache = reference.softmax_forward(x)
        return y, lambda dy: (reference.softmax_backward(dy, cache), {})

    add(name, "Softmax", {"name": "softmax"}, array(1, *shape), {}, run)


convolution("valid", "Conv2D", (5, 6, 2), (3, 2, 2, 3), 3)
convolution("same, even kernel, stride 2: uneven pads", "Conv2D", (6, 5, 2), (4, 2, 2, 3), 3, strides=(2, 2), padding="same")
convolution("dilated", "Conv2D", (7, 8, 2), (3, 2, 2, 2), None, dilation=(2, 3), padding="same")
convolution("groups", "Conv2D", (5, 5, 4), (3, 3, 2, 6), 6, groups=2, strides=(2, 1), padding="same")
convolution("explicit pads", "Conv2D", (4, 5, 1), (2, 3, 1, 2), 2, padding=((1, 0), (0, 2)))
convolution("depthwise", "DepthwiseConv2D", (5, 6, 3), (3, 3, 3, 1), 3, padding="same")
convolution("depthwise, two per channel", "DepthwiseConv2D", (6, 5, 2), (2, 3, 2, 2), 4, strides=(2, 2), padding="same")
transpose("valid, stride 2", (3, 4, 2), (3, 3, 3, 2), strides=(2, 2), padding="valid")
transpose("same, stride 2, even kernel", (3, 3, 2), (4, 2, 2, 2), strides=(2, 2), padding="same")
for cls in ("MaxPooling2D", "AveragePooling2D"):
    pooling("2 by 2", cls, (6, 5, 3), (2, 2), (2, 2), "valid")
    pooling("overlapping, same", cls, (5, 7, 2), (3, 3), (2, 2), "same")
    pooling("wide windows", cls, (8, 9, 1), (2, 4), (3, 2), "same")
normalization("inference", (4, 3, 2), training=False)
normalization("training", (4, 3, 2), training=True)
normalization("training, no scale, no shift", (3, 3, 3), training=True, scale=False, center=False)
dense("vector", (7,), 4, bias=True)
dense("map", (2, 3, 4), 3, bias=False)
softmax("vector", (6,))
softmax("map", (2, 2, 3))

GOLDEN.parent.mkdir(parents=True, exist_ok=True)
GOLDEN.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(f"{len(cases)} cases, {GOLDEN.stat().st_size} bytes")
