"""CSV files and folders of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from convolens.datasets import load_csv, load_folder, read_image
from lookalikes import digits_like


def frame(count: int = 40, side: int = 4, label: str = "label") -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.integers(0, 256, (count, side * side)))
    table.insert(0, label, np.arange(count) % 4)
    return table


def test_csv_with_and_without_header_and_in_any_column(tmp_path: Path) -> None:
    table = frame()
    table.to_csv(tmp_path / "header.csv", index=False)
    table.to_csv(tmp_path / "none.csv", index=False, header=False)
    table.to_csv(tmp_path / "index.csv.gz")
    table[[*table.columns[1:], "label"]].to_csv(tmp_path / "last.csv", index=False)
    one = load_csv(tmp_path / "header.csv")
    for other in ("none.csv", "index.csv.gz", "last.csv"):
        two = load_csv(tmp_path / other)
        np.testing.assert_array_equal(one.raw.x_train, two.raw.x_train)
        np.testing.assert_array_equal(one.y_test, two.y_test)
    assert one.image_shape == (4, 4, 1)
    assert (len(one.x_train), len(one.x_test)) == (32, 8)
    assert one.class_names == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(np.bincount(one.y_test), [2, 2, 2, 2])


def test_csv_rows_are_images_in_row_major_order(tmp_path: Path) -> None:
    x, y = digits_like(20)
    table = pd.DataFrame(x.reshape(20, -1))
    table.insert(0, "digit", y)
    table.to_csv(tmp_path / "a.csv", index=False)
    found = load_csv(tmp_path / "a.csv", label="digit", test=tmp_path / "a.csv")
    np.testing.assert_array_equal(found.raw.x_train[..., 0], x)
    np.testing.assert_array_equal(found.y_test, y)


def test_csv_colour_and_named_classes(tmp_path: Path) -> None:
    table = pd.DataFrame(np.arange(4 * 12).reshape(4, 12))
    table["label"] = ["cat", "dog", "cat", "dog"]
    table.to_csv(tmp_path / "c.csv", index=False)
    found = load_csv(tmp_path / "c.csv", test_size=0.5)
    assert found.image_shape == (2, 2, 3)
    assert found.class_names == ["cat", "dog"]
    assert load_csv(tmp_path / "c.csv", test_size=0.5, seed=3).y_train.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename(columns={"label": "kind"}), "has no column 'label'; its columns are kind, 0, 1"),
        (lambda t: t.drop(columns=[3]), "15 pixel columns make no square image"),
        (lambda t: t.assign(extra="word"), "column 'extra' is not numeric"),
        (lambda t: t.where(t[2] != t[2][5]), "has no label"),
        (lambda t: t.mask(t == t[7][3]), "missing|no label"),
        (lambda t: t * 2, "pixels go from .* expected 0 to 255"),
        (lambda t: t.iloc[:0], "has no rows"),
    ],
)
def test_bad_csv(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "bad.csv"
    change(frame()).to_csv(path, index=False)
    with pytest.raises(ValueError, match=message) as error:
        load_csv(path)
    assert "\n" not in str(error.value)


def test_csv_test_file_with_an_unknown_label(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "a.csv", index=False)
    frame().assign(label=9).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(ValueError, match=r"b.csv: label '9' is in no row of .*a.csv; expected one of 0, 1, 2, 3"):
        load_csv(tmp_path / "a.csv", test=tmp_path / "b.csv")
    with pytest.raises(FileNotFoundError):
        load_csv(tmp_path / "a.csv", test=tmp_path / "none.csv")


def paint(folder: Path, count: int, color: tuple[int, int, int], mode: str = "RGB") -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (30 + i, 20), color).convert(mode).save(folder / f"{i}.png")


def test_folder_of_classes(tmp_path: Path) -> None:
    paint(tmp_path / "set" / "red", 5, (255, 0, 0))
    paint(tmp_path / "set" / "blue", 10, (0, 0, 255))
    (tmp_path / "set" / "notes.txt").write_text("not an image")
    found = load_folder(tmp_path / "set", size=(16, 24))
    assert found.class_names == ["blue", "red"]
    assert found.image_shape == (16, 24, 3)
    assert (len(found.x_train), len(found.x_test)) == (12, 3)
    np.testing.assert_array_equal(found.x_train[found.y_train == 1].mean(axis=(0, 1, 2)), [1, 0, 0])
    assert len(found.source.files) == 15
    paint(tmp_path / "grey" / "dark", 3, (30, 30, 30), "L")
    paint(tmp_path / "grey" / "light", 3, (200, 200, 200), "L")
    assert load_folder(tmp_path / "grey", size=8).image_shape == (8, 8, 1)


def test_bad_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_folder(tmp_path / "none")
    paint(tmp_path / "one" / "red", 2, (255, 0, 0))
    with pytest.raises(ValueError, match="found 1 folders with images; expected one folder per class"):
        load_folder(tmp_path / "one")
    paint(tmp_path / "one" / "blue", 2, (0, 0, 255))
    broken = tmp_path / "one" / "blue" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"1\.png: cannot be read as an image"):
        load_folder(tmp_path / "one")


@pytest.mark.parametrize(
    ("mode", "color", "grey"),
    [
        ("L", 128, 128), ("1", 1, 255), ("P", 0, 0), ("RGB", (128, 128, 128), 128), ("CMYK", (0, 0, 0, 127), 128),
        ("RGBA", (0, 0, 0, 0), 255), ("LA", (0, 128), 127), ("I;16", 65535, 255), ("F", 77.0, 77),
        ("HSV", (0, 0, 99), 99),
    ],
)  # fmt: skip
def test_read_image_of_any_mode(tmp_path: Path, mode: str, color: object, grey: int) -> None:
    path = tmp_path / "image.tiff"
    if mode == "HSV":
        Image.new("HSV", (20, 10), color).convert("RGB").save(path)  # type: ignore[arg-type]
    else:
        Image.new(mode, (20, 10), color).save(path)  # type: ignore[arg-type]
    for channels in (1, 3):
        pixels = read_image(path, (7, 5), channels)
        assert pixels.shape == (7, 5, channels)
        assert pixels.dtype == np.uint8
        assert np.all(np.abs(pixels.astype(int) - grey) <= 1)


def test_read_image_turns_a_photograph_upright_and_keeps_an_exact_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", (6, 4)), pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter: the first row is the right side
    Image.fromarray(pixels).save(tmp_path / "b.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "b.png", (4, 6)), np.rot90(pixels, -1))


def test_read_image_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such image file"):
        read_image(tmp_path / "none.png", (8, 8))
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match="cannot be read as an image") as error:
        read_image(tmp_path / "text.png", (8, 8))
    assert "\n" not in str(error.value)


def test_folders_within_the_folders_are_not_taken_for_classes(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("up", "left"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("L", (8, 8)).save(tmp_path / part / name / "a.png")
    with pytest.raises(ValueError, match=r"folders of test and train; expected one folder per class"):
        load_folder(tmp_path)


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    for name in ("up", "left", "gone"):
        (tmp_path / name).mkdir()
    for number in range(4):
        Image.new("L", (8, 8), 9 * number).save(tmp_path / "up" / f"{number}.png")
    with pytest.raises(ValueError, match=r"No image is in gone, left\."):
        load_folder(tmp_path)
    for number in range(4):
        Image.new("L", (8, 8), 200 + 9 * number).save(tmp_path / "left" / f"{number}.png")
    found = load_folder(tmp_path, size=8)
    assert found.class_names == ["left", "up"]
    assert "No image is in gone." in found.source.notes


def test_one_class_and_other_separators_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (20, 64))
    np.savetxt(tmp_path / "one.csv", np.column_stack([np.ones(20, int), pixels]), "%d", ",")
    with pytest.raises(ValueError, match=r"one\.csv: one class only \(1\); expected at least two"):
        load_csv(tmp_path / "one.csv")
    np.savetxt(tmp_path / "semi.csv", np.column_stack([np.arange(20) % 2, pixels]), "%d", ";")
    with pytest.raises(ValueError, match="separated by ';'; expected ','"):
        load_csv(tmp_path / "semi.csv")
