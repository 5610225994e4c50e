"""The record put into the page: one HTML file that needs nothing else."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["make_page"]

_SLOT = '<script type="application/json" id="record"></script>'


@cache
def _template() -> str:
    return resources.files("convolens.explainer").joinpath("template.html").read_text(encoding="utf-8")


def make_page(record: dict[str, Any]) -> str:
    """Return the page of a record.

    Names are data, never markup: every ``<`` is written as an escape of JSON, so that no name can end the element
    it stands in, and the page's policy runs no script but its own.
    """
    text = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    before, after = _template().split(_SLOT)
    return before + _SLOT.replace("></", f">{text}</") + after
