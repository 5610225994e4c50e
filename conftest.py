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
    """Give a test an empty cache and no data folder; restart the numbering of layers and the library's seeds."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("CONVOLENS_CACHE", str(cache))
    monkeypatch.delenv("CONVOLENS_DATA", raising=False)
    import convolens as cl

    cl.utils.clear_session()
    cl.utils.set_random_seed(0)
    return cache
