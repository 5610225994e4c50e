"""Numba: machine code for this processor, with the batch in the vector lanes.

Networks run as *native steps* (``native``): whole segments on the backend's own layout, tile by tile on several
threads, or image by image where there are only a few. The plain functions, which serve kept traces and what no native
step takes, are those of ``vectorized``, all of them: on single layers and channels-last arrays BLAS is what pays.

============================ ===========================================================================================
``emit`` ``lanes``           vectors: how instructions on them are written, and the instructions
``sums`` ``transforms``      the blocks of accumulators that every sum of products is made of; small matrices on vectors
``convolution`` ``winograd`` convolution, fused with pooling or not, and its gradients: directly, and with fewer
                             products along rows and in squares
``silence``                  windows of zeros, whose sums are zero
``windows``                  pooling, rectifiers and batch normalisation, and their gradients
``dense`` ``cells``          dense layers; layout in and out, and other work cell by cell
``lines`` ``small``          a few images: pixels in the lanes
``stages``                   what is fused, and each stage's buffers and calls
``native`` ``threads``       the order of work, and the threads that do it
``blocks`` ``jit``           sizes of blocks by shape; how and when code is compiled
============================ ===========================================================================================
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
