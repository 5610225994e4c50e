# ruff: noqa
"""Lists and six nested loops; NumPy only to hold the results."""

import numpy as np


def zero_pad(X, pad):
    m, H, W, C = X.shape
    rows = []
    for i in range(m):
        image = []
        for y in range(-pad, H + pad):
            image.append(
                [[X[i, y, x, c] if 0 <= y < H and 0 <= x < W else 0.0 for c in range(C)] for x in range(-pad, W + pad)]
            )
        rows.append(image)
    return np.array(rows)


def conv_single_step(a_slice_prev, W, b):
    total = 0.0
    for y in range(W.shape[0]):
        for x in range(W.shape[1]):
            for c in range(W.shape[2]):
                total += float(a_slice_prev[y, x, c]) * float(W[y, x, c])
    return total + float(b[0, 0, 0])


def conv_forward(A_prev, W, b, hparameters):
    s, p = hparameters["stride"], hparameters["pad"]
    m, H, Wd, C = A_prev.shape
    f, F = W.shape[0], W.shape[3]
    out_h, out_w = (H + 2 * p - f) // s + 1, (Wd + 2 * p - f) // s + 1
    Z = np.zeros((m, out_h, out_w, F))
    for i in range(m):
        for h in range(out_h):
            for w in range(out_w):
                for k in range(F):
                    total = b[0, 0, 0, k]
                    for y in range(f):
                        for x in range(f):
                            row, col = h * s + y - p, w * s + x - p
                            if 0 <= row < H and 0 <= col < Wd:
                                for c in range(C):
                                    total = total + A_prev[i, row, col, c] * W[y, x, c, k]
                    Z[i, h, w, k] = total
    return Z, [A_prev, W, b, hparameters]


def conv_backward(dZ, cache):
    A_prev, W, b, hparameters = cache
    s, p = hparameters["stride"], hparameters["pad"]
    m, H, Wd, C = A_prev.shape
    f, F = W.shape[0], W.shape[3]
    dA, dW, db = np.zeros(A_prev.shape), np.zeros(W.shape), np.zeros(b.shape)
    for i in range(m):
        for h in range(dZ.shape[1]):
            for w in range(dZ.shape[2]):
                for k in range(F):
                    g = dZ[i, h, w, k]
                    db[0, 0, 0, k] += g
                    for y in range(f):
                        for x in range(f):
                            row, col = h * s + y - p, w * s + x - p
                            if row < 0 or row >= H or col < 0 or col >= Wd:
                                continue
                            for c in range(C):
                                dW[y, x, c, k] += A_prev[i, row, col, c] * g
                                dA[i, row, col, c] += W[y, x, c, k] * g
    return dA, dW, db


def pool_forward(A_prev, hparameters, mode="max"):
    f, s = hparameters["f"], hparameters["stride"]
    m, H, W, C = A_prev.shape
    A = np.zeros((m, (H - f) // s + 1, (W - f) // s + 1, C))
    for i in range(m):
        for h in range(A.shape[1]):
            for w in range(A.shape[2]):
                for c in range(C):
                    cells = [A_prev[i, h * s + y, w * s + x, c] for y in range(f) for x in range(f)]
                    A[i, h, w, c] = max(cells) if mode == "max" else sum(cells) / len(cells)
    return A, (A_prev, hparameters)


def create_mask_from_window(x):
    biggest = max(max(row) for row in x.tolist())
    return np.array([[value == biggest for value in row] for row in x.tolist()])


def distribute_value(dz, shape):
    return np.array([[dz / (shape[0] * shape[1])] * shape[1]] * shape[0])


def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    f, s = hparameters["f"], hparameters["stride"]
    dA_prev = np.zeros(A_prev.shape)
    m, H, W, C = dA.shape
    for i in range(m):
        for h in range(H):
            for w in range(W):
                for c in range(C):
                    cells = [(y, x) for y in range(h * s, h * s + f) for x in range(w * s, w * s + f)]
                    biggest = max(A_prev[i, y, x, c] for y, x in cells)
                    for y, x in cells:
                        if mode != "max":
                            dA_prev[i, y, x, c] += dA[i, h, w, c] / len(cells)
                        elif A_prev[i, y, x, c] == biggest:
                            dA_prev[i, y, x, c] += dA[i, h, w, c]
    return dA_prev
