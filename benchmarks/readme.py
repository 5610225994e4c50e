"""Write the tables of the README from the result files; ``--check`` only says whether they are up to date.

A table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = Path(__file__).parent / "results"


def accuracy() -> str:
    """Return the table of test accuracies, a row per file in ``results/accuracy``."""
    rows = ["| task | network | test accuracy (95 % interval) | training |", "| --- | --- | --- | --- |"]
    for path in sorted((RESULTS / "accuracy").glob("*.json")):
        found: dict[str, Any] = json.loads(path.read_text())
        metrics, options = found["metrics"], found["options"]
        words = _percent(metrics)
        clean = metrics.get("without_leaked")
        if clean:
            words += f"; {_percent(clean)} on the {clean['count']} test images that are not training images too"
        task = found["command"].split()[2]
        training = f"{options['epochs']} epochs, seed {options['seed']}, {found['processor_seconds']:.0f} s of CPU time"
        rows.append(f"| `{task}` | `{options['network']}` | {words} | {training} |")
    return "\n".join(rows)


def _percent(metrics: dict[str, Any]) -> str:
    low, high = metrics["accuracy_interval"]
    return f"{100 * metrics['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def speed() -> str:
    """Return the machine, the conditions and the table of ``convolens bench --out``."""
    return (RESULTS / "speed" / "results.md").read_text().strip()


TABLES: dict[str, Callable[[], str]] = {"accuracy": accuracy, "speed": speed}


def filled(text: str) -> str:
    """Return the README with its tables made anew."""
    for name, make in TABLES.items():
        pattern = rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)"
        text, count = re.subn(pattern, lambda found, make=make: found[1] + make() + found[2], text, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"{README.name} has {count} places for the table {name!r}; expected 1.")
    return text


def main() -> int:
    before = README.read_text()
    after = filled(before)
    if "--check" in sys.argv:
        return int(before != after)
    README.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
