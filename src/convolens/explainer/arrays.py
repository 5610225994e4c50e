"""Arrays for the page: float32 numbers, compressed, as text."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

__all__ = ["ArrayStore", "unpack"]


def _packed(array: np.ndarray) -> str:
    """Compress numbers with like bytes together: the exponents of neighbours are nearly the same."""
    planes = np.ascontiguousarray(array, "<f4").reshape(-1).view(np.uint8).reshape(-1, 4).T
    return base64.b64encode(zlib.compress(planes.tobytes(), 6)).decode("ascii")


def _unpacked(text: str) -> np.ndarray:
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8)
    return np.ascontiguousarray(planes.reshape(4, -1).T).view("<f4").reshape(-1)


class ArrayStore:
    """Collects arrays and leaves out what a size limit has no room for.

    Arrays are kept once, however often they are added. An array added with a ``label`` is optional: the page can
    compute it, or do without.
    """

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []
        self._texts: list[str] = []
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
            self._texts.append(_packed(array))
            self._labels.append(label)
        number = self._known[id(array)]
        if label is None:
            self._labels[number] = None
        return number

    def left_out(self, limit: int) -> set[int]:
        """Return the numbers of the largest optional arrays, so many that the rest fits into ``limit`` characters."""
        sizes = [len(text) for text in self._texts]
        optional = sorted((i for i, label in enumerate(self._labels) if label), key=lambda i: sizes[i])
        out: set[int] = set()
        total = sum(sizes)
        while optional and total > limit:
            out.add(optional.pop())
            total = sum(size for i, size in enumerate(sizes) if i not in out)
        return out

    def label(self, number: int) -> str:
        """Return what an optional array is."""
        return self._labels[number] or ""

    def packed(self, out: set[int]) -> list[dict[str, Any]]:
        """Return an entry per array, empty for those left out."""
        return [
            {"shape": [0], "data": ""} if number in out else {"shape": list(array.shape), "data": text}
            for number, (array, text) in enumerate(zip(self._arrays, self._texts, strict=True))
        ]


def unpack(record: dict[str, Any]) -> list[np.ndarray]:
    """Return the arrays of a record, in the order of their numbers: what the page does on opening."""
    return [
        _unpacked(entry["data"]).reshape(entry["shape"]) if entry["data"] else np.zeros(0, np.float32)
        for entry in record["tensors"]
    ]
