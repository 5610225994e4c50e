"""Three implementations of every operation, with equal names and signatures, and the switch between them.

``reference`` is textbook loops, ``vectorized`` is NumPy and BLAS, ``compiled`` is Numba.
The choice never changes a result beyond rounding.
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from types import ModuleType

__all__ = ["NAMES", "active", "available", "backend", "set", "use"]

NAMES = ("reference", "vectorized", "compiled")
_in_context: contextvars.ContextVar[str | None] = contextvars.ContextVar("kernels", default=None)
_in_process: str | None = None


@cache
def available() -> tuple[str, ...]:
    """Return the names that can be used here: ``compiled`` needs Numba."""
    compiled = all(importlib.util.find_spec(name) for name in ("numba", "convolens.kernels.compiled"))
    return NAMES if compiled else NAMES[:2]


def _checked(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"kernels are one of {', '.join(NAMES)}; got {name!r}.")
    if name not in available():
        raise ValueError("the compiled kernels need Numba: pip install numba (or use 'vectorized').")
    return name


def active() -> str:
    """Return the name of the kernels in use.

    The innermost ``use``, else what ``set`` chose, else ``CONVOLENS_KERNELS``, else the fastest available.

    >>> with use("reference"):
    ...     active()
    'reference'
    """
    return _in_context.get() or _in_process or _default()


def _default() -> str:
    name = os.environ.get("CONVOLENS_KERNELS")
    return _checked(name) if name else available()[-1]


def set(name: str | None) -> None:
    """Choose the kernels for the whole process; None returns to the default.

    Raises:
        ValueError: for an unknown name, or ``"compiled"`` without Numba.
    """
    global _in_process
    _in_process = None if name is None else _checked(name)


@contextlib.contextmanager
def use(name: str) -> Iterator[None]:
    """Use these kernels within a ``with`` block.

    Raises:
        ValueError: for an unknown name, or ``"compiled"`` without Numba.
    """
    token = _in_context.set(_checked(name))
    try:
        yield
    finally:
        _in_context.reset(token)


def backend(name: str | None = None) -> ModuleType:
    """Return the module of the kernels in use, or of the named ones."""
    return importlib.import_module(f"{__name__}.{name or active()}")
