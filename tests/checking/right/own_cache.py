# ruff: noqa
"""A cache with more in it than was asked for, defaults, lambdas, closures, and a program at the end."""

import functools
import sys

import numpy as np

zero_pad = lambda X, pad=0: np.pad(X, ((0, 0),) + ((pad, pad),) * 2 + ((0, 0),))
conv_single_step = lambda a, W, b: np.vdot(a, W) + b.sum()
create_mask_from_window = lambda x: x == x.max()
distribute_value = lambda dz, shape: np.ones(shape) * dz / (shape[0] * shape[1])


def counted(function):
    @functools.wraps(function)
    def inner(*arguments, **options):
        inner.calls += 1
        return function(*arguments, **options)

    inner.calls = 0
    return inner


@counted
def conv_forward(A_prev, W, b, hparameters):
    s, f = hparameters["stride"], W.shape[0]
    padded = zero_pad(A_prev, hparameters["pad"])
    rows, columns = (1 + (size - f) // s for size in padded.shape[1:3])

    def value(i, h, w, c):
        return conv_single_step(padded[i, h * s : h * s + f, w * s : w * s + f], W[..., c], b[..., c])

    Z = np.vectorize(value)(*np.indices((len(A_prev), rows, columns, W.shape[3]), sparse=True))
    return Z, (A_prev, W, b, hparameters, padded)


def conv_backward(dZ, cache):
    A_prev, W, b, hparameters, padded = cache
    s, p, f = hparameters["stride"], hparameters["pad"], W.shape[0]
    d = np.zeros(padded.shape)
    dW = np.zeros_like(W, dtype=float)
    for h, w in np.ndindex(dZ.shape[1:3]):
        y, x = slice(h * s, h * s + f), slice(w * s, w * s + f)
        d[:, y, x] += np.einsum("nf,ijcf->nijc", dZ[:, h, w], W)
        dW += np.einsum("nijc,nf->ijcf", padded[:, y, x], dZ[:, h, w])
    return d[:, p : d.shape[1] - p, p : d.shape[2] - p].copy(), dW, dZ.sum((0, 1, 2))[None, None, None]


def pool_forward(A_prev, hparameters, mode="max"):
    f, s = hparameters["f"], hparameters["stride"]
    best = -np.inf if mode == "max" else 0.0
    rows, columns = (1 + (size - f) // s for size in A_prev.shape[1:3])
    A = np.full((len(A_prev), rows, columns, A_prev.shape[3]), best)
    for y, x in np.ndindex(f, f):
        tap = A_prev[:, y : y + s * rows : s, x : x + s * columns : s]
        A = np.maximum(A, tap) if mode == "max" else A + tap / f**2
    return A, (A_prev, hparameters)


def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    f, s = hparameters["f"], hparameters["stride"]
    out = np.zeros(A_prev.shape)
    for i, h, w, c in np.ndindex(dA.shape):
        window = np.s_[i, s * h : s * h + f, s * w : s * w + f, c]
        mask = create_mask_from_window(A_prev[window]) if mode == "max" else distribute_value(1, (f, f))
        out[window] = out[window] + mask * dA[i, h, w, c]
    return out


print("done")
sys.exit(0)
