"""Every damaged or unfit input gives one line that says what was found and what was expected."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convolens import datasets
from convolens.datasets import DataWarning
from lookalikes import IDX_NAMES, digits_like, idx_bytes, write_h5, write_idx


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def corrupt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(bytes(content))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def not_idx(path: Path) -> None:
    path.write_bytes(gzip.compress(b"<html>403 Forbidden</html>"))


def shorter(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "gzip file is damaged"),
        (corrupt, "gzip file is damaged"),
        (empty, "the file is empty"),
        (not_idx, "magic number is 1013478509; expected 2051"),
        (shorter, "31375 bytes for 40x28x28 values; expected 31376"),
    ],
)
@pytest.mark.filterwarnings("ignore::convolens.datasets.DataWarning")
def test_damaged_idx_file(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    path = write_idx(tmp_path / "mnist") / f"{IDX_NAMES[0]}.gz"
    damage(path)
    with pytest.raises(ValueError, match=message) as error:
        datasets.load("mnist", tmp_path)
    assert str(path) in one_line(error)


def test_images_and_labels_exchanged_or_of_other_counts(tmp_path: Path) -> None:
    folder = write_idx(tmp_path, packed=False)
    images, labels = folder / IDX_NAMES[0], folder / IDX_NAMES[1]
    with pytest.raises(ValueError, match="magic number is 2049; expected 2051"):
        datasets.load_idx(labels, images)
    with pytest.raises(ValueError, match=r"40 images but .* holds 20 labels"):
        datasets.load_idx(images, folder / IDX_NAMES[3])
    with pytest.raises(FileNotFoundError, match="no such file"):
        datasets.load_idx(tmp_path / "none", labels)
    (tmp_path / "void").write_bytes(idx_bytes(np.zeros((0, 28, 28))))
    with pytest.raises(ValueError, match="holds no values"):
        datasets.load_idx(tmp_path / "void", labels)


def pair(tmp_path: Path, **changes: np.ndarray) -> tuple[Path, Path]:
    parts = {
        "x_train": np.full((4, 8, 8, 3), 100, np.uint8),
        "y_train": np.array([0, 1, 0, 1]),
        "x_test": np.full((2, 8, 8, 3), 100, np.uint8),
        "y_test": np.array([0, 1]),
    } | changes
    return (
        write_h5(tmp_path / "a.h5", "train", parts["x_train"], parts["y_train"], np.array([b"no", b"yes"])),
        write_h5(tmp_path / "b.h5", "test", parts["x_test"], parts["y_test"]),
    )


def with_nan() -> np.ndarray:
    x = np.full((4, 8, 8, 3), 0.5, np.float32)
    x[2, 0, 0, 0] = np.nan
    return x


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": with_nan()}, "training set: 1 pixels are NaN or infinite, the first in image 2"),
        ({"x_train": np.full((4, 8, 8, 3), 300)}, "pixels go from 300 to 300; expected 0 to 255"),
        ({"x_train": np.full((4, 8, 8, 3), -1)}, "pixels go from -1 to -1"),
        ({"x_train": np.zeros((0, 8, 8, 3), np.uint8), "y_train": np.zeros(0, int)}, "training set is empty"),
        ({"x_train": np.zeros((4, 8, 8, 2), np.uint8)}, "with 1 or 3 channels"),
        ({"x_train": np.zeros((4, 64), np.uint8)}, r"shape \(4, 64\); expected \(n, height, width\)"),
        ({"y_train": np.array([0, 1])}, "has 4 images but 2 labels"),
        ({"y_train": np.array([0, 1, 2, 1])}, "label of image 2 is 2; expected a whole number from 0 to 1"),
        ({"y_train": np.array([0, 1, -1, 1])}, "label of image 2 is -1"),
        ({"y_train": np.array([0, 1, 0.5, 1])}, "label of image 2 is 0.5"),
        ({"y_train": np.array([0, 1, np.nan, 1])}, "label of image 2 is nan"),
        ({"x_test": np.zeros((2, 9, 8, 3), np.uint8)}, r"shape \(8, 8, 3\) and test images \(9, 8, 3\)"),
    ],
)
def test_unfit_arrays(tmp_path: Path, changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        datasets.load_h5(*pair(tmp_path, **changes))
    one_line(error)


def test_damaged_h5(tmp_path: Path) -> None:
    train, test = pair(tmp_path)
    with pytest.raises(ValueError, match=r"b.h5: has no data set train_set_x and no train_set_y; found test_set_x"):
        datasets.load_h5(test, train)
    truncated = train.read_bytes()[:600]
    train.write_bytes(truncated)
    with pytest.raises(ValueError, match="cannot be read as an HDF5 file"):
        datasets.load_h5(train, test)
    with pytest.raises(FileNotFoundError, match=r"c.h5: no such file"):
        datasets.load_h5(tmp_path / "c.h5", test)


def test_h5_label_shapes_and_names(tmp_path: Path) -> None:
    flat = datasets.load_h5(*pair(tmp_path / "flat"))
    row = datasets.load_h5(*pair(tmp_path / "row", y_train=np.array([[0, 1, 0, 1]]), y_test=np.array([[0, 1]])))
    np.testing.assert_array_equal(flat.y_train, row.y_train)
    assert row.y_train.shape == (4,)
    assert flat.class_names == ["no", "yes"]
    scaled = datasets.load_h5(*pair(tmp_path / "scaled", x_train=np.full((4, 8, 8, 3), 0.2)))
    np.testing.assert_array_equal(scaled.raw.x_train, 51)


def test_npz(tmp_path: Path) -> None:
    (x, y), path = digits_like(10), tmp_path / "mnist.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x)
    with pytest.raises(ValueError, match="has no array y_test; found x_train, y_train, x_test"):
        datasets.mnist.load_data(str(path))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"cannot be read as an \.npz file"):
        datasets.mnist.load_data(str(path))
    np.savez(path, x_train=np.array([{}], dtype=object), y_train=y, x_test=x, y_test=y)
    with pytest.raises(ValueError, match=r"cannot be read as an \.npz file"):
        datasets.mnist.load_data(str(path))


def test_one_warning_names_all_files(tmp_path: Path) -> None:
    write_idx(tmp_path / "mnist")
    with pytest.warns(DataWarning) as caught:
        datasets.load("mnist", tmp_path)
    assert all(f"{name}.gz" in str(caught[0].message) for name in IDX_NAMES)
