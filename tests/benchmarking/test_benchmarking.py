"""What the benchmark counts, reports and refuses; no test depends on a time."""

from __future__ import annotations

import json
from typing import Any

import pytest

import convolens as cl
from convolens.benchmarking import TASKS, contestants, measure
from convolens.benchmarking.figures import growth_figure, roofline
from convolens.benchmarking.measure import as_markdown, ratios
from convolens.benchmarking.profiling import profile
from convolens.benchmarking.tasks import operations
from convolens.cli import main


def test_operations_of_lenet5_by_hand() -> None:
    first, second = 28 * 28 * 25 * 6, 10 * 10 * 5 * 5 * 6 * 16
    dense = 400 * 120 + 120 * 84 + 84 * 10
    forward = 2 * (first + second + dense)
    assert operations(cl.zoo.lenet5(), training=False) == forward
    assert operations(cl.zoo.lenet5()) == 3 * forward - 2 * first


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_tasks_have_the_data_their_networks_want(task: Any) -> None:
    x, y = task.data(3)
    model = task.network()
    assert x.shape == (3, *task.shape)
    assert model.inputs[0].shape[1:] == task.shape
    assert len(model.test_on_batch(x, y)) == 2


def results() -> dict[str, Any]:
    def figures(seconds: float) -> dict[str, Any]:
        spread = {"median": seconds, "least": seconds / 2, "most": 2 * seconds}
        return {"train": spread, "predict": spread, "one": spread, "memory": 1e8 * seconds, "first_epoch": seconds}

    return {
        "machine": {
            "processor": "P", "cores": 2, "system": "S", "python": "3", "packages": {"numpy": "2"},
            "date": "D", "load": 0.5,
        },
        "threads": 2, "clock": "wall", "rounds": 3, "import": {"numpy": 0.1, "convolens": 0.15},
        "tasks": {
            "lenet5": {
                "contestants": {"convolens": figures(0.5), "PyTorch": figures(2.0)},
                "operations": {"train": 50, "predict": 25, "one": 5},
                "sgemm": {"median": 200, "least": 100, "most": 300},
            }
        },
    }  # fmt: skip


def test_ratios_are_the_others_over_ours() -> None:
    rows = ratios(results())
    assert [row["PyTorch"] for row in rows] == [4.0] * 5
    assert rows[0]["convolens"] == "500 ms"
    assert rows[0]["of sgemm"] == 0.5  # 50 operations in half a second, of 200 per second
    assert "of sgemm" not in rows[3]
    text = as_markdown(results())
    assert "P, 2 cores" in text
    assert text.count("\n| lenet5 ") == 5


def test_figures_show_every_contestant_and_the_limit() -> None:
    [legend] = roofline(results()).legends
    assert {text.get_text() for text in legend.get_texts()} == {"convolens", "PyTorch", "sgemm"}
    points = [{"value": value, "seconds": 1e-5 * value} for value in (1, 2)]
    figure = growth_figure({"batch": points, "threads": points})
    assert [axes.get_xlabel() for axes in figure.axes] == ["images in a batch", "threads"]
    for axes in figure.axes:
        [line] = axes.lines
        assert line.get_ydata().tolist() == pytest.approx([10, 20])
        low, high = axes.transAxes.inverted().transform(axes.transData.transform(line.get_xydata()))[:, 1]
        assert high - low > 0.2
        assert 0 <= low <= high <= 1


def test_a_profile_has_a_row_for_each_stage_and_the_rest() -> None:
    pytest.importorskip("numba")
    before = cl.config.get_num_threads()
    found = profile("lenet5", repeats=1)
    parts = [row["part"] for row in found["rows"]]
    assert parts[0] == "conv2d + relu + max_pool2d"
    assert parts[-2:] == ["optimiser", "images in, loss, metrics, the rest"]
    assert sum(row["forward"] + row["backward"] for row in found["rows"]) == pytest.approx(found["step"])
    assert cl.config.get_num_threads() == before


def test_unknown_names_are_refused_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--tasks", "resnet"]) == 2
    assert "there is no task 'resnet'; there are: lenet5; happy; signs; vgg_small." in " ".join(
        capsys.readouterr().err.split()
    )
    assert main(["bench", "--peers", "Caffe"]) == 2


def test_contestants_that_are_not_installed_do_not_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "find_spec", lambda name: None if name == "torch" else True)
    names = contestants.installed()
    assert "convolens" in names
    assert "Keras on JAX" in names
    assert not [name for name in names if "PyTorch" in name]


@pytest.mark.slow
def test_a_measurement_from_beginning_to_end() -> None:
    found = measure(("lenet5",), ("convolens (NumPy only)",), rounds=1, steps=1)
    json.dumps(found)
    own = found["tasks"]["lenet5"]["contestants"]["convolens (NumPy only)"]
    assert set(own) == {"train", "predict", "one", "predict_one", "memory", "first_epoch"}
    assert own["train"]["least"] <= own["train"]["median"] <= own["train"]["most"]
