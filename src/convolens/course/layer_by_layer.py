"""The four functions of the other exercise: convolution and pooling, layer by layer, on the reference kernels.

Kernels and strides may be non-square: ``W`` is ``(kh, kw, c_prev, c_new)``, strides are ``(sh, sw)``. ``padding`` is
``"valid"`` (none) or ``"same"``, which here adds to *each* side

    ``ph = ceil(((h_prev - 1) sh + kh - h_prev) / 2)``, and ``pw`` likewise,

so that the output keeps the input's size at any stride (an even kernel at stride 1 gives one cell more). Keras's
``same`` is another one: there the output has ``ceil(h_prev / sh)`` rows and an odd pad goes after.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from convolens.course import windows
from convolens.kernels.geometry import Pads, Pair

__all__ = ["conv_backward", "conv_forward", "pads", "pool_backward", "pool_forward"]


def conv_forward(
    A_prev: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    activation: Callable[[np.ndarray], np.ndarray],
    padding: str = "same",
    stride: Pair = (1, 1),
) -> np.ndarray:
    """Slide every filter over the padded images and apply the activation.

    ``A[i, h, w, c] = activation(sum(A_prev_pad[i, h sh : h sh + kh, w sw : w sw + kw, :] * W[:, :, :, c]) + b[c])``.

    Args:
        A_prev: images, ``(m, h_prev, w_prev, c_prev)``.
        W: filters, ``(kh, kw, c_prev, c_new)``.
        b: biases, ``(1, 1, 1, c_new)``.
        activation: applied to the whole array ``Z``.
        padding: ``"same"`` or ``"valid"``; see above for what ``same`` means here.
        stride: ``(sh, sw)``, in cells.

    Returns:
        ``(m, h_new, w_new, c_new)``.

    Raises:
        ValueError: for another padding, or shapes that do not fit together.

    >>> A_prev = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(1, 3, 3, 1)
    >>> W = np.array([[1.0], [-1]]).reshape(2, 1, 1, 1)  # each cell minus the one below it
    >>> b = np.full((1, 1, 1, 1), 4.0)
    >>> conv_forward(A_prev, W, b, lambda z: np.maximum(z, 0), padding="valid")[0, :, :, 0]
    array([[1., 1., 1.],
           [1., 1., 1.]])
    >>> conv_forward(A_prev, W, b, lambda z: z)[0, :, :, 0]  # 1 row of zeros above and below, so 4 rows
    array([[ 3.,  2.,  1.],
           [ 1.,  1.,  1.],
           [ 1.,  1.,  1.],
           [11., 12., 13.]])
    """
    windows.check_convolution(A_prev, W, b)
    return activation(windows.convolve(A_prev, W, b, _pair(stride), _pads(A_prev, W, padding, stride)))


def pool_forward(A_prev: np.ndarray, kernel_shape: Pair, stride: Pair = (1, 1), mode: str = "max") -> np.ndarray:
    """Take the maximum or the average of each window, channel by channel, without padding.

    ``A[i, h, w, c] = max(A_prev[i, h sh : h sh + kh, w sw : w sw + kw, c])``, or the mean of it.

    Args:
        A_prev: images, ``(m, h_prev, w_prev, c)``.
        kernel_shape: ``(kh, kw)`` of the window.
        stride: ``(sh, sw)``, in cells.
        mode: ``"max"`` or ``"avg"``.

    Returns:
        ``(m, h_new, w_new, c)``.

    Raises:
        ValueError: for another mode, or a window larger than the image.

    >>> A_prev = np.array([[1.0, 5, 3], [4, 2, 6], [7, 8, 0]]).reshape(1, 3, 3, 1)
    >>> pool_forward(A_prev, (3, 2))[0, :, :, 0]
    array([[8., 8.]])
    >>> pool_forward(A_prev, (1, 3), mode="avg")[0, :, :, 0]
    array([[3.],
           [4.],
           [5.]])
    """
    return windows.pool(A_prev, _pair(kernel_shape), _pair(stride), _is_average(mode))


def conv_backward(
    dZ: np.ndarray, A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, padding: str = "same", stride: Pair = (1, 1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Send each output's gradient back to the window, the filter and the bias that made it.

    For every image ``i``, place ``(h, w)`` and filter ``c``, with the window ``a`` at that place::

        dA_prev_pad[window] += W[:, :, :, c] * dZ[i, h, w, c]
        dW[:, :, :, c]      += a * dZ[i, h, w, c]
        db[0, 0, 0, c]      += dZ[i, h, w, c]

    Args:
        dZ: gradient with respect to the output before the activation, ``(m, h_new, w_new, c_new)``.
        A_prev: images, ``(m, h_prev, w_prev, c_prev)``.
        W: filters, ``(kh, kw, c_prev, c_new)``.
        b: biases, ``(1, 1, 1, c_new)``.
        padding: ``"same"`` or ``"valid"``.
        stride: ``(sh, sw)``, in cells.

    Returns:
        ``dA_prev``, ``dW`` and ``db`` in the shapes of ``A_prev``, ``W`` and ``b``.

    Raises:
        ValueError: for another padding, or shapes that do not fit together.

    >>> A_prev = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]).reshape(1, 3, 3, 1)
    >>> W = np.array([[1.0], [-1]]).reshape(2, 1, 1, 1)
    >>> dZ = np.array([[1.0, 2, 3], [10, 20, 30]]).reshape(1, 2, 3, 1)
    >>> dA_prev, dW, db = conv_backward(dZ, A_prev, W, np.zeros((1, 1, 1, 1)), padding="valid")
    >>> dA_prev[0, :, :, 0]
    array([[  1.,   2.,   3.],
           [  9.,  18.,  27.],
           [-10., -20., -30.]])
    >>> dW[:, 0, 0, 0], db[0, 0, 0]  # dW: 1*1 + 2*2 + 3*3 + 10*4 + 20*5 + 30*6, and one row further down
    (array([334., 532.]), array([66.]))
    """
    windows.check_convolution(A_prev, W, b)
    return windows.convolve_backward(dZ, A_prev, W, b, _pair(stride), _pads(A_prev, W, padding, stride))


def pool_backward(
    dA: np.ndarray, A_prev: np.ndarray, kernel_shape: Pair, stride: Pair = (1, 1), mode: str = "max"
) -> np.ndarray:
    """Send each output's gradient back into its window: to the maxima, or to every cell in equal parts.

    Every maximum of a window gets the full gradient, as in ``step_by_step.create_mask_from_window``; the library's
    ``MaxPooling2D``, like TensorFlow and PyTorch, sends it to the first maximum in row-major order only.

    Args:
        dA: gradient with respect to the pooled output, ``(m, h_new, w_new, c)``.
        A_prev: images, ``(m, h_prev, w_prev, c)``.
        kernel_shape: ``(kh, kw)`` of the window.
        stride: ``(sh, sw)``, in cells.
        mode: ``"max"`` or ``"avg"``.

    Returns:
        ``dA_prev`` in the shape of ``A_prev``.

    Raises:
        ValueError: for another mode, or if ``dA`` does not have the shape of the pooled output.

    >>> A_prev = np.array([[1.0, 5, 3], [4, 2, 6], [7, 8, 8]]).reshape(1, 3, 3, 1)
    >>> dA = np.array([[1.0], [10], [100]]).reshape(1, 3, 1, 1)
    >>> pool_backward(dA, A_prev, (1, 3))[0, :, :, 0]  # the last row's two maxima get 100 each
    array([[  0.,   1.,   0.],
           [  0.,   0.,  10.],
           [  0., 100., 100.]])
    """
    return windows.pool_backward(dA, A_prev, _pair(kernel_shape), _pair(stride), _is_average(mode))


def _pair(value: Pair) -> Pair:
    if np.shape(value) != (2,):
        raise ValueError(f"a stride or a kernel shape is a pair (vertical, horizontal); got {value!r}.")
    return int(value[0]), int(value[1])


def pads(size: Pair, kernel: Pair, padding: str, stride: Pair) -> Pads:
    """Return the zeros around an image, ``((ph, ph), (pw, pw))``.

    Args:
        size: ``(h_prev, w_prev)``.
        kernel: ``(kh, kw)``.
        padding: ``"same"`` or ``"valid"``.
        stride: ``(sh, sw)``.

    Raises:
        ValueError: for another padding.

    >>> pads((5, 5), (3, 2), "same", (2, 1))
    ((3, 3), (1, 1))
    """
    if padding not in ("same", "valid"):
        raise ValueError(f"padding is 'same' or 'valid'; got {padding!r}.")
    if padding == "valid":
        return (0, 0), (0, 0)
    ph, pw = (-(-((n - 1) * s + k - n) // 2) for n, k, s in zip(size, kernel, _pair(stride), strict=True))
    return (ph, ph), (pw, pw)


def _pads(A_prev: np.ndarray, W: np.ndarray, padding: str, stride: Pair) -> Pads:
    (h, w), (kh, kw) = np.shape(A_prev)[1:3], np.shape(W)[:2]
    return pads((h, w), (kh, kw), padding, stride)


def _is_average(mode: str) -> bool:
    if mode not in ("max", "avg"):
        raise ValueError(f"mode is 'max' or 'avg'; got {mode!r}.")
    return mode == "avg"
