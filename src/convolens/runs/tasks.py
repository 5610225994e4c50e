"""What can be trained: a named data set, a folder of images, a CSV file or two, or a pair of HDF5 files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from convolens import datasets
from convolens.datasets import Dataset

__all__ = ["find_task", "moved"]


def find_task(task: str | Path | Sequence[str | Path], data_dir: str | Path | None = None, seed: int = 0) -> Dataset:
    """Load what a task names.

    Args:
        task: a name of ``cl.datasets``; a folder with one folder per class; ``train.csv`` or ``(train.csv, test.csv)``;
            or ``(TRAIN.h5, TEST.h5)`` in the course's form.
        data_dir: where to search named sets first.
        seed: the seed of the split where there is no test set.

    Raises:
        ValueError: if nothing fits the arguments, or the data are damaged.
        OSError: if files are missing.
    """
    parts = [task] if isinstance(task, str | Path) else list(task)
    paths = [Path(part) for part in parts]
    kinds = {_kind(path) for path in paths}
    if len(parts) == 1 and str(parts[0]).replace("-", "_") in datasets.names():
        return datasets.load(str(parts[0]), data_dir)
    if len(parts) == 1 and paths[0].is_dir():
        return datasets.load_folder(paths[0], seed=seed)
    if kinds == {".csv"} and len(parts) <= 2:
        return datasets.load_csv(paths[0], test=paths[1] if len(paths) == 2 else None, seed=seed)
    if kinds == {".h5"} and len(parts) == 2:
        return datasets.load_h5(paths[0], paths[1])
    if kinds == {".h5"}:
        raise ValueError(f"{parts[0]}: one .h5 file; expected two, TRAIN.h5 and TEST.h5.")
    if len(parts) == 1 and not {"/", "\\", "."} & set(str(parts[0])):
        return datasets.load(str(parts[0]), data_dir)  # the error that suggests the nearest name
    missing = [f" {path} is no file or folder here." for path in paths if not path.exists()]
    raise ValueError(
        f"{' '.join(map(str, parts))}: no task. Expected a data set ({', '.join(datasets.names())}), a folder with one "
        f"folder of images per class, TRAIN.csv [TEST.csv], or TRAIN.h5 TEST.h5.{''.join(missing[:1])}"
    )


def moved(task: Sequence[str], folder: Path) -> list[str]:
    """Return a run's task with its files looked for in another folder; a folder of images may be that folder itself."""
    if len(task) == 1 and task[0] in datasets.names():
        return list(task)
    there = [folder / Path(part).name for part in task]
    images = len(task) == 1 and _kind(Path(task[0])) not in (".csv", ".h5")
    if images and not there[0].exists() and folder.is_dir():
        return [str(folder)]
    return [str(new) if new.exists() else part for part, new in zip(task, there, strict=True)]


def _kind(path: Path) -> str:
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    return {".hdf5": ".h5"}.get(suffix.lower(), suffix.lower())
