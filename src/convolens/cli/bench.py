"""``convolens bench``: measure training and prediction here, beside the frameworks that are installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import console, escaped, table

__all__ = ["command"]


def command(
    tasks: Annotated[str, typer.Option(help="Networks, with commas: lenet5, happy, signs, vgg_small.")] = "",
    peers: Annotated[str, typer.Option(help="Contestants, with commas; all that are installed if empty.")] = "",
    rounds: Annotated[int, typer.Option(help="Turns of each contestant; the median counts.", min=1)] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="LeNet-5 only, three rounds.")] = False,
    busy: Annotated[
        bool, typer.Option("--busy", help="For a machine at work: one thread each, seconds of processor time.")
    ] = False,
    profile: Annotated[str, typer.Option(metavar="TASK", help="Instead: where the time of one train step goes.")] = "",
    growth: Annotated[
        bool, typer.Option("--growth", help="Instead: time against batch, size, channels, threads.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="A folder for the results as JSON and pictures.")] = None,
) -> int:
    """Measure training and prediction here, beside the frameworks that are installed.

    Contestants take turns, each in a process of its own. Ratios are theirs over ours: above 1, convolens is faster
    (or smaller). Only figures of one run compare.
    """
    from convolens.benchmarking import TASKS
    from convolens.benchmarking.contestants import CONTESTANTS

    chosen = _chosen(tasks, tuple(TASKS), "task")
    contestants = _chosen(peers, tuple(CONTESTANTS), "contestant") if peers else None
    if profile and growth:
        raise ValueError("--profile and --growth are two measurements; choose one.")
    if out is not None and out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: is a file; expected a folder.")
    if profile:
        return _profile(_chosen(profile, tuple(TASKS), "task")[0])
    if growth:
        return _growth(out)
    from convolens.benchmarking.measure import as_markdown, measure

    if quick:
        chosen, rounds = ("lenet5",), min(rounds, 3)
    found = measure(chosen, contestants, rounds, busy=busy, say=console.say)
    if out is not None:
        from convolens.benchmarking.figures import roofline
        from convolens.files import replacing

        _write(out, "results", found, roofline(found))
        with replacing(out / "results.md") as beside:
            beside.write_text(as_markdown(found), "utf-8")
    console.result(found, escaped(as_markdown(found)))
    return 0


def _chosen(names: str, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    wanted = tuple(name.strip() for name in names.split(",") if name.strip()) or known
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no {what} {name!r}; there are: {'; '.join(known)}.")
    return wanted


def _profile(task: str) -> int:
    import pandas as pd

    from convolens.benchmarking.profiling import profile

    found = profile(task)
    frame = pd.DataFrame(found["rows"]).set_index("part")
    rates = {"GFLOP/s": frame["rate"] / 1e9, "of the limit": frame["share"]}
    shown = pd.DataFrame(
        {
            "forward, ms": frame["forward"],
            "backward, ms": frame["backward"],
            **{name: [f"{x:.3f}" if x > 0 else "" for x in values] for name, values in rates.items()},
        }
    )
    summary = (
        f"One train step: {found['step']:.2f} ms on one thread; "
        f"limit {found['sgemm'] / 1e9:.0f} GFLOP/s, reached {found['share']:.0%}."
    )
    console.result(found, table(f"{task}, one train step", shown, digits=3), summary)
    return 0


def _growth(out: Path | None) -> int:
    from convolens.benchmarking.figures import growth_figure
    from convolens.benchmarking.profiling import growth

    found = growth(console.say)
    if out is not None:
        _write(out, "growth", found, growth_figure(found))
    console.result(found, "")
    return 0


def _write(folder: Path, name: str, found: Any, figure: Any) -> None:
    from convolens.files import replacing

    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / f"{name}.json") as beside:
        beside.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    with replacing(folder / f"{name}.png") as beside:
        figure.savefig(beside, format="png", dpi=120)
    console.say(f"Wrote {folder / name}.json and .png.")
