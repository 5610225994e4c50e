# ruff: noqa: RUF059
"""Convolution and pooling, layer by layer: the four functions, for kernels and strides of any shape."""

import numpy as np


def conv_forward(A_prev, W, b, activation, padding="same", stride=(1, 1)):
    """Slide every filter over the padded images and apply the activation.

    A_prev: images, shape (m, h_prev, w_prev, c_prev)
    W: filters, shape (kh, kw, c_prev, c_new)
    b: biases, shape (1, 1, 1, c_new)
    activation: a function to apply to the result
    padding: "valid" for none; "same" pads each side by ceil(((h_prev - 1) sh + kh - h_prev) / 2) rows, and
        columns likewise
    stride: (sh, sw)
    Returns the activated output, shape (m, h_new, w_new, c_new).
    """
    m, n_H_prev, n_W_prev, n_C_prev = A_prev.shape
    kh, kw, n_C_prev, n_C = W.shape
    sh, sw = stride
    ph = pw = 0
    if padding == "same":
        ph = int(np.ceil(((n_H_prev - 1) * sh + kh - n_H_prev) / 2))
        pw = int(np.ceil(((n_W_prev - 1) * sw + kw - n_W_prev) / 2))
    n_H = (n_H_prev - kh + 2 * ph) // sh + 1
    n_W = (n_W_prev - kw + 2 * pw) // sw + 1
    Z = np.zeros((m, n_H, n_W, n_C))
    A_prev_pad = np.pad(A_prev, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * sh
                    vert_end = vert_start + kh
                    horiz_start = w * sw
                    horiz_end = horiz_start + kw
                    a_slice_prev = A_prev_pad[i, vert_start:vert_end, horiz_start:horiz_end, :]
                    Z[i, h, w, c] = np.sum(a_slice_prev * W[:, :, :, c]) + b[0, 0, 0, c]
    return activation(Z)


def pool_forward(A_prev, kernel_shape, stride=(1, 1), mode="max"):
    """Take the maximum or the average of each window, channel by channel.

    A_prev: images, shape (m, h_prev, w_prev, c)
    kernel_shape: (kh, kw) of the window
    stride: (sh, sw)
    mode: "max" or "avg"
    Returns the pooled output, shape (m, h_new, w_new, c).
    """
    m, n_H_prev, n_W_prev, n_C = A_prev.shape
    kh, kw = kernel_shape
    sh, sw = stride
    n_H = (n_H_prev - kh) // sh + 1
    n_W = (n_W_prev - kw) // sw + 1
    A = np.zeros((m, n_H, n_W, n_C))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * sh
                    vert_end = vert_start + kh
                    horiz_start = w * sw
                    horiz_end = horiz_start + kw
                    a_prev_slice = A_prev[i, vert_start:vert_end, horiz_start:horiz_end, c]
                    if mode == "max":
                        A[i, h, w, c] = np.max(a_prev_slice)
                    else:
                        A[i, h, w, c] = np.mean(a_prev_slice)
    return A


def conv_backward(dZ, A_prev, W, b, padding="same", stride=(1, 1)):
    """Send each output's gradient back to the window, the filter and the bias that made it.

    dZ: gradient of the cost with respect to the output before the activation, shape (m, h_new, w_new, c_new)
    A_prev: images, shape (m, h_prev, w_prev, c_prev)
    W: filters, shape (kh, kw, c_prev, c_new)
    b: biases, shape (1, 1, 1, c_new)
    padding, stride: as in conv_forward
    Returns dA_prev, dW and db, in the shapes of A_prev, W and b.
    """
    m, n_H_prev, n_W_prev, n_C_prev = A_prev.shape
    kh, kw, n_C_prev, n_C = W.shape
    sh, sw = stride
    m, n_H, n_W, n_C = dZ.shape
    ph = pw = 0
    if padding == "same":
        ph = int(np.ceil(((n_H_prev - 1) * sh + kh - n_H_prev) / 2))
        pw = int(np.ceil(((n_W_prev - 1) * sw + kw - n_W_prev) / 2))
    dA_prev = np.zeros(A_prev.shape)
    dW = np.zeros(W.shape)
    db = np.zeros(b.shape)
    A_prev_pad = np.pad(A_prev, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    dA_prev_pad = np.zeros(A_prev_pad.shape)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * sh
                    vert_end = vert_start + kh
                    horiz_start = w * sw
                    horiz_end = horiz_start + kw
                    a_slice = A_prev_pad[i, vert_start:vert_end, horiz_start:horiz_end, :]
                    dA_prev_pad[i, vert_start:vert_end, horiz_start:horiz_end, :] += W[:, :, :, c] * dZ[i, h, w, c]
                    dW[:, :, :, c] += a_slice * dZ[i, h, w, c]
                    db[:, :, :, c] += dZ[i, h, w, c]
        dA_prev[i] = dA_prev_pad[i, ph : ph + n_H_prev, pw : pw + n_W_prev, :]
    return dA_prev, dW, db


def pool_backward(dA, A_prev, kernel_shape, stride=(1, 1), mode="max"):
    """Send each output's gradient back into its window.

    dA: gradient of the cost with respect to the pooled output, shape (m, h_new, w_new, c)
    A_prev: images, shape (m, h_prev, w_prev, c)
    kernel_shape: (kh, kw) of the window
    stride: (sh, sw)
    mode: "max" (to every maximum of the window) or "avg" (to all cells, in equal parts)
    Returns dA_prev, in the shape of A_prev.
    """
    kh, kw = kernel_shape
    sh, sw = stride
    m, n_H, n_W, n_C = dA.shape
    dA_prev = np.zeros(A_prev.shape)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * sh
                    vert_end = vert_start + kh
                    horiz_start = w * sw
                    horiz_end = horiz_start + kw
                    if mode == "max":
                        a_prev_slice = A_prev[i, vert_start:vert_end, horiz_start:horiz_end, c]
                        mask = a_prev_slice == np.max(a_prev_slice)
                        dA_prev[i, vert_start:vert_end, horiz_start:horiz_end, c] += mask * dA[i, h, w, c]
                    else:
                        da = dA[i, h, w, c] / (kh * kw)
                        dA_prev[i, vert_start:vert_end, horiz_start:horiz_end, c] += da
    return dA_prev
