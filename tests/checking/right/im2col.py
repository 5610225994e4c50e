# ruff: noqa
"""Rows of windows and one matrix product, with helpers of its own."""

import numpy as np


def places(H, W, f, s):
    return [(y, x) for y in range(0, H - f + 1, s) for x in range(0, W - f + 1, s)]


def im2col(X, f, s):
    m, H, W, C = X.shape
    rows = np.stack([X[:, y : y + f, x : x + f, :].reshape(m, -1) for y, x in places(H, W, f, s)], axis=1)
    return rows


def col2im(rows, shape, f, s):
    X = np.zeros(shape)
    for k, (y, x) in enumerate(places(shape[1], shape[2], f, s)):
        X[:, y : y + f, x : x + f, :] += rows[:, k].reshape(shape[0], f, f, shape[3])
    return X


def zero_pad(X, pad):
    m, H, W, C = X.shape
    out = np.zeros((m, H + 2 * pad, W + 2 * pad, C), dtype=X.dtype)
    out[:, pad : pad + H, pad : pad + W, :] = X
    return out


def conv_single_step(window, W, b):
    return window.flatten().dot(W.flatten()) + b.item()


def conv_forward(A_prev, W, b, hp):
    f, _, _, n_C = W.shape
    s = hp["stride"]
    A = zero_pad(A_prev, hp["pad"])
    n_H, n_W = (A.shape[1] - f) // s + 1, (A.shape[2] - f) // s + 1
    Z = im2col(A, f, s) @ W.reshape(-1, n_C) + b.reshape(-1)
    return Z.reshape(len(A_prev), n_H, n_W, n_C), (A_prev, W, b, hp)


def conv_backward(dZ, cache):
    A_prev, W, b, hp = cache
    f, _, _, n_C = W.shape
    p = hp["pad"]
    A = zero_pad(A_prev, p)
    rows = im2col(A, f, hp["stride"])
    d = dZ.reshape(len(dZ), -1, n_C)
    dW = sum(r.T @ g for r, g in zip(rows, d)).reshape(W.shape)
    dA = col2im(d @ W.reshape(-1, n_C).T, A.shape, f, hp["stride"])
    if p > 0:
        dA = dA[:, p:-p, p:-p, :]
    return dA, dW, d.sum(axis=(0, 1)).reshape(b.shape)


def pool_forward(A_prev, hp, mode="max"):
    m, H, W, C = A_prev.shape
    f, s = hp["f"], hp["stride"]
    rows = im2col(A_prev, f, s).reshape(m, -1, f * f, C)
    A = rows.max(axis=2) if mode == "max" else rows.sum(axis=2) / (f * f)
    return A.reshape(m, (H - f) // s + 1, (W - f) // s + 1, C), (A_prev, hp)


def create_mask_from_window(x):
    return (x >= np.amax(x)).astype(int)


def distribute_value(dz, shape):
    return np.zeros(shape) + dz / (shape[0] * shape[1])


def pool_backward(dA, cache, mode="max"):
    A_prev, hp = cache
    m, H, W, C = A_prev.shape
    f, s = hp["f"], hp["stride"]
    rows = im2col(A_prev, f, s).reshape(m, -1, f * f, C)
    d = dA.reshape(m, -1, 1, C)
    share = (rows == rows.max(axis=2, keepdims=True)) * d if mode == "max" else np.ones_like(rows) * d / (f * f)
    return col2im(share.reshape(m, -1, f * f * C), A_prev.shape, f, s)
