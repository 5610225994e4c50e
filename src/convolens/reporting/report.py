"""A run's report: one page that needs no network, for light and dark screens."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from convolens.files import replacing
from convolens.runs import Run

from .cases import cases_of
from .findings import Findings
from .images import Pictures, pixels_png

__all__ = ["write_images", "write_report"]

_CASES_OPEN, _PAIRS = 24, 20
#: The tasks whose recipes ``benchmarks/recipes.py`` chooses.
_CROSS_VALIDATED = ("digits", "mnist", "fashion_mnist", "signs", "smiles")
_IN_PAGE = ("architecture", "curves", "calibration", "roc", "feature_maps", "filters")


def write_images(run: Run | str | Path, data_dir: str | Path | None = None) -> list[Path]:
    """Draw a run's pictures into its folder ``images/`` and return the files.

    They are ``architecture``, ``curves``, ``confusion_matrix``, ``calibration``, ``misclassified``, ``feature_maps``,
    ``filters`` of the first convolution, and for two classes ``roc``.

    Args:
        run: the run, or its folder.
        data_dir: where to search the data first, if not where they were.

    Raises:
        OSError: if the run is not there or nothing can be written.
        ValueError: if its files are damaged.
    """
    findings = Findings(run, data_dir)
    return _write_images(findings, Pictures(findings))


def write_report(run: Run | str | Path, data_dir: str | Path | None = None, *, cases: int = 400) -> Path:
    """Write a run's ``report.html`` and ``images/*.png``; return the path of the report.

    Data, network, training, evaluation, every wrong case, and what is needed to repeat the run, in one file.

    Args:
        run: the run, or its folder.
        data_dir: where to search the data first, if not where they were.
        cases: how many wrong cases to show at most, the most confident first.

    Raises:
        OSError: if the run is not there or nothing can be written.
        ValueError: if its files are damaged.
    """
    findings = Findings(run, data_dir)
    drawn = Pictures(findings)
    page = _page(findings, drawn, cases)
    _write_images(findings, drawn)
    path = findings.run.folder / "report.html"
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def _write_images(findings: Findings, drawn: Pictures) -> list[Path]:
    folder = findings.run.folder / "images"
    folder.mkdir(exist_ok=True)
    written = [folder / f"{name}.png" for name in drawn]
    for path in written:
        with replacing(path) as beside:
            beside.write_bytes(drawn.png(path.stem))
    return written


def _page(findings: Findings, drawn: Pictures, cases: int) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files(__package__) / "template.html").read_text(encoding="utf-8"))
    evaluation, description = findings.evaluation, findings.description
    return template.render(
        config=findings.run.config,
        figures={name: drawn.themed(name) for name in drawn if name in _IN_PAGE},
        description=description,
        pixels=description.pixels.to_dict(orient="records"),
        pairs=description.duplicates.sort_values("split_b", kind="stable").head(_PAIRS).to_dict(orient="records"),
        classes=_class_rows(findings),
        layers=findings.layers,
        parameters=findings.model.count_params(),
        epochs=len(next(iter(findings.history.values()), [])),
        evaluation=evaluation,
        evaluation_html=Markup(evaluation.to_html()),
        leaks=findings.leaks,
        wrong=len(evaluation.misclassified),
        cases=cases_of(findings, cases),
        cases_open=_CASES_OPEN,
        example=findings.example,
        cross_validated=_CROSS_VALIDATED,
        first_convolution=findings.first_convolution,
        certificate=_certificate(findings.run),
    )


def _certificate(run: Run) -> dict[str, Any] | None:
    """Return what ``convolens certify`` found for this run, if it was asked."""
    path = run.folder / "certificate.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def _class_rows(findings: Findings) -> list[dict[str, Any]]:
    """Return each class's name, counts and a strip of examples, cut from the sample grid."""
    h = findings.dataset.image_shape[0]
    counts = findings.description.counts
    rows = []
    for number, name in enumerate(findings.class_names):
        strip = findings.description.samples[number * (h + 1) : number * (h + 1) + h]
        train, test = (int(counts[split].iloc[number]) for split in ("train", "test"))
        rows.append({"name": name, "train": train, "test": test, "samples": pixels_png(np.ascontiguousarray(strip))})
    return rows
