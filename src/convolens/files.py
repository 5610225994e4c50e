"""Files that are replaced in one piece."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[Any]) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; it takes the place of ``path`` once the block ends without an error.

    Whatever fails, the previous file stays whole and nothing is left beside it.

    Raises:
        OSError: if the folder is missing or not writable.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with replacing(target) as beside:
    ...     _ = beside.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {target}: there is no folder {target.parent}.")
    if target.is_dir():
        raise IsADirectoryError(f"cannot write {target}: it is a folder.")
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield beside
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
