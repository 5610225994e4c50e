"""Where the files of a data set are: local folders in order, then a checked download; otherwise an error that helps."""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .dataset import Source
from .formats import read_bytes, sha256

__all__ = ["DataFile", "DataWarning", "Recipe", "announce", "cache_dir", "fetch", "find", "locate", "search_roots"]


class DataWarning(UserWarning):
    """A data file is used although its checksum is not the published one."""


@dataclass(frozen=True)
class DataFile:
    """A file of a data set.

    Attributes:
        name: its file name, without ``.gz``.
        sha256: checksum of its content, None where there is no published one.
        packed: checksum of the published ``.gz``, None if it is not published so.
    """

    name: str
    sha256: str | None = None
    packed: str | None = None

    @property
    def published(self) -> tuple[str, str | None]:
        """Name and checksum of the file in the form in which it is published."""
        return (f"{self.name}.gz", self.packed) if self.packed else (self.name, self.sha256)

    def is_genuine(self, path: Path, digest: str) -> bool:
        """Say whether a file found on disk has a published checksum, packed or not."""
        if self.sha256 is None or digest in (self.sha256, self.packed):
            return True
        return path.suffix == ".gz" and hashlib.sha256(read_bytes(path)).hexdigest() == self.sha256


@dataclass(frozen=True)
class Recipe:
    """One way to have a data set: the files it takes and how they are read (``reader`` is the catalogue's)."""

    reader: str
    files: tuple[DataFile, ...]
    note: str = ""


def cache_dir() -> Path:
    """Return the user's cache of data sets: ``CONVOLENS_CACHE``, or the operating system's cache folder."""
    chosen = os.environ.get("CONVOLENS_CACHE")
    if chosen:
        return Path(chosen)
    import pooch

    return Path(pooch.os_cache("convolens"))


def search_roots(data_dir: str | Path | None) -> list[Path]:
    """Return the folders to search, in order: the argument, ``CONVOLENS_DATA``, the user's cache.

    Raises:
        FileNotFoundError: if ``data_dir`` is given and is no folder.
    """
    roots = []
    if data_dir is not None:
        if not Path(data_dir).is_dir():
            raise FileNotFoundError(f"{data_dir}: no such data folder.")
        roots.append(Path(data_dir))
    if os.environ.get("CONVOLENS_DATA"):
        roots.append(Path(os.environ["CONVOLENS_DATA"]))
    return [*roots, cache_dir()]


def find(name: str, recipes: Sequence[Recipe], roots: Sequence[Path]) -> tuple[Recipe, list[Path], Source] | None:
    """Find the first recipe whose files are all in one folder.

    Args:
        name: name of the set; the folder is called so, with ``_`` or ``-``.
        recipes: in order of preference.
        roots: folders to search, in order of preference.

    Returns:
        The recipe, its files and the record of them; None if no folder has all files of any recipe.
        Files whose checksum differs from the published one cause one warning that names them.
    """
    for _, recipe, paths in _complete(name, recipes, roots):
        return recipe, paths, _record(recipe, paths)
    return None


def locate(name: str, recipes: Sequence[Recipe], roots: Sequence[Path]) -> Path | None:
    """Return the folder in which ``find`` would find the files, or None."""
    return next((folder for folder, _, _ in _complete(name, recipes, roots)), None)


def _complete(name: str, recipes: Sequence[Recipe], roots: Sequence[Path]) -> Iterator[tuple[Path, Recipe, list[Path]]]:
    """Yield the folders that hold all files of a recipe, the preferred ones first."""
    for folder in _folders(name, roots):
        for recipe in recipes:
            paths = [path for file in recipe.files if (path := _present(folder, file))]
            if len(paths) == len(recipe.files):
                yield folder, recipe, paths


def missing_message(name: str, recipes: Sequence[Recipe], roots: Sequence[Path], trouble: str = "") -> str:
    """Say what to put where: the files of the first recipe, their checksums, and the folder."""
    folder = _folders(name, roots)[0]
    wanted = []
    for file in recipes[0].files:
        file_name, checksum = file.published
        wanted.append(f"{file_name} (sha256 {checksum})" if checksum else file_name)
    present = sorted({str(p) for f in _folders(name, roots) for file in recipes[0].files if (p := _present(f, file))})
    have = f" Found only {', '.join(present)}." if present else ""
    looked = ", ".join(str(root) for root in roots)
    return (
        f"the files of {name!r} are missing.{have}{trouble} Put {' and '.join(wanted)} into {folder}{os.sep} "
        f"(a data folder is named with data_dir, --data or CONVOLENS_DATA; searched: {looked})."
    )


def fetch(name: str, recipe: Recipe, mirrors: Sequence[str]) -> None:
    """Download a recipe's files into the cache, each checked by SHA-256; a second mirror serves if the first fails.

    Raises:
        OSError: if no mirror gives a file with the published checksum.
    """
    import logging

    import pooch

    folder = cache_dir() / name
    pooch.get_logger().setLevel(logging.ERROR)
    for file in recipe.files:
        file_name, checksum = file.published
        troubles = []
        for mirror in mirrors:
            announce(f"Fetching {mirror}{file_name} to {folder}")
            try:
                downloader = pooch.HTTPDownloader(timeout=20)
                pooch.retrieve(mirror + file_name, f"sha256:{checksum}", file_name, folder, downloader=downloader)
                break
            except (OSError, ValueError) as error:
                troubles.append(f"{mirror}: {str(error).splitlines()[0][:120]}")
        else:
            raise OSError(f"{file_name} could not be fetched ({'; '.join(troubles)}).")


def announce(line: str) -> None:
    """Tell the person at the screen; standard output stays free for results."""
    print(line, file=sys.stderr)


def _folders(name: str, roots: Iterable[Path]) -> list[Path]:
    spellings = list(dict.fromkeys((name, name.replace("_", "-"), name.replace("-", "_"))))
    return [root / spelling for root in roots for spelling in spellings]


def _present(folder: Path, file: DataFile) -> Path | None:
    candidates = (folder / file.name, folder / f"{file.name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _record(recipe: Recipe, paths: Sequence[Path]) -> Source:
    source = Source({str(path): sha256(path) for path in paths})
    if recipe.note:
        announce(recipe.note)
        source.notes.append(recipe.note)
    differing = [
        path.name
        for file, path, digest in zip(recipe.files, paths, source.files.values(), strict=True)
        if not file.is_genuine(path, digest)
    ]
    if differing:
        note = (
            f"{', '.join(differing)} in {paths[0].parent}: the checksum is not the published one; "
            "used as it is, and its hash recorded."
        )
        warnings.warn(note, DataWarning, stacklevel=4)
        source.notes.append(note)
    return source
