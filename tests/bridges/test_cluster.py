"""Who takes part in a training: what is refused before anything starts."""

import sys

import pytest

import convolens as cl
from convolens.bridges.cluster import Cluster
from convolens.bridges.engine import fit_on_keras
from convolens.runs import train_task


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"devices": 0}, "devices is 0; expected at least 1"),
        ({"processes": 0}, "processes is 0; expected at least 1"),
        ({"processes": 2, "coordinator": "a:1", "process_id": 2}, "with 2 processes expected 0 to 1"),
        ({"processes": 2, "coordinator": "localhost"}, "coordinator is 'localhost'; expected HOST:PORT"),
        ({"processes": 2}, "several processes need the coordinator's HOST:PORT"),
        ({"coordinator": "localhost:1234"}, "a single one neither"),
    ],
)
def test_what_does_not_fit_is_said(options, reason):
    with pytest.raises(ValueError, match=reason):
        Cluster(**options)


def test_one_process_with_one_device_shares_nothing():
    assert not Cluster().is_distributed
    assert Cluster(devices=2).is_distributed
    assert Cluster(processes=2, coordinator="127.0.0.1:4321").is_chief


def test_the_native_engine_has_no_devices(tmp_path):
    with pytest.raises(ValueError, match="devices and processes share the work of engine 'keras'"):
        train_task("digits", cluster=Cluster(devices=2), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_says_how_to_get_keras(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    model = cl.Sequential([cl.Input((2,)), cl.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ImportError, match=r"--engine keras needs keras: pip install convolens\[keras\]"):
        fit_on_keras(model, [[1.0, 2.0]], [[1.0]])
