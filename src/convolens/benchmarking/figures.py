"""Results as pictures."""

from __future__ import annotations

from typing import Any

__all__ = ["growth_figure", "roofline"]


def roofline(found: dict[str, Any]) -> Any:
    """Return a figure of every contestant's rate in training, beside the machine's rate on matrix products."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    tasks = list(found["tasks"])
    names = list(dict.fromkeys(name for task in tasks for name in found["tasks"][task]["contestants"]))
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        heights = []
        for task in tasks:
            results = found["tasks"][task]
            own = results["contestants"].get(name)
            heights.append(results["operations"]["train"] / own["train"]["median"] / 1e9 if own else 0)
        places = [position - 0.4 + (number + 0.5) * width for position in range(len(tasks))]
        axes.bar(places, heights, width, label=name, color=f"C{number}")
    for position, task in enumerate(tasks):
        limit = found["tasks"][task]["sgemm"]["median"] / 1e9
        axes.hlines(
            limit, position - 0.45, position + 0.45, "black", "dashed", label="_nolegend_" if position else "sgemm"
        )
    axes.set_xticks(range(len(tasks)), tasks)
    axes.set_ylabel("10⁹ operations per second")
    axes.set_title(f"Training on {found['threads']} threads, beside the machine's rate on matrix products")
    figure.legend(fontsize="small", loc="outside right upper")
    return figure


def growth_figure(found: dict[str, list[dict[str, float]]]) -> Any:
    """Return a figure of the time per image against batch size, image size, channels and threads."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, ScalarFormatter

    figure = Figure(figsize=(12, 3.5), layout="constrained")
    labels = {"batch": "images in a batch", "size": "pixels along a side", "channels": "channels", "threads": "threads"}
    panels = figure.subplots(1, len(found))
    for axes, (name, points) in zip(panels, found.items(), strict=True):
        values = [point["value"] for point in points]
        axes.plot(values, [1e6 * point["seconds"] for point in points], "o-")
        axes.set_xlabel(labels[name])
        if name == "threads":
            axes.set_ylim(bottom=0)
        else:
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(ScalarFormatter())
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="x", labelsize="small")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("microseconds per image")
    figure.suptitle("A train step: time per image as one thing grows")
    return figure
