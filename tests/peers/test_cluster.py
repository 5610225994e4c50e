"""Several processes with several virtual CPU devices each, on the loopback address: they share each batch."""

import contextlib
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

import convolens as cl
from convolens.runs import Run, curve_differences
from lookalikes import write_csv

pytest.importorskip("jax")

LIMIT = 300  # seconds that a run may take on a busy machine
# The last batch of an epoch, of 2 images, does not divide among 4 devices.
OPTIONS = ["--model", "digits_cnn", "--epochs", "5", "--optimizer", "sgd", "--learning-rate", "0.05"]
OPTIONS += ["--batch-size", "16", "--validation", "0", "--no-augment"]


def train(*words, devices=2):
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "CONVOLENS_KERNELS": "vectorized",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, "-c", "import sys; from convolens.cli import main; sys.exit(main())", "train"]
    words = [*command, *map(str, words), "--engine", "keras", "--no-report", "--quiet"]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process):
    try:
        out, err = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    return process.returncode, out, err


@contextlib.contextmanager
def pair(*words):
    """Two processes that train together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    shared = ["--coordinator", coordinator, "--processes", "2", "--process-id"]
    both = [train(*words, *shared, i) for i in (0, 1)]
    try:
        yield both
    finally:
        for process in both:
            process.kill()
            if not process.stdout.closed:
                process.communicate()


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """A data set of 50 training images."""
    return write_csv(tmp_path_factory.mktemp("cluster") / "rows.csv", 62)


@pytest.fixture(scope="module")
def alone(rows):
    """The run of one process with one device."""
    code, _, err = finished(train(rows, *OPTIONS, "--out", rows.parent / "alone", devices=1))
    assert code == 0, err
    return Run.load(rows.parent / "alone")


def check_same(run, alone):
    assert run.config["state"] == "done"
    for ours, theirs in zip(run.model.get_weights(), alone.model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5)
    assert max(curve_differences(run, alone).values()) < 1e-3
    assert run.metrics["accuracy"] == alone.metrics["accuracy"]


def test_two_processes_with_two_devices_each(rows, alone, tmp_path):
    with pair(rows, *OPTIONS, "--out", tmp_path / "run") as both:
        for code, _, err in map(finished, both):
            assert code == 0, err
    run = Run.load(tmp_path / "run")
    check_same(run, alone)
    # The folder is like any other: evaluate, predict, explain and go on training work here.
    assert run.evaluate().accuracy == alone.metrics["accuracy"]
    data = run.dataset()
    assert cl.explain(run.model, data.x_test[0], int(data.y_test[0])).save(tmp_path / "page.html") is not False
    assert (tmp_path / "page.html").stat().st_size > 10_000


def test_a_lost_worker_ends_the_run_and_it_can_be_resumed(rows, alone, tmp_path):
    folder = tmp_path / "run"
    with pair(rows, *OPTIONS, "--out", folder) as (chief, worker):
        until = time.monotonic() + LIMIT
        while not (folder / "history.csv").exists() and chief.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        assert chief.poll() is None, chief.communicate()
        worker.kill()
        lost = time.monotonic()
        code, _, err = finished(chief)
        assert time.monotonic() - lost < 60
        assert code == 1
        assert "Error: process 0 of 2 lost another one" in err
        assert "--resume" in err
    run = Run.load(folder)
    assert run.config["state"] == "failed"
    assert 1 <= len(run.history["loss"]) < 5
    with pair("--resume", folder) as both:
        for code, _, err in map(finished, both):
            assert code == 0, err
    check_same(Run.load(folder), alone)


def test_devices_of_one_machine(rows, alone, tmp_path):
    code, _, err = finished(train(rows, *OPTIONS, "--devices", 2, "--out", tmp_path / "run"))
    assert code == 0, err
    check_same(Run.load(tmp_path / "run"), alone)


def test_a_batch_that_does_not_divide_is_refused(rows, tmp_path):
    code, _, err = finished(train(rows, *OPTIONS, "--devices", 2, "--batch-size", 31, "--out", tmp_path / "run"))
    assert code == 2
    assert "batch_size is 31, which does not divide among 2 devices" in err
