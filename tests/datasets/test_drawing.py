"""The drawn practice sets: seeded, varied, beyond a linear model."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from convolens import datasets
from convolens.datasets import drawing
from convolens.datasets.drawing import draw


@pytest.mark.parametrize(("name", "classes"), [("drawn_smiles", 2), ("drawn_signs", 6)])
def test_seeded_balanced_and_different(name: str, classes: int) -> None:
    (x, y), (x_test, _) = draw(name, seed=3, counts=(24, 12))
    (again, _), _ = draw(name, seed=3, counts=(24, 12))
    (other, _), _ = draw(name, seed=4, counts=(24, 12))
    np.testing.assert_array_equal(x, again)
    assert not np.array_equal(x, other)
    assert x.shape == (24, 64, 64, 3)
    assert x.dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(y), np.full(classes, 24 // classes))
    everything = np.concatenate([x, x_test, other])
    assert len(datasets.duplicate_groups(everything)) == len(np.unique(datasets.duplicate_groups(everything)))


def test_drawn_once_and_then_read(isolate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_COUNTS", {"drawn_smiles": (10, 4)})
    first = datasets.load("drawn_smiles")
    (kept,) = (isolate / "drawn_smiles").iterdir()
    monkeypatch.setattr(drawing, "draw", None)  # would fail if it were called
    np.testing.assert_array_equal(datasets.load("drawn_smiles").raw.x_train, first.raw.x_train)
    monkeypatch.undo()
    monkeypatch.setattr(drawing, "_COUNTS", {"drawn_smiles": (10, 4)})
    monkeypatch.setenv("CONVOLENS_CACHE", str(isolate))
    kept.write_bytes(kept.read_bytes()[:100])
    np.testing.assert_array_equal(datasets.load("drawn_smiles").raw.x_train, first.raw.x_train)
    monkeypatch.setenv("CONVOLENS_CACHE", str(kept / "no folder"))
    assert len(datasets.load("drawn_smiles").x_test) == 4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "limit"), [("drawn_smiles", 0.8), ("drawn_signs", 0.65)])
def test_a_linear_model_fails(name: str, limit: float) -> None:
    from sklearn.linear_model import LogisticRegression

    found = datasets.load(name)
    flat = [x.reshape(len(x), -1)[:, ::3] for x in (found.x_train, found.x_test)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=1e-2, max_iter=100).fit(flat[0], found.y_train)
    assert model.score(flat[1], found.y_test) < limit
