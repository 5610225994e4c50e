"""Packages that are needed for one purpose only and come with an extra: ``pip install convolens[onnx]``."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["needed"]


def needed(module: str, extra: str | None, purpose: str) -> Any:
    """Import a package that is not among the dependencies.

    Args:
        module: what to import.
        extra: the extra of this package that brings it; None if none does.
        purpose: what needs it, for the message.

    Raises:
        ImportError: saying how to get it, if it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = module.split(".")[0]
        install = missing if extra is None else f"convolens[{extra}]"
        raise ImportError(f"{purpose} needs {missing}: pip install {install} ({error})") from error
