# ruff: noqa
"""Two functions of the exercise, random state and numbers printed: the rest is not done yet."""

import numpy as np

np.random.seed(1)
np.set_printoptions(precision=2)


def create_mask_from_window(x: np.ndarray) -> np.ndarray:
    mask = np.zeros_like(x, dtype=bool)
    mask[np.where(x == np.max(x))] = True
    return mask


def distribute_value(dz, shape):
    a = np.empty(shape)
    a.fill(dz / a.size)
    return a


x = np.random.randn(2, 3)
print("x =", x)
print("mask =", create_mask_from_window(x))
