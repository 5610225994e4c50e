"""How the kernels are compiled: once per processor, kept on disk, and said so where a person waits for it."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event

__all__ = ["inlined", "kernel"]

_SAFE_FLAGS = {"contract", "reassoc", "nsz", "arcp"}  # those that leave NaN and infinity alone


@cache
def _fingerprint() -> int:
    """Return what changes with any file of this package: the kernels contain code of one another."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return zlib.crc32(b"".join(file.read_bytes() for file in files))


def kernel(function: Callable[..., None]) -> Any:
    """Compile a function when it is first called with arguments of these types; other threads run meanwhile.

    The machine code is kept beside this file or, where that cannot be written, in the user's cache folder; where
    nothing can be written, until the process ends.
    """
    options: dict[str, Any] = {"nogil": True, "fastmath": _SAFE_FLAGS, "error_model": "numpy"}
    try:
        compiled = njit(cache=True, **options)(function)
    except RuntimeError:  # Numba found no folder to keep it in
        return njit(**options)(function)
    # Numba looks at the function's own file only; the instructions it is made of lie in another.
    index = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if index is not None:
        index._source_stamp = (index._source_stamp, _fingerprint())
    return compiled


def inlined(function: Callable[..., Any]) -> Any:
    """Make a function part of every kernel that calls it; it must not make arrays, whose owners are not counted."""
    options: dict[str, Any] = {"forceinline": True, "_nrt": False, "fastmath": _SAFE_FLAGS, "error_model": "numpy"}
    return njit(**options)(function)


class _Announcement(event.Listener):
    """One line on the first compilation in this process, on a terminal with a count."""

    def __init__(self) -> None:
        self.count = 0

    def on_start(self, event: Any) -> None:
        if not str(getattr(event.data["dispatcher"], "__module__", "")).startswith(__package__ or ""):
            return
        self.count += 1
        if sys.stderr.isatty():
            print(f"\rcompiling kernels for this processor, once ({self.count}) ", end="", file=sys.stderr, flush=True)
        elif self.count == 1:
            print("compiling kernels for this processor, once: some seconds", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        if self.count and sys.stderr.isatty():
            print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)


event.register("numba:compile", _Announcement())
