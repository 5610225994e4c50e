"""Textbook loops: the specification. Every option, one window at a time, written to be read.

Source of the backward passes: V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning" (2016),
and the chain rule.
"""

from convolens.kernels.reference.convolution import (
    conv2d_backward,
    conv2d_forward,
    conv2d_transpose_backward,
    conv2d_transpose_forward,
    depthwise_conv2d_backward,
    depthwise_conv2d_forward,
)
from convolens.kernels.reference.dense import dense_backward, dense_forward, softmax_backward, softmax_forward
from convolens.kernels.reference.normalization import batch_normalization_backward, batch_normalization_forward
from convolens.kernels.reference.pooling import (
    average_pool2d_backward,
    average_pool2d_forward,
    max_pool2d_backward,
    max_pool2d_forward,
)

__all__ = [
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
    "softmax_backward",
    "softmax_forward",
]
