"""Readers of the file formats: IDX, NumPy's ``.npz`` and the course's HDF5 pairs, each plain or gzipped."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .dataset import Dataset, Source, assemble

__all__ = ["load_h5", "load_idx", "read_bytes", "read_h5", "read_idx", "read_npz", "sha256"]

Arrays = tuple[np.ndarray, np.ndarray]


def read_bytes(path: str | Path) -> bytes:
    """Return a file's content, unpacked if it is gzipped.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is empty or the gzip stream is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file.")
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path}: the gzip file is damaged ({error}). Fetch or copy it again.") from None
    if not content:
        raise ValueError(f"{path}: the file is empty. Fetch or copy it again.")
    return content


def sha256(path: str | Path) -> str:
    """Return the SHA-256 checksum of a file as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_idx(images: str | Path, labels: str | Path) -> Arrays:
    """Read a pair of IDX files, the format of MNIST, plain or gzipped.

    Args:
        images: file of images (magic number 2051).
        labels: file of labels (magic number 2049).

    Returns:
        Images ``(n, h, w)`` and labels ``(n,)``, both ``uint8``.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged, is no IDX file of that kind, or the counts differ.
    """
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if len(x) != len(y):
        raise ValueError(f"{images} holds {len(x)} images but {labels} holds {len(y)} labels; expected one for each.")
    return x, y


def read_idx(path: str | Path, ndim: int) -> np.ndarray:
    """Read one IDX file of unsigned bytes with ``ndim`` axes.

    The format is big-endian: two zero bytes, the type (8 = unsigned byte), the number of axes, the length of each
    axis as a 32-bit integer, then the values in row-major order.
    """
    content = read_bytes(path)
    magic = int.from_bytes(content[:4], "big")
    if magic != 0x0800 + ndim:
        what = "images" if ndim == 3 else "labels"
        raise ValueError(
            f"{path}: the magic number is {magic}; expected {0x0800 + ndim} for an IDX file of {what}. "
            "Is it another file, or are images and labels exchanged?"
        )
    header = 4 + 4 * ndim
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, header, 4))
    expected = header + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise ValueError(
            f"{path}: {len(content)} bytes for {'x'.join(map(str, shape))} values; expected {expected}. "
            "The file is damaged: fetch or copy it again."
        )
    if not all(shape):
        raise ValueError(f"{path}: holds no values (shape {shape}); expected at least one image.")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_npz(path: str | Path) -> tuple[Arrays, Arrays]:
    """Read ``x_train``, ``y_train``, ``x_test``, ``y_test`` from an ``.npz`` file, as Keras stores MNIST."""
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise KeyError(f"has no array {', '.join(missing)}; found {', '.join(file.files) or 'none'}")
            x_train, y_train, x_test, y_test = (file[name] for name in names)
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]}; expected {', '.join(names)}.") from None
    except (zipfile.BadZipFile, AttributeError, EOFError, OSError, ValueError, zlib.error) as error:
        if isinstance(error, FileNotFoundError) or str(path) in str(error):
            raise
        raise ValueError(f"{path}: cannot be read as an .npz file ({error}).") from None
    return (x_train, y_train), (x_test, y_test)


def read_h5(path: str | Path, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Read ``{part}_set_x``, ``{part}_set_y`` and ``list_classes`` (None if absent) from a course file."""
    import h5py

    content = read_bytes(path)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            missing = [key for key in (f"{part}_set_x", f"{part}_set_y") if key not in file]
            if missing:
                raise KeyError(f"has no data set {' and no '.join(missing)}; found {', '.join(file) or 'none'}")
            x, y = file[f"{part}_set_x"][()], file[f"{part}_set_y"][()]
            classes = file["list_classes"][()] if "list_classes" in file else None
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]}. Is this the {part} file?") from None
    except (OSError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{path}: cannot be read as an HDF5 file ({str(error).splitlines()[0]}).") from None
    return x, y, classes


def load_h5(train: str | Path, test: str | Path) -> Dataset:
    """Load a pair of HDF5 files in the course's form.

    The training file holds ``train_set_x``, ``train_set_y`` and the test file ``test_set_x``, ``test_set_y``: images
    ``(n, h, w, c)`` from 0 to 255 and labels ``(n,)`` or ``(1, n)``. Class names come from ``list_classes``.

    Args:
        train: the training file.
        test: the test file.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged, lacks a data set, or holds images or labels that do not fit.
    """
    paths = [Path(train), Path(test)]
    source = Source({str(path): sha256(path) for path in paths if path.is_file()})
    return h5_dataset(f"{paths[0].stem}+{paths[1].stem}", paths[0], paths[1], source)


def h5_dataset(
    name: str, train: Path, test: Path, source: Source, class_names: list[str] | None = None, description: str = ""
) -> Dataset:
    """Assemble a data set from two course files; ``class_names`` replace classes that are mere numbers."""
    x_train, y_train, classes = read_h5(train, "train")
    x_test, y_test, _ = read_h5(test, "test")
    return assemble(
        name,
        (x_train, y_train),
        (x_test, y_test),
        _class_names(classes, y_train, class_names, train),
        description or f"{train.name} and {test.name}, in the course's HDF5 form.",
        source=source,
    )


def _class_names(classes: Any, y: np.ndarray, known: list[str] | None, path: Path) -> list[str]:
    if classes is None:
        if known:
            return known
        if not y.size or y.dtype.kind not in "iuf" or not np.isfinite(y).all():
            raise ValueError(f"{path}: has no list_classes, and its labels are not whole numbers.")
        return [str(i) for i in range(int(y.max()) + 1)]
    names = [c.decode("utf-8", "replace") if isinstance(c, bytes) else str(c) for c in np.ravel(classes)]
    numbered = names == [str(i) for i in range(len(names))]
    return known if known and numbered and len(known) == len(names) else names
