"""A student's page: what it learnt from and how well it agrees with labels it has not seen."""

from __future__ import annotations

from typing import TypedDict

from ablate.classifier.assess import Assessment
from ablate.plain import Plain
from ablate.render.tables import markdown

READING = """\
- **AUC** is the chance that a good document scores above another one. Its interval comes from a bootstrap of the
  validation documents; it says nothing about another training or other annotators.
- **F1** compares the documents that a threshold keeps with those that are labelled as good.
- **Points**: each level has two thresholds, the level itself and the one that keeps as many documents as have the
  label. Few labels make a student score towards their mean; then the first keeps too little and the second fits.
- **Calibration** compares the mean score with the mean label of documents with about the same score; bins hold about
  equally many documents.
- Labels are a teacher's opinion. Agreement with them says how well the student imitates it, not whether the filter
  helps a model: a sweep with `stages.classifier_quality` as a factor says that."""


class ExampleCounts(TypedDict):
    """Documents to learn from, held out, and left out (reason -> how many)."""

    train: int
    validation: int
    left_out: dict[str, int]


class Metrics(Assessment):
    """What `metrics.json` holds.

    Attributes:
        folder: of the student.
        student: its identity.
        binary: whether it learns to tell good from other, else points.
        positive_from: least label of a good document.
        examples: how many.
        distribution: documents per label, of "train" and of "validation".
    """

    folder: str
    student: dict[str, Plain]
    binary: bool
    positive_from: float
    examples: ExampleCounts
    distribution: dict[str, dict[str, int]]


def terminal(metrics: Metrics) -> str:
    """The headline in three lines."""
    area, examples = metrics["auc"], metrics["examples"]
    best = max(metrics["cuts"], key=lambda each: each["f1"] or 0.0, default=None)
    lines = [
        f"trained on {examples['train']:,} documents, validated on {examples['validation']:,}",
        f"AUC {_number(area['estimate'])} [{_number(area['low'])}, {_number(area['high'])}] for labels of "
        f"{metrics['positive_from']:g} and more ({area['good']:,} of {area['good'] + area['others']:,})",
    ]
    if best is not None:
        lines.append(
            f"Spearman {_number(metrics['spearman'])}; best F1 {_number(best['f1'])} at threshold {best['threshold']:.3g}"
        )
    return "\n".join(lines)


def page(title: str, metrics: Metrics) -> str:
    """The page, as Markdown."""
    area, examples = metrics["auc"], metrics["examples"]
    counts = metrics["distribution"]
    labels = sorted({*counts["train"], *counts["validation"]}, key=float)
    left_out = "; ".join(f"{count:,} x {reason}" for reason, count in examples["left_out"].items())
    unit = "probabilities of being good" if metrics["binary"] else "points"
    parts = [
        f"# {title}: quality classifier",
        f"**AUC {_number(area['estimate'])}**, 95 % interval [{_number(area['low'])}, {_number(area['high'])}], on "
        f"{examples['validation']:,} held-out documents, {area['good']:,} of them good (label of "
        f"{metrics['positive_from']:g} or more). Spearman's correlation of score and label: "
        f"{_number(metrics['spearman'])}. Scores are {unit}.",
        "## Thresholds",
        markdown(
            ("threshold", "good from", "kept", "precision", "recall", "F1"),
            [
                [
                    f"{each['threshold']:.3g}",
                    f"{each['good_from']:g}",
                    *(_number(v) for v in (each["kept"], each["precision"], each["recall"], each["f1"])),
                ]
                for each in metrics["cuts"]
            ],
            remark=False,
        ),
        "## Calibration",
        f"Calibration error: {_number(metrics['calibration_error'])}.",
        "![Mean label against mean score](calibration.svg)",
        markdown(
            ("mean score", "mean label", "95 % interval", "documents"),
            [
                [
                    _number(each["score"]),
                    _number(each["label"]),
                    f"[{_number(each['low'])}, {_number(each['high'])}]",
                    f"{each['documents']:,}",
                ]
                for each in metrics["calibration"]
            ],
            remark=False,
        ),
        "## Labels",
        markdown(
            ("label", "training", "validation"),
            [
                [label, *(f"{counts[side].get(label, 0):,}" for side in ("train", "validation"))]
                for label in labels
            ],
            remark=False,
        ),
        f"Left out: {left_out or 'nothing'}.",
        "## How to read this",
        READING,
        "## To use it",
        f"`stages.classifier_quality.model={metrics['folder']}`, with `stages.classifier_quality.keep_fraction`, or "
        "`threshold` and `keep_fraction=null`.",
    ]
    return "\n\n".join(parts) + "\n"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
