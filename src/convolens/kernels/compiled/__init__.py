"""Numba: machine code for this processor, with the batch in the vector lanes.

Networks run as *native steps* (``native.py``): whole segments on the backend's own layout, tile by tile on several
threads. The plain functions serve single calls: convolution and max pooling are compiled, the rest is ``vectorized``'s,
for it is either rare or bound by memory rather than by arithmetic.
"""

from convolens.kernels.compiled.native import native_step
from convolens.kernels.compiled.optimizer import adam_update
from convolens.kernels.vectorized import (
    average_pool2d_backward,
    average_pool2d_forward,
    batch_normalization_backward,
    batch_normalization_forward,
    conv2d_backward,
    conv2d_forward,
    conv2d_transpose_backward,
    conv2d_transpose_forward,
    dense_backward,
    dense_forward,
    depthwise_conv2d_backward,
    depthwise_conv2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
    softmax_backward,
    softmax_forward,
)

__all__ = [
    "adam_update",
    "average_pool2d_backward",
    "average_pool2d_forward",
    "batch_normalization_backward",
    "batch_normalization_forward",
    "conv2d_backward",
    "conv2d_forward",
    "conv2d_transpose_backward",
    "conv2d_transpose_forward",
    "dense_backward",
    "dense_forward",
    "depthwise_conv2d_backward",
    "depthwise_conv2d_forward",
    "max_pool2d_backward",
    "max_pool2d_forward",
    "native_step",
    "softmax_backward",
    "softmax_forward",
]
