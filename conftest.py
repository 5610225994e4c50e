"""What holds for every test: no display, no network caches of the user, one kind of kernels, fresh names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Set before convolens is imported: the fast kernels' own tests switch to them.
os.environ.setdefault("CONVOLENS_KERNELS", "vectorized")
os.environ["MPLBACKEND"] = "Agg"


@pytest.fixture(autouse=True)
def isolate(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a test an empty cache and no data folder, and restart the numbering of layers."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("CONVOLENS_CACHE", str(cache))
    monkeypatch.delenv("CONVOLENS_DATA", raising=False)
    import convolens as cl

    if hasattr(cl, "utils"):
        cl.utils.clear_session()
    return cache
