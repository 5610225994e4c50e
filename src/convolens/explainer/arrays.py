"""Arrays for the page: one run of float32 numbers, compressed, as text."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

__all__ = ["ArrayStore", "unpack"]


def _compressed(values: np.ndarray) -> bytes:
    """Compress numbers with like bytes together: the exponents of neighbours are nearly the same."""
    planes = np.ascontiguousarray(values, "<f4").view(np.uint8).reshape(-1, 4).T
    return zlib.compress(planes.tobytes(), 9)


class ArrayStore:
    """Collects arrays and leaves out what a size limit has no room for.

    Arrays are kept once, however often they are added. An array added with a ``label`` is optional: the page can
    compute it, or do without.
    """

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []
        self._labels: list[str | None] = []
        self._known: dict[int, int] = {}

    def add(self, array: Any, label: str | None = None) -> int | None:
        """Keep an array and return its number; None for None."""
        if array is None:
            return None
        array = np.asarray(array)
        if id(array) not in self._known:
            self._known[id(array)] = len(self._arrays)
            self._arrays.append(array)
            self._labels.append(label)
        number = self._known[id(array)]
        if label is None:
            self._labels[number] = None
        return number

    def left_out(self, limit: int) -> set[int]:
        """Return the numbers of the largest optional arrays, so many that the rest fits into ``limit`` characters."""
        sizes = [len(_compressed(array)) * 4 / 3 for array in self._arrays]
        optional = sorted((i for i, label in enumerate(self._labels) if label), key=lambda i: sizes[i])
        out: set[int] = set()
        while optional and sum(size for i, size in enumerate(sizes) if i not in out) > limit:
            out.add(optional.pop())
        return out

    def label(self, number: int) -> str:
        """Return what an optional array is."""
        return self._labels[number] or ""

    def packed(self, out: set[int]) -> dict[str, Any]:
        """Return the index of the arrays, an entry per number, and their numbers as text."""
        index: list[dict[str, Any]] = []
        kept: list[np.ndarray] = []
        offset = 0
        for number, array in enumerate(self._arrays):
            if number in out:
                index.append({"shape": [0], "offset": 0})
                continue
            values = np.asarray(array, np.float32).ravel()
            index.append({"shape": list(array.shape), "offset": offset})
            offset += values.size
            kept.append(values)
        values = np.concatenate(kept) if kept else np.zeros(0, np.float32)
        return {"tensors": index, "data": base64.b64encode(_compressed(values)).decode("ascii"), "bytes": 4 * offset}


def unpack(record: dict[str, Any]) -> list[np.ndarray]:
    """Return the arrays of a record, in the order of their numbers: what the page does on opening."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(record["data"])), np.uint8)
    values = np.ascontiguousarray(planes.reshape(4, -1).T).view("<f4").ravel()
    arrays = []
    for entry in record["tensors"]:
        size = int(np.prod(entry["shape"], dtype=int))
        arrays.append(values[entry["offset"] : entry["offset"] + size].reshape(entry["shape"]))
    return arrays
