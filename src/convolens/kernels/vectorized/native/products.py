"""Stacks of matrix products in pieces that BLAS is fast at.

OpenBLAS, which NumPy is built with, copies the matrices of a product into blocks first. With few filters that costs as
much as the product. It leaves the copying out for products of at most a million multiplications (and at most 1200
results where the product is along the rows of both matrices), which doubles the speed of the products below. The sizes
of the pieces depend on the shapes alone, and so do the results.
Source: ``interface/gemm.c`` and ``kernel/x86_64/*gemm_small_matrix_permit*.c`` of OpenBLAS 0.3.
"""

from __future__ import annotations

import numpy as np

__all__ = ["multiply", "sum_of_products"]

_SMALL = 1_000_000
_SMALL_RESULTS = 1200
_VECTOR = 32
_FEW_PIECES = 4
"""Into more pieces than this a product is not cut: the columns would be read too often."""


def multiply(matrix: np.ndarray, columns: np.ndarray, out: np.ndarray) -> None:
    """Write ``matrix @ columns``, shapes ``(r, k)`` and ``(..., k, m)``."""
    for some in _pieces(columns.shape[-1], _SMALL // matrix.size):
        np.matmul(matrix, columns[..., some], out=out[..., some])


def sum_of_products(columns: np.ndarray, dy: np.ndarray, out: np.ndarray) -> None:
    """Write the sum of ``columns @ dy.T`` over the stack, shapes ``(s, k, m)`` and ``(s, f, m)``."""
    _, height, width = columns.shape
    filters = dy.shape[1]
    pieces = -(-height * filters // _SMALL_RESULTS)
    rows_step, step = height, width
    if pieces <= _FEW_PIECES:
        rows_step = -(-height // pieces)
        step = _SMALL // (rows_step * filters)
    for first in range(0, height, rows_step):
        rows = slice(first, first + rows_step)
        out[rows] = 0
        for some in _pieces(width, step):
            out[rows] += np.matmul(columns[:, rows, some], dy[:, :, some].transpose(0, 2, 1)).sum(axis=0)


def _pieces(width: int, at_most: int) -> list[slice]:
    """Cut the width into even pieces of whole vectors; not at all, if they would be shorter than one."""
    if at_most < _VECTOR:
        return [slice(0, width)]
    count = -(-width // (at_most // _VECTOR * _VECTOR))
    step = -(-width // (count * _VECTOR)) * _VECTOR
    return [slice(start, start + step) for start in range(0, width, step)]
