"""Arrays of tiles: where each cell lies, with a halo of zeros or without, and where whole images come in and go out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from convolens.kernels.compiled import cells
from convolens.kernels.compiled.blocks import offsets
from convolens.kernels.compiled.lanes import LANES
from convolens.kernels.geometry import Pads, Pair

__all__ = ["NO_PADS", "Places", "Shape", "Tiles", "flat", "padded", "tiles_of"]

Shape = tuple[int, int, int]
"""``(c, h, w)`` of an image."""
Places = tuple[int, int, int, int, int]
"""``(origin, tile, channel, row, column)``: the first cell's element offset and the distances between neighbours."""
NO_PADS: Pads = ((0, 0), (0, 0))


def tiles_of(images: int) -> int:
    """Return how many tiles hold so many images."""
    return -(-images // LANES)


def padded(shape: Shape, pads: Pads = NO_PADS, spread: Pair = (1, 1)) -> Places:
    """Return the places of images ``(c, h, w)`` with cells of zeros around them.

    ``spread`` leaves that many rows and columns less one between neighbours, zeros too.
    """
    channels, height, width = shape
    (top, bottom), (left, right) = pads
    rows = top + (height - 1) * spread[0] + 1 + bottom
    columns = left + (width - 1) * spread[1] + 1 + right
    column = LANES
    row = columns * column
    channel = rows * row
    return top * row + left * column, channels * channel, channel, row * spread[0], column * spread[1]


def flat(shape: Shape) -> Places:
    """Return the places of images in the order ``(h, w, c)``, as a flattened channels-last image has them."""
    channels, height, width = shape
    return 0, channels * height * width * LANES, LANES, width * channels * LANES, channels * LANES


@dataclass
class Tiles:
    """Images in the lanes.

    Attributes:
        shape: ``(c, h, w)`` of an image.
        places: where the cells lie.
        array: one axis; zero where no cell lies.
    """

    shape: Shape
    places: Places
    array: np.ndarray

    @classmethod
    def new(cls, count: int, shape: Shape, places: Places, dtype: Any) -> Tiles:
        """Return room for ``count`` tiles, zero."""
        return cls(shape, places, np.zeros(count * places[1], dtype))

    def cells(self) -> np.ndarray:
        """Return where in a tile each cell of a channels-last image lies."""
        channels, height, width = self.shape
        origin, _, channel, row, column = self.places
        return origin + offsets((height, row), (width, column), (channels, channel))

    def enter(self, images: np.ndarray, table: np.ndarray, first: np.ndarray, begin: int, end: int) -> None:
        """Copy channels-last images, each from its ``first`` on in a flat array, into tiles ``begin`` to ``end``."""
        cells.enter(self.array, self.places[1], table, images, first, begin, end)

    def leave(self, images: np.ndarray, table: np.ndarray, begin: int, end: int) -> None:
        """Copy the tiles from ``begin`` to ``end`` to channels-last images, as ``(n, cells)``."""
        cells.leave(images, self.array, self.places[1], table, begin, end)


def shifted(places: Places, rows: int, columns: int) -> Places:
    """Return the places seen from so many cells further down and to the right (or up and to the left)."""
    origin, tile, channel, row, column = places
    return origin + rows * row + columns * column, tile, channel, row, column


def from_tile(places: Places, begin: int) -> Places:
    """Return the places of an array that holds only the tiles from ``begin`` on, for counting from the first tile."""
    return (places[0] - begin * places[1], *places[1:])
