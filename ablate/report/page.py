"""The report: REPORT.md, tables (effects, scores, cost, LaTeX) and figures, made from records alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from ablate.corpus.budget import WARN_EPOCHS, repeats_too_often
from ablate.design.base import weight_matrix
from ablate.effects.failures import failure_p, worst_case
from ablate.effects.repetition import HOLDS_UNTIL
from ablate.estimand.base import load_estimand
from ablate.page.build import page as html_page
from ablate.render.funnel import FUNNEL_HEADER, funnel_cells
from ablate.render.tables import interval, markdown, p_text, signed, unsigned, without_tags
from ablate.report import branching, decision, diagnostics, interim_looks, leaks, selection, stability
from ablate.report.cost import cost_page
from ablate.report.effects_table import claimed_alone, effects_table, headline, in_bits
from ablate.report.figures import write_figures
from ablate.report.lead import in_short, smooth_caption
from ablate.report.noise import noise_table
from ablate.report.row import Row, by_estimand, figure_name, sees
from ablate.report.screening import chosen, section
from ablate.report.section import own_sections
from ablate.report.summary import summarise
from ablate.report.tables import (
    arm_table,
    direction,
    effect_cells,
    effect_header,
    scale,
    with_bits,
)
from ablate.report.words import chance, families, reading
from ablate.store import write_text
from ablate.study.plan import run_folder
from ablate.study.record import TaskInfo
from ablate.study.results import AGGREGATE, GIVEN_UP, Study, headline_scores
from ablate.summary.frames import csv_files
from ablate.summary.model import write_summary
from ablate.tables.copies import with_copies
from ablate.tables.formats import writer
from ablate.tables.kinds import make_table


def write_report(study: Study, sections: Sequence[str] = ()) -> list[Row]:
    """Write every file of the report into the study's folder; returns the effects.

    The same records give the same bytes, except for cost.csv and COST.md when runs were timed anew.

    Args:
        sections: of the user's own, beside those that the plan names.
    """
    rows = effects_table(study)
    names = write_figures(study, rows, study.folder / "figures")
    summary = summarise(study, rows)
    if study.records:
        write_text(study.folder / "table.tex", writer("latex")(make_table("arms", summary)))
    if not study.waiting and (split := selection.latex(study, rows)):
        write_text(study.folder / "selection.tex", split)
    else:  # of an earlier report, when the records allowed it
        (study.folder / "selection.tex").unlink(missing_ok=True)
    for name, text in csv_files(summary).items():
        write_text(study.folder / name, text)
    write_text(study.folder / "COST.md", without_tags(cost_page(study, rows)))
    write_text(study.folder / "REPORT.md", without_tags(_page(study, rows, names, sections)))
    write_summary(summary, study.folder)
    write_text(study.folder / "report.html", html_page([with_copies(summary)]))
    return rows


def _page(study: Study, rows: Sequence[Row], figures: Sequence[str], sections: Sequence[str]) -> str:
    plan = study.plan
    parts = [f"# {plan.title}"]
    if plan.question:
        parts.append(f"**Question.** {plan.question}")
    if plan.prediction:
        parts.append(f"**Prediction, written before the runs.** {plan.prediction}")
    if branched := branching.meaning(plan):
        parts.append(branched)
    if study.waiting and study.records:
        return "\n\n".join([*parts, *_so_far(study, rows)]) + "\n"
    if study.records and rows:
        parts.append(in_short(study, rows))
    if study.failed:
        parts += ["## Missing runs", _missing(study), *_failures(study, rows)]
    if not study.records:
        return "\n\n".join([*parts, "No run has finished yet."]) + "\n"
    if lost := _scores_missing(study):
        parts += ["## Missing scores", lost]
    if rows:
        parts += [
            "## What each stage is worth",
            f"{len(study.seeds)} seeds; {chosen(study)}. {_averaged(study)}{families(study)}",
            *chance(study),
        ]
        for number, (estimand, group) in enumerate(by_estimand(rows).items()):
            parts += _gains(study, estimand, group)
            name = figure_name(number, estimand)
            if name in figures:
                parts.append(f"![{estimand} gains with their 95 % intervals](figures/{name}.svg)")
    if split := selection.section(study, rows):
        parts += ["## Selection or volume?", *split]
        if "selection_and_volume" in figures:
            parts.append("![Gains, split into selection and volume](figures/selection_and_volume.svg)")
    if told := interim_looks.section(study):
        parts += ["## Which contrast was closed when", *told]
    parts += ["## How much noise there is, and what can be seen", *_noise(study)]
    parts += ["## What the intervals lean on", *diagnostics.section(study, rows)]
    parts += ["## Which tasks can be believed at this scale", *section(study)]
    parts += [
        "## Scores",
        f"Mean over seeds ± standard error, {study.primary}, {direction(study.primary, study)}.",
    ]
    parts.append(markdown(*arm_table(study, study.primary)))
    if "generations" in figures:
        parts.append("![Score by generation of every chain, with 95 % intervals](figures/generations.svg)")
    if "curves" in figures:
        parts.append("![Score against training tokens](figures/curves.svg)")
    if decided := decision.section(study):
        parts += ["## Would a smaller budget have decided the same?", *decided]
    for setting, told in stability.sections(study):
        parts += [f"## Does the ranking hold at another {setting}?", *told]
    if study.curated:
        parts += ["## What was kept", *_funnel(study)]
        if "funnel" in figures:
            parts.append("![Funnel](figures/funnel.svg)")
        parts += ["## What each arm trained on", *_corpora(study)]
    if leaked := leaks.section(study):
        parts += ["## What the corpora give away", *leaked]
    if rows:
        parts += ["## Every task", *_tasks(study, rows)]
    parts += own_sections(list(dict.fromkeys([*plan.sections, *sections])), study, rows)
    parts += ["## How to read this", reading(study), "## To make it again", _facts(study)]
    return "\n\n".join(parts) + "\n"


def _so_far(study: Study, rows: Sequence[Row]) -> list[str]:
    """What can be told of a study in mid-sweep: estimates, corpora, which runs are missing; nothing that tests."""
    planned, done = len(study.arms) * len(study.seeds), len(study.records)
    parts = [
        "## The plan is not complete",
        f"**No verdict, p-value or interval while {len(study.waiting)} of {planned} planned runs are missing** ({done} are done): whoever "
        "looks after each of seeds 3 to 8 finds something in 67 % of studies of seven stages that do nothing. `ablate sweep` goes on; "
        f"`sequential.looks` plans for looks; `ablate report study={study.plan.study} give_up=true` ends the study here, as exploration.",
        _missing(study),
    ]
    if rows:
        lead = headline(rows, study)
        cells = [[row.name, row.estimand, signed(row.estimate), str(row.n_seeds)] for row in lead]
        parts += [
            "## Gains so far, preliminary",
            f"Means over the seeds that are there, in {study.primary} ({direction(study.primary, study)}). They will change.",
            markdown(("stage", "gain of", "so far", "seeds"), cells, left=2),
        ]
    if study.curated:
        parts += ["## What was kept", *_funnel(study), "## What each arm trained on", *_corpora(study)]
    return [*parts, "## To make it again", _facts(study)]


def _missing(study: Study) -> str:
    lines = [
        f"- `{arm}`, seed {seed}: {error.splitlines()[0] if error else 'no message'}"
        + ("" if study.plan.imported is not None else f" (log: `{run_folder(Path(), arm, seed)}/log.txt`)")
        for (arm, seed), error in study.failed.items()
    ]
    told = "These runs have no record; nothing below stands in for them."
    if any(error.startswith(GIVEN_UP) for error in study.failed.values()):
        told += (
            " **The study was cut short.** If it was stopped for what was seen, errors are not held: one who looks after each of seeds 3 to 8 "
            "calls a stage that does nothing in 15 % of studies, not in 5 %. So every gain is exploration."
        )
    return told + "\n\n" + "\n".join(lines)


def _scores_missing(study: Study) -> str:
    """Which metrics of which tasks have no value, in which runs and why; empty where all have one."""
    why: dict[tuple[str, str], dict[tuple[str, int], str]] = {}
    for run, record in study.records.items():
        for task, metrics in (record.missing or {}).items():
            for metric, reason in metrics.items():
                why.setdefault((task, metric), {})[run] = reason
    if not why:
        return ""
    cells = [
        [
            task,
            metric + (" (primary)" if metric == study.primary else ""),
            f"{len(runs)} of {len(study.records)}",
            ", ".join(f"{arm}/{seed}" for arm, seed in list(runs)[:3]) + (", ..." if len(runs) > 3 else ""),
            next(iter(runs.values())),
        ]
        for (task, metric), runs in sorted(why.items())
    ]
    return (
        "These have no value at the end of training: neither has a contrast of these runs, nor an aggregate over "
        "the task, which would be another quantity without it.\n\n"
        + markdown(("task", "metric", "runs", "which", "why"), cells, left=2)
    )


def _failures(study: Study, rows: Sequence[Row]) -> list[str]:
    """How often arms failed, and what the gains would be if their missing runs were the worst of all."""
    broken = [arm for (arm, _), why in study.failed.items() if not why.startswith(GIVEN_UP)]
    lost = {arm: broken.count(arm) for arm in study.arms}
    table, n = headline_scores(study), len(study.seeds)
    cells = []
    for row in headline(rows, study):
        ends = [arm for arm in study.arms if arm in row.arms]
        if table is None or len(ends) != 2 or not any(lost[arm] for arm in ends):
            continue
        p = failure_p(lost[ends[0]], n, lost[ends[1]], n)
        (weights,) = weight_matrix([row], study.arms)
        bound = worst_case(table, weights, higher_is_better=row.higher_is_better)
        cells.append([row.name, row.runs_failed, p_text(p), signed(row.estimate), signed(bound)])
    if not cells:
        return []
    text = (
        "A stage may change how often a run fails: Fisher's exact test, uncorrected. The gain is that of the runs that came "
        "through; beside it stands what it would be if every missing run had the worst score of all runs."
    )
    return [
        text,
        markdown(
            ("stage", "runs missing", "p", "gain", "gain, missing runs at the worst score"), cells, left=2
        ),
    ]


def _gains(study: Study, estimand: str, rows: Sequence[Row]) -> list[str]:
    lead = headline(rows, study)
    tasks = ", ".join(study.aggregated(study.primary)) or lead[0].task
    kept, header, cells = _retention(study), list(effect_header(lead)), effect_cells(lead)
    if study.curated:
        header.insert(-1, "documents kept")
        for row, line in zip(lead, cells, strict=True):
            line.insert(-1, kept.get(row.factor, "–"))
    bits = in_bits(rows, study)
    table = with_bits(header, cells, lead, bits)
    asked = "" if lead[0].claim else " Exploration, not a claim."
    caption = (
        f"Gain{f' {branching.AT_END}' if lead[0].at_end else ''} in {study.primary} ({direction(study.primary, study)}) on {tasks}; {scale(study)}. "
        f"**{estimand}**: {load_estimand(estimand).meaning}. p adjusted by {lead[0].correction}.{asked}"
    )
    if table != (header, cells):
        caption += " " + smooth_caption(study)
    told = [caption, markdown(*table), *dict.fromkeys(line for line in map(sees, lead) if line)]
    return told + _alone(study, rows, bits)


def _alone(study: Study, rows: Sequence[Row], bits: Mapping[tuple[str, int], Row]) -> list[str]:
    """Gains on single tasks that the plan claims."""
    alone = claimed_alone(rows, study)
    lost = {
        task: f"`{task}`, on which alone gains were claimed, has no {study.primary}: nothing was tested there."
        for task, _ in sorted(study.single_claims)
        if not study.has(task, study.primary)
    }
    if not alone:
        return list(lost.values())
    header, cells = with_bits(effect_header(alone), effect_cells(alone), alone, bits)
    cells = [[row.task, *line] for row, line in zip(alone, cells, strict=True)]
    text = f"Claimed on single tasks by name, in one family with the gains above: {study.primary} as it is, not rescaled."
    seen = dict.fromkeys(line for line in map(sees, alone) if line)
    return [text, markdown(["task", *header], cells, left=2), *seen, *lost.values()]


def _averaged(study: Study) -> str:
    if study.average_last == 1:
        return ""
    return (
        f"A run's score is the mean over its last {study.average_last} checkpoints (Heineman et al. 2025); the item "
        "error is the last checkpoint's. "
    )


def _retention(study: Study) -> dict[str, str]:
    lines = study.funnel(study.plan.reference)
    if lines is None:
        return {}
    return {
        after["stage"]: f"{100 * after['documents'] / before['documents']:.1f} %"
        for before, after in pairwise(lines)
        if before["documents"]
    }


def _noise(study: Study) -> list[str]:
    cells, blind, saturated = [], [], []
    for found in noise_table(study):
        metric, task, floor, spread = found.metric, found.task, found.floor, found.range_of_arms
        ratio = spread / floor.seed_sd if floor.seed_sd > 0 else math.nan
        cells.append(
            [
                metric,
                task,
                unsigned(floor.seed_sd),
                f"[{unsigned(floor.ci_low)}, {unsigned(floor.ci_high)}]",
                unsigned(spread),
                "–" if math.isnan(ratio) else f"{ratio:.1f}",
                p_text(floor.homogeneity_p),
            ]
        )
        if task == AGGREGATE:
            continue
        known = study.chances([task], metric)
        n_items = study.tasks[task].n_items
        if known is not None and n_items and _at_chance(found.means, known[0], n_items):
            blind.append(f"{task} ({metric})")
        if metric.startswith("acc") and found.means.size and found.means.min() > 0.99:
            saturated.append(f"{task} ({metric})")
    header = ("metric", "task", "seed sd", "95 % interval", "range of arms", "range / sd", "p equal noise")
    text = (
        "The noise floor is the spread between seeds of one arm. `range of arms` is the difference between the best "
        "and the worst arm: where it is not several times the noise, the metric cannot rank these arms at this scale. "
        "A small `p equal noise` says that arms differ in how noisy they are."
    )
    told = [text, markdown(header, cells, left=2) if cells else "Not measured."]
    if blind:
        told.append("**At chance in every arm, so blind at this scale:** " + ", ".join(blind) + ".")
    if saturated:
        told.append("**At the ceiling in every arm:** " + ", ".join(saturated) + ".")
    return told


def _at_chance(means: np.ndarray, chance: float, n_items: int) -> bool:
    """Whether no arm's mean is further from chance than two binomial standard errors of one run."""
    error = math.sqrt(chance * (1 - chance) / n_items) if 0 < chance < 1 else 0.0
    return bool(means.size and np.abs(means - chance).max() <= 2 * error)


def _funnel(study: Study) -> list[str]:
    lines = study.funnel(study.plan.reference)
    if lines is None:
        return ["The reference arm has no record."]
    shards = len({draw.shard for draw in study.draws(study.plan.reference)})
    text = f"Arm `{study.plan.reference}`, stages in order; `kept` is the share of what reached the stage."
    if shards > 1:
        text += f" {shards} shards of the pool together; each was curated by itself."
    return [text, markdown(FUNNEL_HEADER, funnel_cells(lines))]


def _corpora(study: Study) -> list[str]:
    header = (
        "arm",
        "documents",
        "unique tokens",
        "trained on",
        "epochs",
        "worth in fresh tokens",
        "copies per cluster",
        "note",
    )
    cells = []
    for arm in study.arms:
        records = study.corpora(arm)
        if not records:
            cells.append([arm, *["missing"] * 6, ""])
            continue
        corpora = [record.corpus for record in records if record.corpus]
        copies = [corpus.copies for corpus in corpora if corpus.copies is not None]
        shown = (
            f"{_span([c.mean for c in copies], '.2f')} (largest {max(c.max for c in copies)})"
            if copies
            else "–"
        )
        most = max(corpus.epochs for corpus in corpora)
        note = repeats_too_often(most)
        cells.append(
            [
                arm,
                *(
                    _span([getattr(corpus, name) for corpus in corpora], ",")
                    for name in ("documents", "unique_tokens")
                ),
                _span([n for record in records if (n := record.own_tokens) is not None], ","),
                _span([corpus.epochs for corpus in corpora], ".2f"),
                _span([corpus.effective_tokens for corpus in corpora], ",.0f"),
                shown,
                note,
            ]
        )
    text = (
        "Worth in fresh tokens: repetition-adjusted (Muennighoff et al. 2023). Copies per cluster: how many members "
        "of a near-duplicate cluster the budget really met (FineWeb, appendix E.2); first finished seed."
    )
    if any(
        record.corpus and record.corpus.epochs > HOLDS_UNTIL
        for arm in study.arms
        for record in study.corpora(arm)
    ):
        text += (
            f" **Past about {HOLDS_UNTIL:g} epochs that law says too little**: in its authors' own runs 44 epochs cost 2.5 times what "
            "it says, since it levels off and a model that overfits does not."
        )
    if took := branching.trunks(study):
        trunk = next(iter(took.values()))
        text += (
            f" All of it is of the branch alone: before it, the trunk trained on {trunk.tokens:,} tokens, "
            f"{trunk.epochs or 0.0:.2f} epochs, of the text of arm `{study.plan.reference}`."
        )
    if any(len(study.corpora(arm)) > 1 for arm in study.arms):
        text += " Where seeds have corpora of their own: from the smallest to the largest."
    return [text, markdown(header, cells), *_mixtures(study)]


def _mixtures(study: Study) -> list[str]:
    """What each arm with a mixture read of its sources; nothing where no arm has one."""
    cells, often = [], []
    for arm in study.arms:
        corpora = [record.corpus for record in study.corpora(arm) if record.corpus]
        for read in zip(*[corpus.mixture for corpus in corpora if corpus.mixture], strict=True):
            epochs = [part.epochs for part in read]
            repeats = max(epochs) > WARN_EPOCHS
            cells.append(
                [
                    arm,
                    read[0].name,
                    f"{read[0].share:.4g}",
                    _span([part.unique_tokens for part in read], ","),
                    _span([part.tokens for part in read], ","),
                    _span(epochs, ".2f"),
                    _span([part.effective_tokens for part in read], ",.0f"),
                    f"repeats more than {WARN_EPOCHS:g} times" if repeats else "",
                ]
            )
            often += [f"`{arm}` reads `{read[0].name}` {max(epochs):.1f} times"] if repeats else []
    if not cells:
        return []
    header = (
        "arm",
        "source",
        "share",
        "unique tokens",
        "trained on",
        "epochs",
        "worth in fresh tokens",
        "note",
    )
    text = (
        "What was read of each source. A source is within one sequence of its share at every checkpoint; each has an order and "
        "epochs of its own."
    )
    if often:
        text += (
            f" **Repeated more than {WARN_EPOCHS:g} times**, which costs, so that a share is compared with repetition and not with "
            f"fresh text: {'; '.join(often)}."
        )
    return [text, markdown(header, cells)]


def _span(values: Sequence[float], form: str) -> str:
    """One figure, or the smallest and the largest."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _tasks(study: Study, rows: Sequence[Row]) -> list[str]:
    chosen = [row for row in rows if row.metric == study.primary and row.task != AGGREGATE]
    cells = [
        [
            row.task,
            row.name,
            signed(row.estimate),
            interval(row.ci_low, row.ci_high),
            unsigned(row.item_error),
            interval(row.ci_low_items, row.ci_high_items),
            p_text(row.p_adjusted),
            str(row.verdict),
        ]
        for row in chosen
    ]
    header = (
        "task",
        "stage",
        "gain",
        "95 % interval",
        "item error",
        "95 % interval, items too",
        "p adj.",
        "verdict",
    )
    return [
        f"Gains in {study.primary}; every other metric is in `effects.csv`.",
        markdown(header, cells, left=2),
    ]


def _examples(info: TaskInfo) -> str:
    """How many examples the prompts hold; nothing where that is not known, or there is no prompt."""
    return f" with {info.examples} examples in the prompt" if info.examples is not None else ""


def _lacking(info: TaskInfo) -> str:
    """What of a task's items the proxy was not asked, or could not get right."""
    cut, none = info.cut or 0, info.no_answer or 0
    said = (
        f"; **{cut:,} have a prompt longer than the proxy's context, which lost its beginning**"
        if cut
        else ""
    )
    return said + (f"; {none:,} name no right answer among their choices and count 0" if none else "")


def _facts(study: Study) -> str:
    record, plan = next(iter(study.records.values()), None), study.plan
    lines = [
        f"- plan digest `{plan.digest}`, design `{plan.design}`, seeds {study.seeds}",
        *(
            f"- task `{task}`: {info.n_items:,} items{_examples(info)}, digest `{info.digest}`{_lacking(info)}"
            for task, info in study.tasks.items()
            if info.n_items
        ),
    ]
    if plan.imported is not None:
        return "\n".join([*lines, *(f"- imported from {source}" for source in plan.imported)])
    if record and (model := record.model):
        lines.append(f"- proxy: {model.parameters:,} parameters, {model.flops:.3g} training FLOPs a run")
    lines.append(
        "- every arm's resolved configuration stands in `plan.json`, versions and commit in each `record.json`"
    )
    return "\n".join(lines)
