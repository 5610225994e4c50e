"""Saying exactly what is wrong with hand-written convolution code, and proving a network's numbers right."""

from __future__ import annotations

import importlib
from typing import Any

from convolens.checking.results import Report, Result
from convolens.checking.subjects import check

__all__ = ["Certificate", "Report", "Result", "certify", "check"]


def __getattr__(name: str) -> Any:
    if name in ("Certificate", "certify"):
        return getattr(importlib.import_module("convolens.checking.certificate"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
