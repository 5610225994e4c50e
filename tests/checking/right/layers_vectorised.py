# ruff: noqa
"""Layer by layer without loops over images or channels."""

from math import ceil

import numpy as np


def pads(A_prev, W, padding, stride):
    if padding == "valid":
        return [(0, 0)] * 4
    sides = [ceil(((n - 1) * s + k - n) / 2) for n, s, k in zip(A_prev.shape[1:3], stride, W.shape)]
    return [(0, 0), *((p, p) for p in sides), (0, 0)]


def slices(shape, kernel, stride):
    for y in range(kernel[0]):
        for x in range(kernel[1]):
            yield y, x, np.s_[:, y : y + stride[0] * shape[1] : stride[0], x : x + stride[1] * shape[2] : stride[1]]


def conv_forward(A_prev, W, b, activation, padding="same", stride=(1, 1)):
    A = np.pad(A_prev, pads(A_prev, W, padding, stride))
    size = [(n - k) // s + 1 for n, k, s in zip(A.shape[1:3], W.shape, stride)]
    Z = np.zeros((len(A), *size, W.shape[3])) + b
    for y, x, cells in slices(Z.shape, W.shape, stride):
        Z += A[cells] @ W[y, x]
    return activation(Z)


def conv_backward(dZ, A_prev, W, b, padding="same", stride=(1, 1)):
    around = pads(A_prev, W, padding, stride)
    A = np.pad(A_prev, around)
    dA, dW = np.zeros(A.shape), np.zeros(W.shape)
    for y, x, cells in slices(dZ.shape, W.shape, stride):
        dW[y, x] = np.tensordot(A[cells], dZ, axes=([0, 1, 2], [0, 1, 2]))
        dA[cells] += dZ @ W[y, x].T
    (top, _), (left, _) = around[1:3]
    return dA[:, top : top + A_prev.shape[1], left : left + A_prev.shape[2]], dW, dZ.sum((0, 1, 2), keepdims=True)


def pool_forward(A_prev, kernel_shape, stride=(1, 1), mode="max"):
    size = [(n - k) // s + 1 for n, k, s in zip(A_prev.shape[1:3], kernel_shape, stride)]
    taps = [A_prev[cells] for _, _, cells in slices((0, *size), kernel_shape, stride)]
    return np.max(taps, axis=0) if mode == "max" else np.mean(taps, axis=0)


def pool_backward(dA, A_prev, kernel_shape, stride=(1, 1), mode="max"):
    best = pool_forward(A_prev, kernel_shape, stride, "max")
    out = np.zeros(A_prev.shape)
    for _, _, cells in slices(dA.shape, kernel_shape, stride):
        out[cells] += dA * (A_prev[cells] == best) if mode == "max" else dA / np.prod(kernel_shape)
    return out
