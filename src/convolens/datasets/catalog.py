"""The data sets that have a name, and ``load``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .dataset import Dataset, Source, assemble, check_images, check_labels
from .files import DataFile, Recipe, fetch, find, locate, missing_message, search_roots
from .formats import Arrays, h5_dataset, load_idx, read_npz
from .splits import stratified_split
from .tables import read_csv

__all__ = ["ENTRIES", "Entry", "load", "load_arrays", "names", "whereabouts"]


@dataclass(frozen=True)
class Entry:
    """A named data set: how it is described, read and fetched."""

    description: str
    class_names: tuple[str, ...]
    recipes: tuple[Recipe, ...] = ()
    mirrors: tuple[str, ...] = ()
    make: Callable[[], Dataset] | None = None


def _idx(*checksums: tuple[str, str]) -> Recipe:
    """Return the recipe of four IDX files; per file the checksum of its content and of its ``.gz``."""
    files = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    return Recipe(
        "idx", tuple(DataFile(f, content, packed) for f, (content, packed) in zip(files, checksums, strict=True))
    )


def _csv(stem: str) -> Recipe:
    return Recipe("csv", (DataFile(f"{stem}train.csv"), DataFile(f"{stem}test.csv")))


def _h5(train: tuple[str, str], test: tuple[str, str], note: str = "") -> Recipe:
    return Recipe("h5", (DataFile(*train), DataFile(*test)), note)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    x, y = bundle.images.astype(np.uint8), bundle.target
    train, test = stratified_split(y, test_size=0.25, seed=0)
    note = "The test set is a stratified quarter of scikit-learn's bundled scans, seed 0."
    entry = ENTRIES["digits"]
    source = Source(notes=[note])
    parts = (x[train], y[train]), (x[test], y[test])
    return assemble("digits", *parts, entry.class_names, entry.description, scale=16, source=source)


def _drawn(name: str) -> Dataset:
    from . import drawing

    entry = ENTRIES[name]
    train, test = drawing.draw_once(name)
    source = Source(notes=["Drawn by the program with seed 0: practice images, no photographs."])
    return assemble(name, train, test, entry.class_names, entry.description, source=source)


_DIGIT_NAMES = tuple("0123456789")
_SIGN_NAMES = tuple("012345")
_SMILE_NAMES = ("not smiling", "smiling")
_TEST_SIGNS = ("test_signs.h5", "539fb746ed9e947eb244cfca73f4d1b03f9bf5524d609eeed2cd76ddb1b179be")

ENTRIES: dict[str, Entry] = {
    "digits": Entry(
        "1,797 handwritten digits of 43 people, 8x8 grey, bundled with scikit-learn "
        "(E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998).",
        _DIGIT_NAMES,
        make=_digits,
    ),
    "mnist": Entry(
        "70,000 handwritten digits, 28x28 grey (Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of "
        "handwritten digits; CC BY-SA 3.0).",
        _DIGIT_NAMES,
        (
            _idx(
                (
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                ),
                (
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                ),
                (
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                ),
                (
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                ),
            ),
            Recipe("npz", (DataFile("mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"),)),
            _csv("mnist_"),
            _csv(""),
        ),
        ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    ),
    "fashion_mnist": Entry(
        "70,000 photographs of clothes, 28x28 grey (H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, Zalando Research, "
        "2017; MIT).",
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        (
            _idx(
                (
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                ),
                (
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                ),
                (
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                ),
                (
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                ),
            ),
            Recipe("npz", (DataFile("fashion_mnist.npz"),)),
            _csv("fashion-mnist_"),
            _csv(""),
        ),
        (
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
    ),
    "happy": Entry(
        "Happy House: photographs of people, 64x64 in colour, smiling or not (Deep Learning Specialization, course 4; "
        "no licence is stated).",
        _SMILE_NAMES,
        (
            _h5(
                ("train_happy.h5", "65cbc8a1b83b0b8fa76026f37ba6421a8a29f90a223c31799a1d808bc7d19566"),
                ("test_happy.h5", "5e23db2f28769de83214dce1411e651489d713f9e1ec5d1ca6a61b6222115add"),
            ),
        ),
    ),
    "signs": Entry(
        "SIGNS: photographs of hands that show 0 to 5, 64x64 in colour (Deep Learning Specialization, courses 2 and 4; "
        "no licence is stated).",
        _SIGN_NAMES,
        (
            _h5(
                ("train_signs.h5", "47480709d99f2ea6ae428ecc491fc6f65ff1d05336736dd859d5565e0ad3cf74"),
                _TEST_SIGNS,
            ),
            _h5(
                ("train_signs_jpeg.h5", "9417f60ac3b6b3aa3b08cbedd344079fe9d6e1479f6575a33dc70cd57ca6552b"),
                _TEST_SIGNS,
                "train_signs_jpeg.h5 stands in for train_signs.h5: the same photographs after JPEG compression, "
                "in another order.",
            ),
        ),
    ),
    "smiles": Entry(
        "A balanced part of SMILEs: grey face crops, 64x64, smiling or not (D. Hromada, SMILEsmileD; "
        "no licence is stated).",
        _SMILE_NAMES,
        (
            _h5(
                ("train_smiles.h5", "37cc8132d022dfaaa6a7aef78a0c687d98df3ac29f081367c568d7b6e41ab778"),
                ("test_smiles.h5", "1ac8a78bf88fe347eaabfaa418daa31633d71899467ff08c573a0a31efa28c70"),
            ),
        ),
    ),
    "drawn_smiles": Entry(
        "Cartoon faces drawn by the program, 64x64 in colour, smiling or not: a practice set.",
        _SMILE_NAMES,
        make=lambda: _drawn("drawn_smiles"),
    ),
    "drawn_signs": Entry(
        "Cartoon hands drawn by the program, 64x64 in colour, that show 0 to 5 fingers: a practice set.",
        _SIGN_NAMES,
        make=lambda: _drawn("drawn_signs"),
    ),
}


def names() -> list[str]:
    """Return the names that ``load`` knows."""
    return list(ENTRIES)


def load(name: str, data_dir: str | Path | None = None) -> Dataset:
    """Load a data set by name.

    Files are searched in ``data_dir``, then in the folder that the environment variable ``CONVOLENS_DATA`` names, then
    in the user's cache; each with a folder ``NAME/`` (``fashion_mnist`` or ``fashion-mnist``), plain or gzipped.
    MNIST and Fashion-MNIST are fetched if they are nowhere, and checked by SHA-256.

    Args:
        name: ``digits``, ``mnist``, ``fashion_mnist``, ``happy``, ``signs``, ``smiles``, ``drawn_smiles`` or
            ``drawn_signs``.
        data_dir: a folder to search first.

    Returns:
        The data set: float32 images in [0, 1] of shape ``(n, h, w, c)``, int64 labels ``(n,)``.

    Raises:
        ValueError: for an unknown name or a damaged file.
        OSError: if files are missing; the message names them, their checksums and the folder to put them in.

    >>> digits = load("digits")
    >>> digits
    Dataset('digits': 1347 training and 450 test images of 8x8x1 in 10 classes)
    >>> digits.x_train.dtype, float(digits.x_train.max())
    (dtype('float32'), 1.0)
    """
    name = _known(name)
    entry = ENTRIES[name]
    if entry.make:
        return entry.make()
    recipe, paths, source = _locate(name, data_dir)
    if recipe.reader == "h5":
        return h5_dataset(name, paths[0], paths[1], source, list(entry.class_names), entry.description)
    return assemble(name, *_READERS[recipe.reader](paths), entry.class_names, entry.description, source=source)


def load_arrays(name: str, path: str | Path | None = None) -> tuple[Arrays, Arrays]:
    """Return ``(x_train, y_train), (x_test, y_test)`` as stored (``uint8``), as Keras's ``load_data`` does.

    Args:
        name: ``mnist`` or ``fashion_mnist``.
        path: an ``.npz`` file to read; if there is none of that name, the usual places are searched.
    """
    if path is not None and Path(path).is_file():
        parts = read_npz(path)
    else:
        recipe, paths, _ = _locate(name, None)
        parts = _READERS[recipe.reader](paths)
    checked = []
    for part, (x, y) in zip(("training", "test"), parts, strict=True):
        where = f"{name}: {part} set"
        images = check_images(x, where)
        checked.append((images[..., 0], check_labels(y, len(images), 10, where).astype(np.uint8)))
    return checked[0], checked[1]


def whereabouts(name: str, data_dir: str | Path | None = None) -> str:
    """Say in a few words where the files of a named set are, without reading them."""
    entry = ENTRIES[name]
    if entry.make:
        return "built in"
    folder = locate(name, entry.recipes, search_roots(data_dir))
    return str(folder) if folder else "to be fetched" if entry.mirrors else "missing"


def _known(name: str) -> str:
    import difflib

    spelled = str(name).replace("-", "_")
    if spelled not in ENTRIES:
        near = difflib.get_close_matches(spelled, ENTRIES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown data set {name!r}.{hint} Known: {', '.join(ENTRIES)}.")
    return spelled


def _locate(name: str, data_dir: str | Path | None) -> tuple[Recipe, list[Path], Source]:
    entry, roots = ENTRIES[name], search_roots(data_dir)
    found = find(name, entry.recipes, roots)
    trouble = ""
    if not found and entry.mirrors:
        try:
            fetch(name, entry.recipes[0], entry.mirrors)
            found = find(name, entry.recipes, roots)
        except OSError as error:
            trouble = f" {error}"
    if not found:
        raise FileNotFoundError(missing_message(name, entry.recipes, roots, trouble))
    return found


_READERS: dict[str, Callable[[list[Path]], tuple[Arrays, Arrays]]] = {
    "idx": lambda paths: (load_idx(paths[0], paths[1]), load_idx(paths[2], paths[3])),
    "npz": lambda paths: read_npz(paths[0]),
    "csv": lambda paths: (read_csv(paths[0]), read_csv(paths[1])),
}
