"""``convolens train``: a task's network, its run folder and how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .console import console, escaped, table

__all__ = ["command", "show_evaluation", "train_and_show"]


def command(
    task: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TASK",
            help="A data set (convolens data list), a folder with one folder of images per class, "
            "TRAIN.csv [TEST.csv], or TRAIN.h5 TEST.h5.",
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="How many times every image is seen.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At the start; it falls to 0 along a cosine.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam, sgd, rmsprop, ...")] = None,
    model: Annotated[str | None, typer.Option(help="Another network of cl.zoo.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides everything random; 0 unless set.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; a new one in runs/ unless set.")] = None,
    data: Annotated[Path | None, typer.Option(help="The folder where data sets are searched first.")] = None,
    validation: Annotated[
        float | None, typer.Option(help="Share of images that chooses the epoch; 0: the last.")
    ] = None,
    augment: Annotated[bool | None, typer.Option(help="Vary the training images as suits the task.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of features dropped in training.")] = None,
    kernels: Annotated[str | None, typer.Option(help="reference, vectorized or compiled.")] = None,
    threads: Annotated[int | None, typer.Option(help="How many threads to use.")] = None,
    engine: Annotated[str | None, typer.Option(help="native, or keras: the backend that KERAS_BACKEND names.")] = None,
    devices: Annotated[
        int | None, typer.Option(help="With keras on JAX: share each batch among so many devices of this machine.")
    ] = None,
    coordinator: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="With several processes: where process 0 is.")
    ] = None,
    processes: Annotated[int, typer.Option(help="How many processes share each batch.")] = 1,
    process_id: Annotated[int, typer.Option(help="Which of them this is; 0 writes the run.")] = 0,
    against: Annotated[Path | None, typer.Option(help="Say how far the curves are from those of this run.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run.")] = None,
    report: Annotated[bool, typer.Option(help="Write report.html, images/*.png and explain.html too.")] = True,
) -> None:
    """Train the network of a task and evaluate it.

    What is not said takes the task's defaults. The result is a folder with the network (model.keras), history.csv,
    metrics.json, config.json, a report (report.html, images/*.png) and every number of one test image (explain.html).
    """
    from convolens import config
    from convolens import kernels as kernel_choice

    if kernels is not None:
        kernel_choice.set(kernels)
    if threads is not None:
        config.set_num_threads(threads)
    if not task and resume is None:
        raise ValueError("no TASK: name a data set (convolens data list), a folder of images, or files.")
    train_and_show(
        task,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        optimizer=optimizer,
        model=model,
        seed=seed,
        out=out,
        data_dir=data,
        validation=validation,
        augment=augment,
        dropout=dropout,
        engine=engine,
        cluster=_cluster(devices, coordinator, processes, process_id),
        resume=resume,
        report=report,
        against=against,
    )


def _cluster(devices: int | None, coordinator: str | None, processes: int, process_id: int) -> Any:
    """Return who shares each batch; None if nobody does."""
    from convolens.bridges.cluster import Cluster

    asked = Cluster(devices, coordinator, processes, process_id)
    return asked if asked.is_distributed else None


def train_and_show(task: Any, *, report: bool = True, against: Path | None = None, **options: Any) -> Any:
    """Train, print the table of precision, recall and F1, say where the run is, write its pages; return the run."""
    from convolens.runs import Run, train_task
    from convolens.training.callbacks import ProgressBar

    if against is not None:
        Run.load(against)
    begun: list[Any] = []

    def begin(run: Any) -> None:
        begun.append(run)
        data, chosen = run.config["data"], run.config["options"]
        shape = "x".join(map(str, data["image_shape"]))
        console.say(
            f"[bold]{escaped(data['name'])}[/]: {data['training_images']:,} training and {data['test_images']:,} test "
            f"images of {shape}, {len(data['class_names'])} classes"
        )
        console.say(
            f"{chosen['network']}, {chosen['epochs']} epochs, batches of {chosen['batch_size']}, {chosen['optimizer']} "
            f"from {chosen['learning_rate']:g}, seed {chosen['seed']}, {run.config['environment']['kernels']} kernels"
        )

    stream = console.progress
    bars = [] if stream is None else [ProgressBar(stream)]
    try:
        run = train_task(task, verbose=0 if stream is None else "auto", callbacks=bars, begin=begin, **options)
    except KeyboardInterrupt:
        if begun:
            _tell_interrupted(begun[0])
        raise
    cluster = options.get("cluster")
    if cluster is not None and not cluster.is_chief:
        console.say(f"Process {cluster.process_id} of {cluster.processes} is done; process 0 has the run.")
        return run
    if against is not None:
        _tell_differences(run, against)
    show_evaluation(run, {"run": str(run.folder), "seconds": run.config["seconds"], **run.metrics})
    if report:
        _write_pages(run)
    return run


def _tell_differences(run: Any, against: Path) -> None:
    from convolens.runs import Run, curve_differences

    found = curve_differences(run, Run.load(against))
    apart = ", ".join(f"{name} {value:.2g}" for name, value in found.items())
    console.say(f"Largest relative difference from the curves of {escaped(str(against))}: {apart}")


def _write_pages(run: Any) -> None:
    """Write the report with its pictures, and the page with every number of the first test image."""
    from convolens.explainer import explain
    from convolens.reporting import write_report

    console.say(f"Report: {escaped(str(write_report(run)))}")
    data = run.dataset()
    page = run.folder / "explain.html"
    explain(run.model, data.x_test[0], int(data.y_test[0]), class_names=run.class_names).save(page)
    console.say(f"Every number of one test image: {escaped(str(page))}")


def show_evaluation(run: Any, metrics: dict[str, Any]) -> None:
    """Give the test metrics: a table per class, the accuracy with its interval, and the run's folder."""
    import pandas as pd

    classes = pd.DataFrame(metrics["classes"]).set_index("class").rename(columns={"f1": "F1"})
    low, high = metrics["accuracy_interval"]
    data = run.config["data"]
    console.result(
        metrics,
        table(f"Test images of {data['name']}", classes),
        f"[bold]Accuracy {metrics['accuracy']:.2%}[/] on {metrics['count']:,} test images "
        f"(95 % interval {low:.2%} to {high:.2%})",
        f"Run: {escaped(str(run.folder))}",
    )


def _tell_interrupted(run: Any) -> None:
    kept = run.config.get("kept")
    if kept:
        which = "best" if run.config["options"]["validation"] else "last"
        console.say(f"Kept the network of epoch {kept['epoch']}, the {which} so far, in {run.folder / 'model.keras'}")
        console.say(f"Go on with: convolens train --resume {run.folder}")
