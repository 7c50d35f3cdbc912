"""Selection or volume: a stage's gain, split by the arm in which as many tokens were removed at random in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablate.corpus.size_matched import SizeMatchedRemoval
from ablate.design.controls import PARTS, controlled_factor
from ablate.render.funnel import FUNNEL_HEADER, funnel_cells
from ablate.render.tables import escape_latex, interval, markdown, signed
from ablate.report.effects_table import headline
from ablate.report.row import Row
from ablate.report.tables import direction
from ablate.study.record import TrainedCorpus
from ablate.study.results import Study

BY_BUDGET = {
    "tokens": (
        "Every arm trains on the same number of tokens (`budget=tokens`), so *volume* is what it is worth to meet fewer different "
        "tokens more often."
    ),
    "source": (
        "Every arm makes one pass over its own text (`budget=source`), so *volume* is what it is worth to train for less; nothing "
        "is met twice."
    ),
}


@dataclass(frozen=True)
class Split:
    """One gain and its parts.

    Attributes:
        stage: the factor.
        arms: with the stage, with the removal at random in its place, without either.
        gain: its row; None where no estimand that is reported has it.
        selection, volume: the rows of the parts.
    """

    stage: str
    arms: tuple[str, str, str]
    gain: Row | None
    selection: Row
    volume: Row


def splits(study: Study, rows: Sequence[Row]) -> list[Split]:
    """Every gain of the headline that a control splits, in the order of the plan."""
    lead = headline(rows, study)
    found = {name: {row.factor: row for row in lead if row.estimand == name} for name in PARTS}
    made = []
    for factor, chosen in found["selection"].items():
        drawn = found["volume"][factor]
        stage, control, bare = (_arm(row, sign) for row, sign in ((chosen, 1), (chosen, -1), (drawn, -1)))
        ends = {stage: 1.0, bare: -1.0}
        gain = next((row for row in lead if row.weights == ends), None)
        name = gain.name if gain else factor
        made.append(Split(name, (stage, control, bare), gain, chosen, drawn))
    return made


def _arm(row: Row, sign: int) -> str:
    return next(arm for arm, weight in row.weights.items() if weight == sign)


def section(study: Study, rows: Sequence[Row]) -> list[str]:
    """The report's section; empty where no gain was split."""
    found = splits(study, rows)
    if not found:
        return []
    cells = [
        [
            split.stage,
            *(cell for row in (split.gain, split.selection, split.volume) for cell in _shown(row)),
        ]
        for split in found
    ]
    header = ("stage", "gain", "95 % interval", "selection", "95 % interval", "volume", "95 % interval")
    parts = [
        f"In {study.primary} ({direction(study.primary, study)}): gain = selection + volume. A control has the stages of the recipe but "
        "one, and behind them whole documents are removed at random, drawn anew for each seed, until as many tokens are left as "
        "the whole recipe leaves. *Selection*, the arm with the stage minus its control, is what it is worth *which* documents "
        "went; *volume*, the control minus the arm without the stage, *that* so many went. The removal comes last, not at the stage's "
        "place: what later stages would have removed anyway is then no volume of this one. For stages that judge documents one by one the "
        f"place makes no difference; behind a deduplication it does. {BY_BUDGET.get(_match(study), '')}",
        markdown(header, cells, remark=False),
    ]
    if off := [split.stage for split in found if _adds_up(split) is False]:
        parts.append(
            f"The parts of {', '.join(off)} do not add up to the gain: each is over the seeds in which its own two arms have a run."
        )
    return [*parts, *_sizes(study, found), *_idle(study, found), *_uncontrolled(study, found)]


def _shown(row: Row | None) -> tuple[str, str]:
    return ("–", "–") if row is None else (signed(row.estimate), interval(row.ci_low, row.ci_high))


def _adds_up(split: Split) -> bool | None:
    """None where something was not measured."""
    if split.gain is None:
        return None
    rest = split.gain.estimate - split.selection.estimate - split.volume.estimate
    return None if math.isnan(rest) else abs(rest) < 1e-9


def _match(study: Study) -> str:
    return str(study.plan.reference_arm.config.get("budget", {}).get("match", ""))


def _sizes(study: Study, found: Sequence[Split]) -> list[str]:
    """What each of the three arms trained on, and what the removal at random took."""
    cells, funnel = [], []
    for split in found:
        corpora = [_corpora(study, arm) for arm in split.arms]
        if not all(corpora):
            cells.append([split.stage, *["missing"] * 7])
            continue
        stage, control, bare = (
            [np.mean([getattr(c, key) for c in some.values()]) for key in ("unique_tokens", "epochs")]
            for some in corpora
        )
        apart = [
            corpus.unique_tokens / corpora[0][seed].unique_tokens - 1
            for seed, corpus in corpora[1].items()
            if seed in corpora[0]
        ]
        worst = f"{100 * max(apart, key=abs):+.2f} %" if apart else "–"
        cells.append(
            [
                split.stage,
                f"{bare[0]:,.0f}",
                f"{stage[0]:,.0f}",
                f"{control[0]:,.0f}",
                worst,
                *(f"{arm[1]:.2f}" for arm in (bare, stage, control)),
            ]
        )
        lines = next(iter(corpora[1].values())).funnel
        if lines[-1]["stage"] == SizeMatchedRemoval.name:
            funnel.append([split.arms[1], *funnel_cells(lines)[-1][1:]])
    header = (
        "stage", "tokens without", "with the stage", "control", "control off by", "epochs without", "with the stage", "control",
    )  # fmt: skip
    text = (
        "Different tokens that each arm has left, and how often it meets them; means over seeds. *Control off by*: the "
        "largest difference of a control from the arm with the stage, as whole documents go and none goes where the stage leaves no "
        "fewer tokens."
    )
    parts = [text, markdown(header, cells, remark=False)]
    if funnel:
        parts += [
            "The last line of each control's funnel, of its first finished seed: what the removal at random took of what the other stages left.",
            markdown(("control", *FUNNEL_HEADER[1:]), funnel),
        ]
    return parts


def _corpora(study: Study, arm: str) -> dict[int, TrainedCorpus]:
    """Seed -> what the record says of the corpus."""
    return {
        seed: record.corpus
        for seed in study.seeds
        if (record := study.records.get((arm, seed))) and record.corpus
    }


def _idle(study: Study, found: Sequence[Split]) -> list[str]:
    """Of which stages nothing is met twice, so that a removal at random changes nothing but the draw."""
    if _match(study) != "tokens":
        return []
    idle = [
        split.stage
        for split in found
        if all(corpus.epochs <= 1 for arm in split.arms[1:] for corpus in _corpora(study, arm).values())
    ]
    if not idle:
        return []
    return [
        f"**Nothing is met twice** in the arms without {', '.join(idle)} and in their controls (epochs of one or fewer): both train on "
        "documents drawn at random from the same texts. Volume is then nil whatever the stage does, and what stands above is noise; the "
        "gain is all selection, and better known without a control."
    ]


def _uncontrolled(study: Study, found: Sequence[Split]) -> list[str]:
    controlled = {controlled_factor(levels) for levels in study.plan.levels.values()}
    others = [factor.name for factor in study.plan.factors if factor.name not in controlled]
    if not others:
        return []
    return [
        f"No control: {', '.join(others)}. A control is for a stage that removes documents, on against off; one that rewrites "
        "text takes parts of documents, which no removal of whole ones matches."
    ]


def latex(study: Study, rows: Sequence[Row]) -> str:
    """The split as a LaTeX table, estimates with 95 % intervals; empty where no gain was split. Needs the package booktabs."""
    found = splits(study, rows)
    if not found:
        return ""
    lines = [
        "% Needs \\usepackage{booktabs}. Gain = selection + volume; 95 % intervals over seeds.",
        "\\begin{tabular}{lrrr}",
        "\\toprule",
        "Stage & Gain & Selection & Volume \\\\",
        "\\midrule",
    ]
    for split in found:
        values = (_in_latex(row) for row in (split.gain, split.selection, split.volume))
        lines.append(" & ".join([escape_latex(split.stage), *values]) + " \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _in_latex(row: Row | None) -> str:
    if row is None or math.isnan(row.estimate):
        return "--"
    known = "" if math.isnan(row.ci_low) else f"\\ [{row.ci_low:+.4f}, {row.ci_high:+.4f}]"
    return f"${row.estimate:+.4f}{known}$"
