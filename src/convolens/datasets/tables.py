"""Images in a CSV file (one row per image) and in folders (one folder per class)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .dataset import Dataset, Source, assemble
from .formats import read_bytes, sha256
from .images import IMAGE_SUFFIXES, is_gray, read_image
from .splits import stratified_split

__all__ = ["load_csv", "load_folder", "read_csv"]


def load_csv(
    path: str | Path, label: str = "label", test: str | Path | None = None, test_size: float = 0.2, seed: int = 0
) -> Dataset:
    """Load a CSV file with one image per row: a label and then its pixels in row-major order.

    The file may have a header; without one the label is the first column. The pixels make a square image, grey
    (784 columns: 28x28) or in colour with channels last (12288 columns: 64x64x3).

    Args:
        path: the file, plain or gzipped.
        label: the label's column, if there is a header. Labels may be numbers or words.
        test: a second file of the same form as the test set; without it a share of the first is set aside.
        test_size: that share, stratified by class.
        seed: the seed of that split.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if the label column is missing, a pixel is missing or out of 0..255, or no square image fits.
    """
    path = Path(path)
    source = Source({str(path): sha256(path)} if path.is_file() else {})
    x, labels = read_csv(path, label)
    if test is None:
        class_names, y = _as_classes(labels)
        first, second = stratified_split(y, test_size, seed)
        source.notes.append(_split_note(test_size, seed))
        train, held_out = (x[first], y[first]), (x[second], y[second])
    else:
        x_test, test_labels = read_csv(test, label)
        source.files[str(test)] = sha256(test)
        class_names, y = _as_classes(labels)
        number = {name: i for i, name in enumerate(class_names)}
        y_test = [number.get(name, -1) for name in map(_class_name, test_labels)]
        if min(y_test) < 0:
            stray = _class_name(test_labels[y_test.index(-1)])
            raise ValueError(f"{test}: label {stray!r} is in no row of {path}; expected one of {_few(class_names)}.")
        train, held_out = (x, y), (x_test, np.array(y_test))
    return assemble(path.name, train, held_out, class_names, f"Images from the rows of {path.name}.", source=source)


def read_csv(path: str | Path, label: str = "label") -> tuple[np.ndarray, np.ndarray]:
    """Read images ``(n, h, w, c)`` and labels ``(n,)`` (numbers or strings) from a CSV file."""
    import io

    import pandas as pd

    content = read_bytes(path)
    first_row = content.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip().split(",")
    cells = [cell.strip('" ') for cell in first_row]
    numbered = cells[1:] == [str(i) for i in range(len(cells) - 1)]  # pandas's names of nameless columns
    header = label in cells or numbered or not all(map(_is_number, cells[1:]))
    try:
        frame = pd.read_csv(io.BytesIO(content), header=0 if header else None)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as CSV ({str(error).strip()}).") from None
    if header and label not in frame.columns and len(cells) == 1 and ";" in cells[0]:
        raise ValueError(f"{path}: its cells are separated by ';'; expected ','.")
    if header and label not in frame.columns:
        raise ValueError(
            f"{path}: has no column {label!r}; its columns are {_few(frame.columns)}. Name the label's column."
        )
    frame = frame.drop(columns=[c for c in frame.columns if str(c).startswith("Unnamed:")])  # an index pandas wrote
    if not len(frame):
        raise ValueError(f"{path}: has no rows; expected one per image.")
    labels = frame.pop(label if header else frame.columns[0])
    if labels.isna().any():
        raise ValueError(f"{path}: row {_first(labels.isna())} has no label.")
    words = [column for column in frame.columns if frame[column].dtype.kind not in "iufb"]
    if words:
        raise ValueError(
            f"{path}: column {str(words[0])!r} is not numeric; expected pixels from 0 to 255 beside the label."
        )
    missing = frame.isna().any(axis=1)
    if missing.any():
        raise ValueError(f"{path}: row {_first(missing)} has a missing (NaN) pixel; expected 0 to 255 in every column.")
    return _as_images(frame.to_numpy(), path), labels.to_numpy()


def _as_images(pixels: np.ndarray, path: str | Path) -> np.ndarray:
    count = pixels.shape[1]
    for channels in (1, 3):
        side = round((count / channels) ** 0.5)
        if side and side * side * channels == count:
            return pixels.reshape(-1, side, side, channels)
    raise ValueError(f"{path}: {count} pixel columns make no square image; expected side x side, or side x side x 3.")


def _as_classes(labels: np.ndarray) -> tuple[list[str], np.ndarray]:
    values, y = np.unique(labels, return_inverse=True)
    return [_class_name(value) for value in values], y


def _class_name(label: Any) -> str:
    """Return ``"3"`` for 3 and for 3.0, words as they are."""
    return str(int(label)) if not isinstance(label, str) and label == int(label) else str(label)


def load_folder(path: str | Path, size: int | tuple[int, int] = 64, test_size: float = 0.2, seed: int = 0) -> Dataset:
    """Load a folder of images that has one folder per class, named after the class.

    Args:
        path: the folder.
        size: height and width that every image is brought to, or one number for both.
        test_size: the share of each class that becomes the test set.
        seed: the seed of that split.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it has fewer than two folders with images, or a file cannot be read as an image.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder.")
    height, width = (size, size) if isinstance(size, int) else size
    folders = {entry.name: _images_in(entry) for entry in sorted(path.iterdir()) if entry.is_dir()}
    empty = [name for name, files in folders.items() if not files]
    without = f" No image is in {', '.join(empty)}." if empty else ""
    folders = {name: files for name, files in folders.items() if files}
    if len(folders) < 2:
        raise ValueError(
            f"{path}: found {len(folders)} folders with images; expected one folder per class, at least two "
            f"({', '.join(sorted(IMAGE_SUFFIXES))}).{without}"
        )
    if all(len({file.parent for file in files} - {path / name}) > 1 for name, files in folders.items()):
        raise ValueError(
            f"{path}: the images are in folders of {' and '.join(folders)}; expected one folder per class in {path} "
            "itself. A test set is split off by a seed."
        )
    files = [file for members in folders.values() for file in members]
    channels = 1 if all(is_gray(file) for file in files) else 3
    x = np.stack([read_image(file, (height, width), channels) for file in files])
    y = np.repeat(np.arange(len(folders)), [len(members) for members in folders.values()])
    first, second = stratified_split(y, test_size, seed)
    notes = [_split_note(test_size, seed), *([without.strip()] if without else [])]
    source = Source({str(file): sha256(file) for file in files}, notes)
    description = f"{len(files)} images from the folders of {path.name}, at {height}x{width}."
    return assemble(path.name, (x[first], y[first]), (x[second], y[second]), list(folders), description, source=source)


def _images_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file())


def _split_note(test_size: float, seed: int) -> str:
    return f"The test set is a stratified share of {test_size:g} of the images, seed {seed}."


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return not cell.strip()
    return True


def _few(names: Any) -> str:
    shown = [str(name) for name in names[:6]]
    return ", ".join(shown) + (", ..." if len(names) > 6 else "")


def _first(mask: Any) -> int:
    """Number of the first marked row, counted from 1 without the header."""
    return int(np.flatnonzero(mask.to_numpy())[0]) + 1
