"""Train a task's network into a run folder; stop and go on without a trace."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import math
import platform
import shutil
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import convolens as cl
from convolens.bridges.cluster import Cluster
from convolens.bridges.engine import fit_on_keras
from convolens.bridges.extras import needed
from convolens.datasets import Dataset, duplicate_groups, stratified_split
from convolens.random import checked
from convolens.training.callbacks import BackupAndRestore, Callback

from .recipes import Recipe, augmentation_layers, recipe_for
from .record import Record
from .run import Run, border_mean, write_json
from .tasks import find_task

__all__ = ["Options", "complete", "train_dataset", "train_task", "training_groups"]

_GROUPING_LIMIT = 10_000  # training images up to which duplicates are kept on one side of the validation split


@dataclasses.dataclass(frozen=True)
class Options:
    """What a run was asked for, without gaps: everything that a repetition needs."""

    network: str
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str
    validation: float
    augment: bool
    seed: int
    data_dir: str | None
    engine: str = "native"
    dropout: float | None = None

    def __post_init__(self) -> None:
        checks = [
            ("epochs", self.epochs, self.epochs >= 1, "a whole number of at least 1"),
            ("batch_size", self.batch_size, self.batch_size >= 1, "a whole number of at least 1"),
            ("learning_rate", self.learning_rate, 0 < self.learning_rate < math.inf, "a number above 0"),
            ("validation", self.validation, 0 <= self.validation < 1, "a share from 0 to below 1"),
            ("dropout", self.dropout, self.dropout is None or 0 <= self.dropout < 1, "a share from 0 to below 1"),
            ("network", self.network, self.network in cl.zoo.NETWORKS, f"one of {', '.join(cl.zoo.NETWORKS)}"),
            ("engine", self.engine, self.engine in ("native", "keras"), "'native' or 'keras'"),
        ]
        for name, value, fits, expected in checks:
            if not fits:
                raise ValueError(f"{name} is {value!r}; expected {expected}.")
        checked(self.seed)
        cl.optimizers.get(self.optimizer)  # an unknown one raises


def train_task(
    task: str | Path | Sequence[str | Path] | None = None,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    optimizer: str | None = None,
    model: str | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    validation: float | None = None,
    augment: bool | None = None,
    dropout: float | None = None,
    engine: str | None = None,
    cluster: Cluster | None = None,
    resume: str | Path | None = None,
    verbose: str | int = "auto",
    callbacks: Sequence[Callback] = (),
    begin: Callable[[Run], None] | None = None,
) -> Run:
    """Train the network of a task and evaluate it on the test images.

    Options that are None take the task's defaults, or with ``resume`` those of the run. The seed decides initial
    weights, order, dropout, augmentation and splits: the same call gives the same weights, bit for bit, also if it was
    interrupted and resumed.

    Args:
        task: a data set's name, a folder of images, or files; see ``find_task``.
        epochs: how many times every training image is seen.
        batch_size: images per step.
        learning_rate: at the start; it falls to 0 along half a cosine.
        optimizer: the name of one of ``cl.optimizers``; ``"adam"`` by default.
        model: the name of a network of ``cl.zoo``.
        seed: 0 by default.
        out: the run's folder; a new one in ``runs/`` if None.
        data_dir: where to search named sets first.
        validation: the share of training images that is set aside to choose the epoch whose network is kept; with 0
            none is set aside, and the last epoch's is kept.
        augment: whether to vary the training images in ways that suit the task.
        dropout: the share of features that the network drops in training; its own if None.
        engine: ``"native"``, or ``"keras"`` to train on the backend that ``KERAS_BACKEND`` names, from the same initial
            weights and in the same order.
        cluster: with ``"keras"`` on JAX, the devices and machines that share each batch. Only process 0 writes the
            folder; the others return an unfinished run.
        resume: the folder of a run to go on with.
        verbose: 0 silent, ``"auto"`` a progress bar per epoch.
        callbacks: more callbacks.
        begin: called with the run before training.

    Returns:
        The run. Its folder holds ``config.json``, ``model.keras`` (of the epoch kept), ``history.csv``,
        ``metrics.json`` and ``checkpoints/``.

    Raises:
        ValueError: for a wrong option or damaged data.
        OSError: if files are missing or the folder cannot be written.
        KeyboardInterrupt: after Ctrl-C; the network kept so far stays and the run can be resumed.
    """
    folder = None if data_dir is None else str(Path(data_dir).resolve())
    asked: dict[str, Any] = {
        "network": model,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "optimizer": optimizer,
        "validation": validation,
        "augment": augment,
        "dropout": dropout,
        "seed": seed,
        "data_dir": folder,
        "engine": engine,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    if resume is not None:
        run = Run.load(resume)
        if task or out:
            raise ValueError("a resumed run keeps its task and its folder; name neither beside resume.")
        options = Options(**{**run.config["options"], **given})
        _check_resumable(run, options)
        data = run.dataset(given.get("data_dir"))
        recipe = recipe_for(data, options.network)
    else:
        if not task:
            raise ValueError("no task: name a data set, a folder of images, or files.")
        data = find_task(task, folder, checked(seed or 0))
        recipe = recipe_for(data, model)
        options = complete(recipe, given)
        target = Path(out or "runs") if _is_worker(cluster) else _new_folder(out, data.name)
        run = Run(target, _config(task, options, data))
    if cluster is not None and options.engine != "keras":
        raise ValueError("devices and processes share the work of engine 'keras'; the native engine has none.")
    if options.engine == "keras" and find_spec("keras") is None:
        needed("keras", "keras", "engine 'keras'")
    run.config["options"] = dataclasses.asdict(options)
    run.keep(data)
    if begin is not None:
        begin(run)
    _train(run, data, recipe, options, verbose, callbacks, cluster)
    return run


def train_dataset(data: Dataset, recipe: Recipe, options: Options, folder: Path) -> Run:
    """Train on data in memory, silently; the run in ``folder`` can be read but not resumed."""
    run = Run(folder, _config(data.name, options, data))
    run.keep(data)
    _train(run, data, recipe, options, 0, ())
    return run


def complete(recipe: Recipe, given: dict[str, Any]) -> Options:
    """Return the options that were given, and the recipe's for the others."""
    defaults = {name: value for name, value in dataclasses.asdict(recipe).items() if name != "augmentation"}
    return Options(**{**defaults, "optimizer": "adam", "seed": 0, "data_dir": None, **given})


def _train(
    run: Run,
    data: Dataset,
    recipe: Recipe,
    options: Options,
    verbose: str | int,
    callbacks: Sequence[Callback],
    cluster: Cluster | None = None,
) -> None:
    cl.utils.set_random_seed(options.seed)
    cl.utils.clear_session()
    network = _build(options, data, ())
    trained = network
    apart = "apart" in inspect.signature(cl.zoo.NETWORKS[options.network]).parameters
    if options.augment or apart:
        cl.utils.clear_session()  # layers of the two have the same names
        trained = _build(options, data, augmentation_layers(recipe, cl) if options.augment else (), apart)
        trained.set_weights(network.get_weights())
    train, held_out = _split(data, options)
    steps = -(-len(train) // options.batch_size) * options.epochs
    binary = network.output_shape[-1] == 1
    for one in {id(network): network, id(trained): trained}.values():
        _compile(one, options, steps, binary)
    # Networks that are trained apart each have the label.
    y = (
        np.repeat(data.y_train[:, None].astype(np.float32), trained.output_shape[-1], axis=1)
        if binary
        else data.y_train
    )
    arguments: dict[str, Any] = {
        "batch_size": options.batch_size,
        "epochs": options.epochs,
        "validation_data": (data.x_train[held_out], y[held_out]) if len(held_out) else None,
    }
    fit = functools.partial(fit_on_keras, trained, cluster=cluster) if options.engine == "keras" else trained.fit
    if _is_worker(cluster):
        fit(data.x_train[train], y[train], **arguments, verbose=0)
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    _write_state(run, "training")
    try:
        fit(
            data.x_train[train],
            y[train],
            **arguments,
            callbacks=[
                Record(run, network),
                BackupAndRestore(run.folder / "checkpoints", delete_checkpoint=False),
                *callbacks,
            ],
            verbose=verbose,
        )
        run.evaluate()
    except KeyboardInterrupt:
        _write_state(run, "interrupted")
        raise
    except (FloatingPointError, ConnectionError) as error:
        if isinstance(error, FloatingPointError) and not (run.folder / "history.csv").exists():
            _clear(run.folder)  # nothing was learnt; the mended command may have the folder
        else:
            _write_state(run, "failed")
        raise
    run.config["seconds"] = round(run.config.get("seconds", 0) + time.perf_counter() - started, 2)
    _write_state(run, "done")


def _is_worker(cluster: Cluster | None) -> bool:
    """Whether this process only helps another one, which writes the run's folder."""
    return cluster is not None and not cluster.is_chief


def _build(options: Options, data: Dataset, augment: Sequence[Any], apart: bool = False) -> Any:
    build = cl.zoo.NETWORKS[options.network]
    arguments: dict[str, Any] = {"input_shape": data.image_shape, "compile": False, "augment": augment}
    if apart:
        arguments["apart"] = True
    classes = len(data.class_names)
    if "classes" in inspect.signature(build).parameters:
        arguments["classes"] = classes
    elif classes != 2:
        raise ValueError(f"{options.network} tells two classes apart, but {data.name} has {classes}.")
    if options.dropout is not None:
        if "dropout" not in inspect.signature(build).parameters:
            raise ValueError(f"{options.network} has no dropout; expected dropout to be None.")
        arguments["dropout"] = options.dropout
    return build(cl, **arguments)


def _compile(model: Any, options: Options, steps: int, binary: bool) -> None:
    kind: Any = type(cl.optimizers.get(options.optimizer))
    schedule = cl.optimizers.schedules.CosineDecay(options.learning_rate, steps)
    loss = "binary_crossentropy" if binary else "sparse_categorical_crossentropy"
    # Of several columns, "accuracy" would be whether the largest is the right one.
    accuracy = cl.metrics.BinaryAccuracy(name="accuracy") if binary else "accuracy"
    model.compile(optimizer=kind(learning_rate=schedule), loss=loss, metrics=[accuracy])


def _split(data: Dataset, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """Return indices to train on and to validate on; duplicates stay on one side where looking for them is quick."""
    everything = np.arange(len(data.y_train))
    if not options.validation:
        return everything, everything[:0]
    return stratified_split(data.y_train, options.validation, options.seed, training_groups(data))


def training_groups(data: Dataset) -> np.ndarray | None:
    """Number the training images so that near duplicates share a number; None where there are too many to look."""
    x = data.raw.x_train
    return duplicate_groups(x, data.near()) if len(x) <= _GROUPING_LIMIT else None


def _new_folder(out: str | Path | None, name: str) -> Path:
    if out is not None:
        if Path(out).is_dir() and any(Path(out).iterdir()):
            raise ValueError(f"{out}: the folder is not empty. Choose another, or go on with --resume {out}.")
        if Path(out).exists() and not Path(out).is_dir():
            raise ValueError(f"{out}: is a file; expected the name of a new folder.")
        above = next((parent for parent in Path(out).parents if parent.exists()), None)
        if above is not None and not above.is_dir():
            raise ValueError(f"{out}: {above} is no folder; expected the name of a new folder.")
        return Path(out)
    stem = f"{Path(name).stem.replace('.h5', '')}-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (stem if i == 0 else f"{stem}-{i + 1}" for i in range(10_000))
    return next(folder for folder in map(Path("runs").joinpath, names) if not folder.exists())


def _config(task: Any, options: Options, data: Dataset) -> dict[str, Any]:
    parts = [task] if isinstance(task, str | Path) else list(task)
    located = [str(Path(part).resolve()) if Path(part).exists() else str(part) for part in parts]
    if len(parts) == 1 and data.name in cl.datasets.names():
        located = [data.name]
    return {
        "task": located,
        "options": dataclasses.asdict(options),
        "data": {
            "name": data.name,
            "description": data.description,
            "class_names": data.class_names,
            "image_shape": list(data.image_shape),
            "training_images": len(data.x_train),
            "test_images": len(data.x_test),
            "dark_border": data.image_shape[2] == 1 and border_mean(data.raw.x_train) < 0.25 * data.scale,
            "files": data.source.files,
            "notes": data.source.notes,
        },
        "environment": {
            "convolens": cl.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "kernels": cl.kernels.active(),
            "threads": cl.config.get_num_threads(),
        },
        "command": _command(located, options),
    }


def _command(task: Sequence[str], options: Options) -> str:
    """Return the command that repeats the run."""
    import shlex

    words = ["convolens", "train", *task, "--model", options.network]
    for name in ("epochs", "batch_size", "learning_rate", "optimizer", "validation", "seed"):
        words += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    words.append("--augment" if options.augment else "--no-augment")
    if options.dropout is not None:
        words += ["--dropout", str(options.dropout)]
    if options.engine != "native":
        words += ["--engine", options.engine]
    if options.data_dir:
        words += ["--data", options.data_dir]
    return shlex.join(words)


def _check_resumable(run: Run, options: Options) -> None:
    """Refuse to go on where that would train with other options than the run says, or lose what it has."""
    before = Options(**run.config["options"])
    for field in dataclasses.fields(Options):
        if field.name in ("epochs", "data_dir"):
            continue
        was, now = getattr(before, field.name), getattr(options, field.name)
        if was != now:
            raise ValueError(
                f"{run.folder}: a resumed run keeps its {field.name} ({was}); got {now}. Only epochs and the place of "
                "the data may change."
            )
    kept = (run.folder / "model.keras").exists()
    done = len(run.history.get("epoch", ())) if kept or (run.folder / "history.csv").exists() else 0
    resumable = (run.folder / "checkpoints" / "training_metadata.json").is_file()
    if kept and not resumable:
        raise FileNotFoundError(
            f"{run.folder}: has {done} epochs but no checkpoint to go on from. Train a new run: {run.config['command']}"
        )
    if resumable and done and not kept:
        raise FileNotFoundError(
            f"{run.folder / 'model.keras'}: no such file, and only the end of an epoch writes it. Train a new run: "
            f"{run.config['command']}"
        )
    if done >= options.epochs and options != before:
        raise ValueError(f"{run.folder}: has {done} epochs already; expected more than that, got {options.epochs}.")


def _clear(folder: Path) -> None:
    """Remove what a run wrote before its first epoch ended, and the folder if that was all."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    (folder / "config.json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def _write_state(run: Run, state: str) -> None:
    run.config["state"] = state
    write_json(run.folder / "config.json", run.config)
