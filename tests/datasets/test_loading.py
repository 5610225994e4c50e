"""Named data sets: where they are searched, checked and fetched, and what is said when they are not there."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from convolens import datasets
from convolens.datasets import DataWarning, catalog
from convolens.datasets.files import DataFile, Recipe
from lookalikes import IDX_NAMES, digits_like, idx_bytes, write_course_pair, write_h5, write_idx

NOWHERE = ("http://127.0.0.1:9/",)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mnist", "fashion_mnist"):
        entry = catalog.ENTRIES[name]
        monkeypatch.setitem(
            catalog.ENTRIES, name, catalog.Entry(entry.description, entry.class_names, entry.recipes, NOWHERE)
        )


def test_digits_are_bundled_scans_with_a_stratified_quarter_held_out() -> None:
    from sklearn.datasets import load_digits

    digits = datasets.load("digits")
    assert digits.x_train.shape == (1347, 8, 8, 1)
    assert digits.x_test.shape == (450, 8, 8, 1)
    assert digits.x_train.dtype == np.float32
    assert digits.y_train.dtype == np.int64
    assert digits.raw.x_train.dtype == np.uint8
    shares = np.bincount(digits.y_test) / (np.bincount(digits.y_train) + np.bincount(digits.y_test))
    assert np.all(np.abs(shares - 0.25) < 0.01)
    bundle = load_digits()
    both = np.concatenate([digits.x_train, digits.x_test]).reshape(-1, 64) * 16
    assert sorted(map(tuple, both)) == sorted(map(tuple, bundle.data))


@pytest.mark.parametrize("packed", [True, False])
def test_mnist_from_idx_files(tmp_path: Path, packed: bool) -> None:
    write_idx(tmp_path / "mnist", packed=packed)
    with pytest.warns(DataWarning, match="checksum") as caught:
        mnist = datasets.load("mnist", tmp_path)
    assert len(caught) == 1
    x, y = digits_like(40)
    np.testing.assert_array_equal(mnist.raw.x_train[..., 0], x)
    np.testing.assert_array_equal(mnist.x_train[..., 0], x.astype("float32") / 255)
    np.testing.assert_array_equal(mnist.y_train, y)
    file = tmp_path / "mnist" / (IDX_NAMES[0] + (".gz" if packed else ""))
    assert mnist.source.files[str(file)] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert any("checksum" in note for note in mnist.source.notes)


@pytest.mark.parametrize("name", ["fashion_mnist", "fashion-mnist"])
def test_folder_names_with_either_dash(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_idx(tmp_path / name)
    monkeypatch.setenv("CONVOLENS_DATA", str(tmp_path))
    with pytest.warns(DataWarning):
        assert datasets.load("fashion_mnist").class_names[9] == "Ankle boot"
    with pytest.warns(DataWarning):
        assert len(datasets.load("fashion-mnist").x_train) == 40


def test_search_order_is_argument_then_environment_then_cache(
    tmp_path: Path, isolate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(isolate / "mnist", train=10)
    with pytest.warns(DataWarning):
        assert len(datasets.load("mnist").x_train) == 10
    write_idx(tmp_path / "environment" / "mnist", train=20)
    monkeypatch.setenv("CONVOLENS_DATA", str(tmp_path / "environment"))
    with pytest.warns(DataWarning):
        assert len(datasets.load("mnist").x_train) == 20
    write_idx(tmp_path / "argument" / "mnist", train=30)
    with pytest.warns(DataWarning):
        assert len(datasets.load("mnist", tmp_path / "argument").x_train) == 30


def test_load_data_is_keras_s(tmp_path: Path, isolate: Path) -> None:
    write_idx(isolate / "mnist")
    with pytest.warns(DataWarning):
        (x_train, y_train), (x_test, y_test) = datasets.mnist.load_data()
    assert x_train.shape == (40, 28, 28)
    assert x_test.shape == (20, 28, 28)
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    np.savez(tmp_path / "own.npz", x_train=x_train[:7], y_train=y_train[:7], x_test=x_test, y_test=y_test)
    (x_own, _), _ = datasets.mnist.load_data(str(tmp_path / "own.npz"))
    np.testing.assert_array_equal(x_own, x_train[:7])
    write_idx(isolate / "fashion_mnist", train=11)
    with pytest.warns(DataWarning):
        assert len(datasets.fashion_mnist.load_data()[0][0]) == 11


def test_mnist_from_npz_and_csv(tmp_path: Path) -> None:
    (x, y), (a, b) = digits_like(30), digits_like(20, 1)
    (tmp_path / "one" / "mnist").mkdir(parents=True)
    np.savez(tmp_path / "one" / "mnist" / "mnist.npz", x_train=x, y_train=y, x_test=a, y_test=b)
    with pytest.warns(DataWarning):
        by_npz = datasets.load("mnist", tmp_path / "one")
    (tmp_path / "two" / "mnist").mkdir(parents=True)
    header = ",".join(["label", *(f"{i}x{j}" for i in range(28) for j in range(28))])
    for stem, pixels, labels in (("train", x, y), ("test", a, b)):
        rows = np.column_stack([labels, pixels.reshape(len(pixels), -1)])
        np.savetxt(tmp_path / "two" / "mnist" / f"mnist_{stem}.csv", rows, "%d", ",", header=header, comments="")
    by_csv = datasets.load("mnist", tmp_path / "two")
    np.testing.assert_array_equal(by_npz.x_train, by_csv.x_train)
    np.testing.assert_array_equal(by_npz.y_test, by_csv.y_test)


def test_missing_happy_names_files_checksums_and_folder(tmp_path: Path) -> None:
    write_h5(tmp_path / "happy" / "test_happy.h5", "test", np.zeros((2, 64, 64, 3), np.uint8), np.array([0, 1]))
    with pytest.raises(FileNotFoundError) as error:
        datasets.load("happy", tmp_path)
    message = str(error.value)
    assert "\n" not in message
    for part in (
        "train_happy.h5",
        "65cbc8a1b83b0b8fa76026f37ba6421a8a29f90a223c31799a1d808bc7d19566",
        "test_happy.h5",
        "5e23db2f28769de83214dce1411e651489d713f9e1ec5d1ca6a61b6222115add",
        str(tmp_path / "happy"),
    ):
        assert part in message


def test_missing_mnist_after_every_mirror_failed(offline: None) -> None:
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz \(sha256 440fcabf") as error:
        datasets.load("mnist")
    assert "could not be fetched" in str(error.value)
    assert "\n" not in str(error.value)


def test_signs_takes_the_jpeg_file_only_if_it_must_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_course_pair(tmp_path / "signs", "signs", 6, jpeg=True)
    with pytest.warns(DataWarning):
        signs = datasets.load("signs", tmp_path)
    assert "train_signs_jpeg.h5 stands in for train_signs.h5" in capsys.readouterr().err
    assert any("train_signs_jpeg.h5 stands in" in note for note in signs.source.notes)
    write_course_pair(tmp_path / "signs", "signs", 6)
    with pytest.warns(DataWarning):
        signs = datasets.load("signs", tmp_path)
    assert not any("stands in" in note for note in signs.source.notes)
    assert "stands in" not in capsys.readouterr().err


@pytest.mark.parametrize(("name", "classes", "channels"), [("happy", 2, 3), ("smiles", 2, 1)])
def test_course_sets(tmp_path: Path, name: str, classes: int, channels: int) -> None:
    write_course_pair(tmp_path / name, name, classes, channels)
    with pytest.warns(DataWarning):
        found = datasets.load(name, tmp_path)
    assert found.image_shape == (64, 64, channels)
    assert found.class_names == ["not smiling", "smiling"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("minst", "Did you mean 'mnist'"), ("cifar", "Known: digits, mnist")],
)
def test_unknown_name(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        datasets.load(name)


def test_data_dir_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such data folder"):
        datasets.load("mnist", tmp_path / "typo")


@pytest.fixture
def mirrors(tmp_path: Path) -> Iterator[tuple[str, str, Recipe]]:
    """Two mirrors on this machine: the first serves damaged files."""
    arrays = [*digits_like(20), *digits_like(10, 1)]
    files = []
    for name, values in zip(IDX_NAMES, arrays, strict=True):
        content = idx_bytes(values)
        packed = gzip.compress(content, mtime=0)
        for folder, served in (("bad", packed[:-9]), ("good", packed)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.gz").write_bytes(served)
        files.append(DataFile(name, hashlib.sha256(content).hexdigest(), hashlib.sha256(packed).hexdigest()))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    root = f"http://127.0.0.1:{server.server_address[1]}"
    yield f"{root}/bad/", f"{root}/good/", Recipe("idx", tuple(files))
    server.shutdown()
    thread.join()
    server.server_close()


def test_fetch_checks_and_uses_the_second_mirror(
    mirrors: tuple[str, str, Recipe], monkeypatch: pytest.MonkeyPatch, isolate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good, recipe = mirrors
    entry = catalog.ENTRIES["mnist"]
    monkeypatch.setitem(
        catalog.ENTRIES, "mnist", catalog.Entry(entry.description, entry.class_names, (recipe,), (bad, good))
    )
    mnist = datasets.load("mnist")  # no warning: the checksums are right
    assert len(mnist.x_train) == 20
    assert (isolate / "mnist" / f"{IDX_NAMES[0]}.gz").is_file()
    assert bad in capsys.readouterr().err
    monkeypatch.setitem(
        catalog.ENTRIES, "mnist", catalog.Entry(entry.description, entry.class_names, (recipe,), NOWHERE)
    )
    assert len(datasets.load("mnist").x_train) == 20  # from the cache


def test_a_file_packed_another_way_is_still_genuine(tmp_path: Path, mirrors: tuple[str, str, Recipe]) -> None:
    _, _, recipe = mirrors
    content = gzip.decompress((tmp_path / "good" / f"{IDX_NAMES[1]}.gz").read_bytes())
    other = tmp_path / "other.gz"
    other.write_bytes(gzip.compress(content, compresslevel=1))
    assert recipe.files[1].is_genuine(other, hashlib.sha256(other.read_bytes()).hexdigest())
    other.write_bytes(gzip.compress(content[:-1] + b"\x07"))
    assert not recipe.files[1].is_genuine(other, hashlib.sha256(other.read_bytes()).hexdigest())
