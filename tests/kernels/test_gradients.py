"""Each backward is the gradient of its forward: every element, by central differences in float64, for every backend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convolens import kernels

CASES: dict[str, tuple[str, tuple[tuple[int, ...], ...], dict[str, Any]]] = {
    "conv2d": ("conv2d", ((2, 5, 4, 2), (3, 2, 2, 3), (3,)), {"padding": "same", "strides": (2, 1)}),
    "conv2d dilated": ("conv2d", ((2, 5, 6, 1), (2, 3, 1, 2), (2,)), {"dilation": (3, 2)}),
    "conv2d grouped": ("conv2d", ((2, 4, 4, 4), (2, 2, 2, 6), (6,)), {"groups": 2, "padding": ((2, 0), (0, 1))}),
    "depthwise": ("depthwise_conv2d", ((2, 4, 5, 2), (3, 2, 2, 3), (6,)), {"padding": "same", "strides": (1, 2)}),
    "transposed": ("conv2d_transpose", ((2, 3, 2, 2), (3, 2, 3, 2), (3,)), {"padding": "same", "strides": (2, 3)}),
    "transposed wider": ("conv2d_transpose", ((1, 2, 3, 2), (2, 2, 1, 2), (1,)),
                         {"strides": (3, 2), "output_padding": (2, 1)}),
    "max pooling": ("max_pool2d", ((2, 5, 4, 2),), {"pool_size": (3, 2), "strides": (2, 2), "padding": "same"}),
    "overlapping maxima": ("max_pool2d", ((1, 5, 5, 2),), {"pool_size": (3, 3), "strides": (1, 1)}),
    "average pooling": ("average_pool2d", ((2, 5, 4, 2),), {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"}),
    "batch normalization": ("batch_normalization", ((3, 2, 4, 2), (2,), (2,)), {"training": True}),
    "batch normalization, first axis": ("batch_normalization", ((3, 5), (3,), (3,)), {"training": True, "axis": 0}),
    "batch normalization, inference": ("batch_normalization", ((3, 2, 4, 2), (2,), (2,)), {"training": False}),
    "dense": ("dense", ((2, 3, 4), (4, 3), (3,)), {}),
    "softmax": ("softmax", ((3, 4),), {}),
    "softmax, first axis": ("softmax", ((3, 4),), {"axis": 0}),
}  # fmt: skip
STEP = 1e-5


@pytest.mark.parametrize("backend", kernels.available())
@pytest.mark.parametrize("case", CASES)
def test_backward_is_the_gradient_of_forward(backend: str, case: str) -> None:
    operation, shapes, options = CASES[case]
    rng = np.random.default_rng(7)
    arguments = [rng.standard_normal(shape) for shape in shapes]
    statistics = [np.full(shapes[1], 0.3), np.full(shapes[1], 1.7)] if operation == "batch_normalization" else []
    forward = getattr(kernels.backend(backend), f"{operation}_forward")

    y, cache = forward(*arguments, *statistics, **options)
    dy = rng.standard_normal(y.shape)
    gradients = getattr(kernels.backend(backend), f"{operation}_backward")(dy, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)

    assert len(gradients) == len(arguments)
    for argument, gradient in zip(arguments, gradients, strict=True):
        numeric = np.empty_like(argument)
        for index in np.ndindex(argument.shape):
            value = argument[index]
            argument[index] = value + STEP
            above = np.sum(forward(*arguments, *statistics, **options)[0] * dy)
            argument[index] = value - STEP
            below = np.sum(forward(*arguments, *statistics, **options)[0] * dy)
            argument[index] = value
            numeric[index] = (above - below) / (2 * STEP)
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)
