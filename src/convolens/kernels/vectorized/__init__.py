"""NumPy and BLAS: the same functions as ``reference``, whole arrays at a time.

Plain functions on channels-last arrays. A convolution is one matrix product over the image's windows laid out as rows
(im2col); its ``dx`` and everything about pooling is one strided operation per tap of the window (``geometry.taps``).
The plan's native steps, which work on a layout of their own, are in ``native``.
"""

from convolens.kernels.vectorized.convolution import (
    conv2d_backward,
    conv2d_forward,
    conv2d_transpose_backward,
    conv2d_transpose_forward,
    depthwise_conv2d_backward,
    depthwise_conv2d_forward,
)
from convolens.kernels.vectorized.dense import dense_backward, dense_forward, softmax_backward, softmax_forward
from convolens.kernels.vectorized.native import enter_step, leave_step, native_step
from convolens.kernels.vectorized.normalization import batch_normalization_backward, batch_normalization_forward
from convolens.kernels.vectorized.pooling import (
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
    "enter_step",
    "leave_step",
    "max_pool2d_backward",
    "max_pool2d_forward",
    "native_step",
    "softmax_backward",
    "softmax_forward",
]
