"""Small files with the names and the form of the real data sets."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

IDX_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def digits_like(count: int, seed: int = 0, side: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """Images whose bright row tells the class: learnable, and different from each other."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % 10
    x = rng.integers(0, 60, (count, side, side))
    for i, label in enumerate(y):
        x[i, 2 * label + 2 : 2 * label + 5] += 180
    return x.astype(np.uint8), y.astype(np.uint8)


def idx_bytes(values: np.ndarray) -> bytes:
    header = (0x0800 + values.ndim).to_bytes(4, "big") + b"".join(n.to_bytes(4, "big") for n in values.shape)
    return header + values.astype(np.uint8).tobytes()


def write_idx(folder: Path, train: int = 40, test: int = 20, packed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = [*digits_like(train, 0), *digits_like(test, 1)]
    for name, values in zip(IDX_NAMES, arrays, strict=True):
        content = idx_bytes(values)
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder


def write_h5(path: Path, part: str, x: np.ndarray, y: np.ndarray, classes: object = None) -> Path:
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y
        if classes is not None:
            file["list_classes"] = classes
    return path


def write_course_pair(folder: Path, name: str, classes: int, channels: int = 3, jpeg: bool = False) -> Path:
    """Write ``train_NAME.h5`` and ``test_NAME.h5`` with a few dozen 64x64 images."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 12 * classes), ("test", 4 * classes)):
        y = np.arange(count) % classes
        x = rng.integers(0, 60, (count, 64, 64, channels))
        for i, label in enumerate(y):
            x[i, 8 * label + 4 : 8 * label + 12] += 150
        stem = f"{part}_{name}_jpeg" if jpeg and part == "train" else f"{part}_{name}"
        write_h5(folder / f"{stem}.h5", part, x.astype(np.uint8), y, np.arange(classes))
    return folder


def write_csv(path: Path, count: int = 60, side: int = 8, classes: int = 3) -> Path:
    """Write a CSV file of small grey images whose bright rows tell the class."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % classes
    x = rng.integers(0, 60, (count, side, side))
    for i, label in enumerate(y):
        x[i, 2 * label + 1 : 2 * label + 3] += 180
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.column_stack([y, x.reshape(count, -1)])
    header = ",".join(["label", *(f"pixel{i}" for i in range(side * side))])
    np.savetxt(path, rows, "%d", ",", header=header, comments="")
    return path
