# ruff: noqa
"""Everything in float32, and 0-d arrays for numbers."""

import numpy as np


def zero_pad(X, pad):
    return np.pad(X.astype(np.float32), ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def conv_single_step(a, W, b):
    return np.squeeze(np.sum((a * W).astype(np.float32)) + b.astype(np.float32))


def conv_forward(A_prev, W, b, hparameters):
    stride, pad = hparameters["stride"], hparameters["pad"]
    A = zero_pad(A_prev, pad)
    f = W.shape[0]
    shape = [A.shape[0], (A.shape[1] - f) // stride + 1, (A.shape[2] - f) // stride + 1, W.shape[3]]
    Z = np.empty(shape, dtype="float32")
    for i, h, w, c in np.ndindex(*shape):
        window = A[i, h * stride : h * stride + f, w * stride : w * stride + f]
        Z[i, h, w, c] = conv_single_step(window, W[..., c], b[..., c])
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    stride, pad, f = hparameters["stride"], hparameters["pad"], W.shape[0]
    A = zero_pad(A_prev, pad)
    dA, dW, db = np.zeros_like(A), np.zeros(W.shape, np.float32), np.zeros(b.shape, np.float32)
    for i, h, w, c in np.ndindex(*dZ.shape):
        place = (i, slice(h * stride, h * stride + f), slice(w * stride, w * stride + f))
        g = dZ[i, h, w, c].astype(np.float32)
        dA[place] += W[..., c].astype(np.float32) * g
        dW[..., c] += A[place] * g
        db[..., c] += g
    return dA[:, pad : dA.shape[1] - pad, pad : dA.shape[2] - pad], dW, db


def pool_forward(A_prev, hparameters, mode="max"):
    f, stride = hparameters["f"], hparameters["stride"]
    m, H, W, C = A_prev.shape
    out = np.zeros((m, (H - f) // stride + 1, (W - f) // stride + 1, C), np.float32)
    for h in range(out.shape[1]):
        for w in range(out.shape[2]):
            window = A_prev[:, h * stride : h * stride + f, w * stride : w * stride + f]
            out[:, h, w] = window.max((1, 2)) if mode == "max" else window.mean((1, 2), dtype=np.float32)
    return out, (A_prev, hparameters)


def create_mask_from_window(x):
    return (x == x.max()).astype(np.float32)


def distribute_value(dz, shape):
    return np.full(shape, np.float32(dz) / np.float32(shape[0] * shape[1]), np.float32)


def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    out = np.zeros(A_prev.shape, np.float32)
    for i, h, w, c in np.ndindex(*dA.shape):
        place = (i, slice(h * stride, h * stride + f), slice(w * stride, w * stride + f), c)
        if mode == "max":
            out[place] += create_mask_from_window(A_prev[place]) * np.float32(dA[i, h, w, c])
        else:
            out[place] += distribute_value(dA[i, h, w, c], (f, f))
    return out
