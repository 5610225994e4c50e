"""The process in which a learner's file runs: it judges the functions and writes one JSON line for each event.

Run by ``convolens.checking.isolation``, with limits on time and, where the system has them, memory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from convolens.checking.judging import judge
from convolens.checking.learner import load, pieces_of
from convolens.checking.results import Result

__all__ = ["main"]


def main(order: str) -> None:
    """Carry out an order.

    Args:
        order: JSON with ``path``, ``events`` (the file to write to), ``seconds``, ``bytes`` (0 for no limit) and
            ``skip`` (records that are known already).
    """
    told = json.loads(order)
    _limit_memory(int(told["bytes"]))
    with open(told["events"], "a", encoding="utf-8", buffering=1) as events:

        def tell(**event: Any) -> None:
            events.write(json.dumps(event) + "\n")

        path = Path(told["path"])
        sys.path.append(str(path.parent))
        tell(begins="")
        learner = load(pieces_of(path), told["seconds"])
        tell(notes=[str(note) for note in learner.notes])
        skip = {record["function"]: Result(**record) for record in told["skip"]}
        records = judge(
            learner.functions, learner.namespace, told["seconds"], learner.broken, skip, lambda name: tell(begins=name)
        )
        for record in records:
            tell(record=record.to_json())
        tell(ends=True)


def _limit_memory(limit: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(sys.argv[1])
