"""Train a light quality classifier and say how well it agrees with labels it has not seen.

Two recipes. FineWeb-Edu's: learn a teacher's scores (`ablate label` writes such files; any jsonl or Parquet with texts
and scores will do). DCLM's: tell a reference corpus from a background. Writes the student, metrics.json, CLASSIFIER.md and a
calibration figure into classifier.dir, to be used as stages.classifier_quality.model.

  student=fasttext                          also linear, embedding
  classifier.labels=[labels.jsonl]          files with text and score; default: what `ablate label` wrote
  classifier.target=class                   learn "at least classifier.positive_from" instead of the score
  classifier.reference=[good.jsonl.gz]      with classifier.background=[web.jsonl.gz]: the second recipe

Example: ablate train_classifier study.name=edu student=linear classifier.labels=[labels.jsonl]
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from ablate.classifier.assess import assess, distribution
from ablate.classifier.examples import Examples, read_labels, read_reference, split
from ablate.classifier.figure import calibration_figure
from ablate.classifier.page import Metrics, page, terminal
from ablate.classifier.student import Student, train_student
from ablate.config import make
from ablate.errors import ConfigError
from ablate.render.figure import save
from ablate.settings import ClassifierConfig, settings_of
from ablate.store import write_json, write_text


def main(config: DictConfig) -> int:
    """Train; returns the exit status."""
    wanted = settings_of(config).classifier
    student = make(config.student, "student")
    assert isinstance(student, Student)
    folder = Path(wanted.dir)
    metrics = train(student, folder, wanted)
    title = config.study.title or config.study.name
    write_json(folder / "metrics.json", metrics)
    save(
        calibration_figure(metrics["calibration"], title, binary=metrics["binary"]),
        folder / "calibration",
    )
    write_text(folder / "CLASSIFIER.md", page(title, metrics))
    print(terminal(metrics))
    print(f"student: {folder}; page: {folder / 'CLASSIFIER.md'}")
    return 0


def train(student: Student, folder: Path, wanted: ClassifierConfig) -> Metrics:
    """Train on one part of the examples, assess on the other.

    Args:
        wanted: the configuration's `classifier`.
    Returns:
        What metrics.json holds.
    Raises:
        DataError: when there is nothing to tell apart.
    """
    examples, good_from, binary = _examples(wanted)
    seen, held_out = split(examples.scores, wanted.validation, wanted.seed)
    labels = {"train": examples.scores[seen], "validation": examples.scores[held_out]}
    targets = (labels["train"] >= good_from).astype(float) if binary else labels["train"]
    scorer = train_student(
        student,
        [examples.texts[row] for row in seen],
        targets,
        folder,
        binary=binary,
        seed=wanted.seed,
        recipe={
            "examples": examples.digest,
            "validation": wanted.validation,
            "positive_from": good_from if binary else None,
        },
    )
    measured = assess(
        labels["validation"],
        scorer([examples.texts[row] for row in held_out]),
        good_from=good_from,
        binary=binary,
        resamples=wanted.resamples,
        seed=wanted.seed,
    )
    return {
        "folder": str(folder),
        "student": student.identity(),
        "binary": binary,
        "positive_from": good_from,
        "examples": {"train": seen.size, "validation": held_out.size, "left_out": examples.left_out},
        "distribution": {side: distribution(values) for side, values in labels.items()},
        **measured,
    }


def _examples(wanted: ClassifierConfig) -> tuple[Examples, float, bool]:
    """The examples, the least score of a good one, and whether the student learns that alone."""
    if bool(wanted.reference) != bool(wanted.background):
        raise ConfigError(
            "give classifier.reference and classifier.background together, or neither and classifier.labels"
        )
    if wanted.reference:
        return read_reference(wanted.reference, wanted.background, wanted.text_column), 1.0, True
    labels = read_labels(wanted.labels, wanted.text_column, wanted.score_column)
    return labels, wanted.positive_from, wanted.target == "class"
