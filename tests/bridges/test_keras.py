"""Without Keras installed."""

import sys

import pytest

import convolens as cl


@pytest.mark.parametrize("bridge", [cl.to_keras, cl.from_keras])
def test_says_how_to_get_keras(bridge, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError, match=r"cl\.\w+ needs keras: pip install convolens\[keras\]"):
        bridge(cl.Sequential([cl.Input((2,)), cl.layers.Dense(1)]))
