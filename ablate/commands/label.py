"""Score a sample of documents with a teacher, to train a quality classifier on.

The sample is drawn from the documents that pass the recipe's stages up to `classifier_quality`, or to its end. Every
answer is kept in the store the moment it arrives: interrupt it, give the same command again, and nothing is paid for
twice. Writes labels.jsonl and summary.json (label distribution, answers without a score, cost) into label.dir.

  teacher=anthropic          key in ANTHROPIC_API_KEY; also openai_compatible, local_model, labels_file
  label.prompt=rubric.txt    your own rubric, with {text} where the document goes, ending in "Score: <0 to 5>"
  label.sample=2000          documents
  label.max_cost=5           ask nothing that could take the sample's answers beyond this, however often it is run

Example: ablate label study=demo label.sample=500 label.max_cost=2
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from ablate.config import make, make_stages, naming, stage_order
from ablate.corpus.view import build_corpus
from ablate.fingerprint import digest, mix64
from ablate.inspect.arm import open_arm
from ablate.label.labelling import Labelling, label_documents
from ablate.label.rubric import Document, Rubric
from ablate.render.tables import aligned
from ablate.settings import settings_of
from ablate.stages.base import Stage
from ablate.stages.classifier_quality import ClassifierQuality
from ablate.store import Store, write_json, write_text
from ablate.teacher.base import Teacher


def main(config: DictConfig) -> int:
    """Label; returns the exit status: 1 when a document got no answer."""
    wanted = settings_of(config).label
    teacher = make(config.teacher, "teacher")
    assert isinstance(teacher, Teacher)
    with naming("label", ("prompt", "max_characters", "max_tokens", "temperature")):
        rubric = Rubric(
            prompt=wanted.prompt,
            max_characters=wanted.max_characters,
            max_tokens=wanted.max_tokens,
            temperature=wanted.temperature,
        )
    teacher.check()
    documents = sample(config)
    identity = rubric.identity(teacher)
    folder = Store(Path(config.store)).folder("labels", digest(identity), identity)
    made = label_documents(documents, teacher, folder, wanted.max_cost, rubric)
    out = Path(wanted.dir)
    write_text(out / "labels.jsonl", _lines(documents, made))
    summary = {"teacher": identity, **made.summary()}
    write_json(out / "summary.json", summary)
    print(_terminal(summary))
    print(f"labels: {out / 'labels.jsonl'}; answers: {folder}")
    return 1 if made.failures else 0


def sample(config: DictConfig) -> list[Document]:
    """The documents to label, in pool order."""
    with open_arm(config) as (arm, builder):
        corpus = build_corpus(before_classifier(arm.config), builder.annotations)
        pool = builder.pool
        wanted = settings_of(config).label
        order = np.argsort(mix64(pool.keys[corpus.rows], wanted.seed), kind="stable")
        rows = np.sort(corpus.rows[order[: wanted.sample]])
        urls, metadata = pool.column("url"), pool.column("metadata")
        return [
            Document(
                str(json.loads(metadata[row].as_py()).get("id") or f"{int(pool.keys[row]):016x}"),
                text,
                urls[row].as_py(),
            )
            for row, text in builder.annotations.texts(corpus.version, rows)
        ]


def before_classifier(arm: Mapping[str, Any]) -> list[Stage]:
    """The stages in effect before the first classifier, which need not have a student yet; all without one."""
    order = stage_order(arm)
    classifier = f"{ClassifierQuality.__module__}.{ClassifierQuality.__qualname__}"
    targets = [arm["stages"][name].get("_target_") for name in order]
    names = order[: targets.index(classifier)] if classifier in targets else order
    return make_stages({"stages": {name: arm["stages"][name] for name in names}, "recipe": {}})


def _lines(documents: list[Document], made: Labelling) -> str:
    lines = []
    for document, answer, score in zip(documents, made.answers, made.scores, strict=True):
        if answer is not None:
            row = {
                "id": document.id,
                "url": document.url,
                "score": score,
                "answer": answer.text,
                "text": document.text,
            }
            lines.append(json.dumps(row, ensure_ascii=False))
    return "\n".join([*lines, ""])


def _terminal(summary: dict[str, Any]) -> str:
    share = summary["unparsed_share"]
    cost = "unknown (no prices)" if summary["cost"] is None else f"{summary['cost']:.4f}"
    rows = [
        ["documents", f"{summary['documents']:,}", ""],
        ["answered", f"{summary['answered']:,}", f"{summary['new_answers']:,} of them new"],
        [
            "without a score",
            f"{summary['unparsed']:,}",
            "" if share is None else f"{100 * share:.1f} % of the answers",
        ],
        ["no answer", f"{summary['failed']:,}", next(iter(summary["failures"].values()), "")],
        [
            "not asked",
            f"{summary['not_asked']:,}",
            "label.max_cost is reached" if summary["stopped_by_max_cost"] else "",
        ],
        *([f"score {score}", f"{count:,}", ""] for score, count in summary["distribution"].items()),
        *(
            [
                [
                    "lost on the way",
                    f"{summary['answers_lost']:,}",
                    "may have been charged for: counted at their most",
                ]
            ]
            if summary["answers_lost"]
            else []
        ),
        ["tokens read", f"{summary['input_tokens']:,}", ""],
        ["tokens written", f"{summary['output_tokens']:,}", ""],
        ["cost", cost, ""],
    ]
    if summary["answers_without_usage"]:
        rows[-1][-1] = f"{summary['answers_without_usage']:,} answers without usage counted at their most"
    return aligned(("labels", "count", ""), rows)
