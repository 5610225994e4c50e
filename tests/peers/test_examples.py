"""The example with two engines, on real Keras."""

from __future__ import annotations

import runpy
from pathlib import Path

LENET5 = Path(__file__).parents[2] / "examples" / "lenet5.py"


def test_lenet5_trains_in_both_engines() -> None:
    main = runpy.run_path(str(LENET5))["main"]
    for engine in ("native", "keras"):
        assert main(["--engine", engine, "--images", "320", "--epochs", "3"]) > 0.6
