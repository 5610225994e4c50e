"""Process-wide settings: the floating-point type of new models and the number of threads."""

from __future__ import annotations

import os

import numpy as np

__all__ = [
    "epsilon",
    "floatx",
    "get_num_threads",
    "image_data_format",
    "set_floatx",
    "set_image_data_format",
    "set_num_threads",
]

_FLOATS = ("float32", "float64")
_settings: dict[str, str | int | None] = {"floatx": "float32", "threads": None}


def floatx() -> str:
    """Return the name of the float type that new models are built with.

    >>> floatx()
    'float32'
    """
    return str(_settings["floatx"])


def set_floatx(value: str) -> None:
    """Set the float type of models built from now on: ``"float32"`` or ``"float64"``.

    Raises:
        ValueError: for any other type.
    """
    name = np.dtype(value).name if isinstance(value, type | np.dtype) else value
    if name not in _FLOATS:
        raise ValueError(f"floatx is one of {', '.join(_FLOATS)}; got {value!r}.")
    _settings["floatx"] = name


def epsilon() -> float:
    """Return what Keras adds to keep logarithms and quotients finite, and losses clip probabilities at.

    >>> epsilon()
    1e-07
    """
    return 1e-7


def image_data_format() -> str:
    """Return ``"channels_last"``, the one layout of images here: ``(n, h, w, c)``."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Accept ``"channels_last"``, as course notebooks set it.

    Raises:
        ValueError: for ``"channels_first"`` or anything else.
    """
    if data_format != "channels_last":
        raise ValueError(f"images are channels-last here, (n, h, w, c); got {data_format!r}. Transpose them once.")


def set_num_threads(count: int | None) -> None:
    """Set how many threads the kernels use; None means one per available core.

    The result of a computation does not depend on it.

    Raises:
        ValueError: if ``count`` is not a positive integer.
    """
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        raise ValueError(f"the number of threads is a positive integer or None; got {count!r}.")
    _settings["threads"] = count


def get_num_threads() -> int:
    """Return how many threads the kernels use: what was set, ``CONVOLENS_THREADS``, or one per available core."""
    threads = _settings["threads"] or os.environ.get("CONVOLENS_THREADS")
    return int(threads) if threads else available_cores()


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
