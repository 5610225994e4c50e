# ruff: noqa
"""Layer by layer, as in the other course."""

import numpy as np


def conv_forward(A_prev, W, b, activation, padding="same", stride=(1, 1)):
    m, h_prev, w_prev, c_prev = A_prev.shape
    kh, kw, c_prev, c_new = W.shape
    sh, sw = stride
    if padding == "same":
        ph = int(np.ceil(((h_prev - 1) * sh + kh - h_prev) / 2))
        pw = int(np.ceil(((w_prev - 1) * sw + kw - w_prev) / 2))
    elif padding == "valid":
        ph = pw = 0
    oh = (h_prev + 2 * ph - kh) // sh + 1
    ow = (w_prev + 2 * pw - kw) // sw + 1
    images = np.pad(A_prev, ((0, 0), (ph, ph), (pw, pw), (0, 0)), "constant")
    output = np.zeros((m, oh, ow, c_new))
    for i in range(oh):
        for j in range(ow):
            for k in range(c_new):
                window = images[:, i * sh : i * sh + kh, j * sw : j * sw + kw]
                output[:, i, j, k] = np.sum(window * W[..., k], axis=(1, 2, 3))
    return activation(output + b)


def pool_forward(A_prev, kernel_shape, stride=(1, 1), mode="max"):
    m, h_prev, w_prev, c_prev = A_prev.shape
    kh, kw = kernel_shape
    sh, sw = stride
    oh = int((h_prev - kh) / sh + 1)
    ow = int((w_prev - kw) / sw + 1)
    output = np.zeros((m, oh, ow, c_prev))
    for i in range(oh):
        for j in range(ow):
            window = A_prev[:, i * sh : i * sh + kh, j * sw : j * sw + kw]
            if mode == "max":
                output[:, i, j] = np.max(window, axis=(1, 2))
            elif mode == "avg":
                output[:, i, j] = np.average(window, axis=(1, 2))
    return output


def conv_backward(dZ, A_prev, W, b, padding="same", stride=(1, 1)):
    m, h_new, w_new, c_new = dZ.shape
    _, h_prev, w_prev, c_prev = A_prev.shape
    kh, kw, _, _ = W.shape
    sh, sw = stride
    ph = pw = 0
    if padding == "same":
        ph = int(np.ceil(((h_prev - 1) * sh + kh - h_prev) / 2))
        pw = int(np.ceil(((w_prev - 1) * sw + kw - w_prev) / 2))
    images = np.pad(A_prev, ((0, 0), (ph, ph), (pw, pw), (0, 0)), "constant")
    dA = np.zeros(images.shape)
    dW = np.zeros(W.shape)
    db = np.sum(dZ, axis=(0, 1, 2), keepdims=True)
    for n in range(m):
        for i in range(h_new):
            for j in range(w_new):
                for k in range(c_new):
                    dA[n, i * sh : i * sh + kh, j * sw : j * sw + kw] += W[..., k] * dZ[n, i, j, k]
                    dW[..., k] += images[n, i * sh : i * sh + kh, j * sw : j * sw + kw] * dZ[n, i, j, k]
    return dA[:, ph : ph + h_prev, pw : pw + w_prev], dW, db


def pool_backward(dA, A_prev, kernel_shape, stride=(1, 1), mode="max"):
    m, h_new, w_new, c = dA.shape
    kh, kw = kernel_shape
    sh, sw = stride
    out = np.zeros_like(A_prev)
    for n in range(m):
        for i in range(h_new):
            for j in range(w_new):
                for k in range(c):
                    window = A_prev[n, i * sh : i * sh + kh, j * sw : j * sw + kw, k]
                    if mode == "max":
                        mask = np.where(window == np.max(window), 1, 0)
                    else:
                        mask = np.ones(kernel_shape) / (kh * kw)
                    out[n, i * sh : i * sh + kh, j * sw : j * sw + kw, k] += mask * dA[n, i, j, k]
    return out
