# ruff: noqa: RET504, RUF059
"""Convolution and pooling, step by step: the eight functions."""

import numpy as np


def zero_pad(X, pad):
    """Surround every image with rows and columns of zeros.

    X: images, shape (m, n_H, n_W, n_C)
    pad: how many rows and columns to add on each side
    Returns X_pad of shape (m, n_H + 2 pad, n_W + 2 pad, n_C).
    """
    X_pad = np.pad(X, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    return X_pad


def conv_single_step(a_slice_prev, W, b):
    """Lay one filter on one window: multiply, add up, add the bias.

    a_slice_prev: the window, shape (f, f, n_C_prev)
    W: the filter, the same shape
    b: its bias, shape (1, 1, 1)
    Returns one number.
    """
    s = a_slice_prev * W
    Z = np.sum(s)
    Z = Z + b.item()
    return Z


def conv_forward(A_prev, W, b, hparameters):
    """Slide every filter over the padded images.

    A_prev: images, shape (m, n_H_prev, n_W_prev, n_C_prev)
    W: filters, shape (f, f, n_C_prev, n_C)
    b: biases, shape (1, 1, 1, n_C)
    hparameters: dictionary with "stride" and "pad"
    Returns Z of shape (m, n_H, n_W, n_C), and the cache (A_prev, W, b, hparameters).
    """
    m, n_H_prev, n_W_prev, n_C_prev = A_prev.shape
    f, f, n_C_prev, n_C = W.shape
    stride = hparameters["stride"]
    pad = hparameters["pad"]
    n_H = (n_H_prev - f + 2 * pad) // stride + 1
    n_W = (n_W_prev - f + 2 * pad) // stride + 1
    Z = np.zeros((m, n_H, n_W, n_C))
    A_prev_pad = zero_pad(A_prev, pad)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * stride
                    vert_end = vert_start + f
                    horiz_start = w * stride
                    horiz_end = horiz_start + f
                    a_slice_prev = A_prev_pad[i, vert_start:vert_end, horiz_start:horiz_end, :]
                    Z[i, h, w, c] = conv_single_step(a_slice_prev, W[:, :, :, c], b[:, :, :, c])
    cache = (A_prev, W, b, hparameters)
    return Z, cache


def pool_forward(A_prev, hparameters, mode="max"):
    """Take the maximum or the average of each window, channel by channel.

    A_prev: images, shape (m, n_H_prev, n_W_prev, n_C)
    hparameters: dictionary with "f" and "stride"
    mode: "max" or "average"
    Returns A of shape (m, n_H, n_W, n_C), and the cache (A_prev, hparameters).
    """
    m, n_H_prev, n_W_prev, n_C = A_prev.shape
    f = hparameters["f"]
    stride = hparameters["stride"]
    n_H = (n_H_prev - f) // stride + 1
    n_W = (n_W_prev - f) // stride + 1
    A = np.zeros((m, n_H, n_W, n_C))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * stride
                    vert_end = vert_start + f
                    horiz_start = w * stride
                    horiz_end = horiz_start + f
                    a_prev_slice = A_prev[i, vert_start:vert_end, horiz_start:horiz_end, c]
                    if mode == "max":
                        A[i, h, w, c] = np.max(a_prev_slice)
                    else:
                        A[i, h, w, c] = np.mean(a_prev_slice)
    cache = (A_prev, hparameters)
    return A, cache


def conv_backward(dZ, cache):
    """Send each output's gradient back to the window, the filter and the bias that made it.

    dZ: gradient of the cost with respect to Z, shape (m, n_H, n_W, n_C)
    cache: (A_prev, W, b, hparameters) from conv_forward
    Returns dA_prev, dW and db, in the shapes of A_prev, W and b.
    """
    A_prev, W, b, hparameters = cache
    m, n_H_prev, n_W_prev, n_C_prev = A_prev.shape
    f, f, n_C_prev, n_C = W.shape
    stride = hparameters["stride"]
    pad = hparameters["pad"]
    m, n_H, n_W, n_C = dZ.shape
    dA_prev = np.zeros(A_prev.shape)
    dW = np.zeros(W.shape)
    db = np.zeros(b.shape)
    A_prev_pad = zero_pad(A_prev, pad)
    dA_prev_pad = zero_pad(dA_prev, pad)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * stride
                    vert_end = vert_start + f
                    horiz_start = w * stride
                    horiz_end = horiz_start + f
                    a_slice = A_prev_pad[i, vert_start:vert_end, horiz_start:horiz_end, :]
                    dA_prev_pad[i, vert_start:vert_end, horiz_start:horiz_end, :] += W[:, :, :, c] * dZ[i, h, w, c]
                    dW[:, :, :, c] += a_slice * dZ[i, h, w, c]
                    db[:, :, :, c] += dZ[i, h, w, c]
        dA_prev[i] = dA_prev_pad[i, pad : pad + n_H_prev, pad : pad + n_W_prev, :]
    return dA_prev, dW, db


def create_mask_from_window(x):
    """Mark every cell of a window that equals its maximum.

    x: a window of one channel, shape (f, f)
    Returns an array of True and False in the shape of x.
    """
    mask = x == np.max(x)
    return mask


def distribute_value(dz, shape):
    """Share a value equally among the cells of a window.

    dz: the value
    shape: (n_H, n_W) of the window
    Returns an array of that shape.
    """
    n_H, n_W = shape
    average = dz / (n_H * n_W)
    a = np.full(shape, average)
    return a


def pool_backward(dA, cache, mode="max"):
    """Send each output's gradient back into its window.

    dA: gradient of the cost with respect to A, shape (m, n_H, n_W, n_C)
    cache: (A_prev, hparameters) from pool_forward
    mode: "max" (to every maximum of the window) or "average" (to all cells, in equal parts)
    Returns dA_prev, in the shape of A_prev.
    """
    A_prev, hparameters = cache
    f = hparameters["f"]
    stride = hparameters["stride"]
    m, n_H, n_W, n_C = dA.shape
    dA_prev = np.zeros(A_prev.shape)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * stride
                    vert_end = vert_start + f
                    horiz_start = w * stride
                    horiz_end = horiz_start + f
                    if mode == "max":
                        a_prev_slice = A_prev[i, vert_start:vert_end, horiz_start:horiz_end, c]
                        mask = create_mask_from_window(a_prev_slice)
                        dA_prev[i, vert_start:vert_end, horiz_start:horiz_end, c] += mask * dA[i, h, w, c]
                    else:
                        da = distribute_value(dA[i, h, w, c], (f, f))
                        dA_prev[i, vert_start:vert_end, horiz_start:horiz_end, c] += da
    return dA_prev
