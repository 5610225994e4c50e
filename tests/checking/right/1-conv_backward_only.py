# ruff: noqa
"""One function alone, in a file whose name begins with a digit; its helper is not here."""

import numpy as np


def conv_backward(dZ, cache):
    A_prev, W, b, hp = cache
    A = zero_pad(A_prev, hp["pad"])
    dA, dW, db = np.zeros(A.shape), np.zeros(W.shape), np.zeros(b.shape)
    n, s, p = W.shape[0], hp["stride"], hp["pad"]
    for i in range(dZ.shape[0]):
        for y in range(dZ.shape[1]):
            for x in range(dZ.shape[2]):
                window = A[i, y * s : y * s + n, x * s : x * s + n]
                dA[i, y * s : y * s + n, x * s : x * s + n] += W @ dZ[i, y, x]
                dW += window[..., None] * dZ[i, y, x]
                db += dZ[i, y, x]
    return dA[:, p : p + A_prev.shape[1], p : p + A_prev.shape[2], :], dW, db
