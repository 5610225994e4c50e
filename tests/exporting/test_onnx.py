"""What can be said without the packages; the files themselves are checked beside ONNX Runtime."""

import sys

import pytest

import convolens as cl


def small():
    return cl.Sequential([cl.Input((2,)), cl.layers.Dense(1)])


def test_says_how_to_get_onnx(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"cl\.export\.onnx needs onnx: pip install convolens\[onnx\]"):
        cl.export.onnx(small(), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_refuses_other_endings(tmp_path):
    with pytest.raises(ValueError, match=r"files that end in '\.onnx'; got .*m\.pb"):
        cl.export.onnx(small(), tmp_path / "m.pb")
