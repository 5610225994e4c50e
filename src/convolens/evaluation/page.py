"""An evaluation as a part of an HTML page, for notebooks and reports. Names are escaped; colours follow the page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .classifier import Evaluation

__all__ = ["evaluation_html"]

_STYLE = """
.convolens-evaluation { font-variant-numeric: tabular-nums; overflow-x: auto; }
.convolens-evaluation > div { display: flex; flex-wrap: wrap; gap: 0 3em; align-items: flex-start; }
.convolens-evaluation table { border-collapse: collapse; margin: .6em 0 1.2em; width: auto; }
.convolens-evaluation caption { text-align: left; font-weight: 600; padding: .3em 0; }
.convolens-evaluation th, .convolens-evaluation td { padding: .25em .7em; text-align: right; border: 0; }
.convolens-evaluation th { font-weight: 500; }
.convolens-evaluation tbody th { text-align: left; }
.convolens-evaluation thead th, .convolens-evaluation tbody { border-bottom: 1px solid rgb(128 128 128 / .4); }
.convolens-evaluation .matrix td { min-width: 2.2em; text-align: center; }
.convolens-evaluation .matrix .right { background: rgb(0 114 178 / calc(var(--share) * .55)); }
.convolens-evaluation .matrix .wrong { background: rgb(213 94 0 / calc(.1 + var(--share) * .8)); }
.convolens-evaluation .matrix .none { opacity: .35; }
"""


def evaluation_html(evaluation: Evaluation) -> str:
    """Return the accuracy, the table of classes, the confusion matrix and the calibration as one ``<div>``."""
    low, high = evaluation.interval
    facts = [
        f"<b>{evaluation.accuracy:.2%}</b> of {evaluation.count:,} images right "
        f"(95% confidence interval {low:.2%} to {high:.2%})",
        f"expected calibration error {evaluation.expected_calibration_error:.3f}",
    ]
    if evaluation.auc is not None:
        facts.append(
            f"area under the ROC curve {evaluation.auc:.4f}; on these images a threshold of "
            f"{evaluation.best_threshold:.3f} on P({escape(evaluation.class_names[1])}) parts the classes best"
        )
    tables = _class_table(evaluation) + _confusion_table(evaluation) + _calibration_table(evaluation)
    text = f"<p>{'; '.join(facts)}.</p>"
    return f'<div class="convolens-evaluation"><style>{_STYLE}</style>{text}<div>{tables}</div></div>'


def _table(caption: str, heads: list[str], body: str, kind: str = "") -> str:
    cells = "".join(f"<th>{head}</th>" for head in heads)
    head = f"<caption>{caption}</caption><thead><tr>{cells}</tr></thead>"
    return f'<table class="{kind}">{head}<tbody>{body}</tbody></table>'


def _class_table(evaluation: Evaluation) -> str:
    bodies = []
    for frame in (evaluation.table, evaluation.averages):
        rows = [
            f"<tr><th>{escape(str(name))}</th><td>{p:.4f}</td><td>{r:.4f}</td><td>{f:.4f}</td><td>{int(s):,}</td></tr>"
            for name, (p, r, f, s) in zip(frame.index, frame.to_numpy().tolist(), strict=True)
        ]
        bodies.append("".join(rows))
    return _table("Classes", ["", "precision", "recall", "F1", "images"], "</tbody><tbody>".join(bodies))


def _confusion_table(evaluation: Evaluation) -> str:
    rows = []
    for i, (name, counts) in enumerate(zip(evaluation.class_names, evaluation.confusion_matrix, strict=True)):
        cells = []
        for j, count in enumerate(counts):
            kind = "none" if count == 0 else "right" if i == j else "wrong"
            share = count / max(counts.sum(), 1)
            cells.append(f'<td class="{kind}" style="--share:{share:.3f}">{count}</td>')
        rows.append(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>")
    heads = ["true \\ predicted", *map(escape, evaluation.class_names)]
    return _table("Confusion matrix", heads, "".join(rows), "matrix")


def _calibration_table(evaluation: Evaluation) -> str:
    rows = [
        f"<tr><th>{one['lower']:.1f} to {one['upper']:.1f}</th><td>{one['images']:,}</td>"
        f"<td>{one['confidence']:.3f}</td><td>{one['accuracy']:.3f}</td></tr>"
        for one in evaluation.calibration.to_dict(orient="records")
        if one["images"]
    ]
    return _table("Calibration", ["confidence", "images", "mean confidence", "share right"], "".join(rows))
