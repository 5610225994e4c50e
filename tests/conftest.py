"""What every test starts from: the vectorized kernels, no window, numbering from zero, folders of its own."""

import os

os.environ.setdefault("CONVOLENS_KERNELS", "vectorized")
os.environ["MPLBACKEND"] = "Agg"

import pytest

import convolens as cl


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path_factory):
    """Number layers from zero, seed the library, and keep caches and data sets of this machine out."""
    cl.utils.clear_session()
    cl.utils.set_random_seed(0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("CONVOLENS_DATA", raising=False)
