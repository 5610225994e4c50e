# ruff: noqa
"""No loops over cells: sliding windows, tensor products, and a scatter by taps."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def zero_pad(X, pad):
    return np.pad(X, [(0, 0), (pad, pad), (pad, pad), (0, 0)])


def conv_single_step(a_slice_prev, W, b):
    return np.tensordot(a_slice_prev, W, axes=3) + b.ravel()[0]


def conv_forward(A_prev, W, b, hparameters):
    s = hparameters["stride"]
    f = W.shape[0]
    windows = sliding_window_view(zero_pad(A_prev, hparameters["pad"]), (f, f), axis=(1, 2))[:, ::s, ::s]
    Z = np.einsum("nhwcij,ijcf->nhwf", windows, W) + b
    return Z, (A_prev, W, b, hparameters)


def pool_forward(A_prev, hparameters, mode="max"):
    f, s = hparameters["f"], hparameters["stride"]
    windows = sliding_window_view(A_prev, (f, f), axis=(1, 2))[:, ::s, ::s]
    reduce = np.max if mode == "max" else np.mean
    return reduce(windows, axis=(-2, -1)), (A_prev, hparameters)


def conv_backward(dZ, cache):
    A_prev, W, b, hp = cache
    s, p, f = hp["stride"], hp["pad"], W.shape[0]
    A_pad = zero_pad(A_prev, p)
    windows = sliding_window_view(A_pad, (f, f), axis=(1, 2))[:, ::s, ::s]
    dW = np.einsum("nhwcij,nhwf->ijcf", windows, dZ)
    db = dZ.sum(axis=(0, 1, 2), keepdims=True)
    dA_pad = np.zeros_like(A_pad)
    H, W_out = dZ.shape[1:3]
    for i in range(f):
        for j in range(f):
            dA_pad[:, i : i + s * H : s, j : j + s * W_out : s] += dZ @ W[i, j].T
    return dA_pad[:, p : p + A_prev.shape[1], p : p + A_prev.shape[2]], dW, db


def create_mask_from_window(x):
    return np.equal(x, x.max())


def distribute_value(dz, shape):
    return np.full(shape, dz / np.prod(shape))


def pool_backward(dA, cache, mode="max"):
    A_prev, hp = cache
    f, s = hp["f"], hp["stride"]
    H, W = dA.shape[1:3]
    A = pool_forward(A_prev, hp, "max")[0]
    dA_prev = np.zeros_like(A_prev)
    for i in range(f):
        for j in range(f):
            tap = np.s_[:, i : i + s * H : s, j : j + s * W : s]
            dA_prev[tap] += dA * (A_prev[tap] == A) if mode == "max" else dA / f**2
    return dA_prev
