"""Sentences about a study that a page and `study.json` share: what is a claim, what seeds vary, how to read the numbers."""

from __future__ import annotations

from ablate.study.results import Study
from ablate.study.schema import UNPAIRED

CLAIMS = (
    "Claims, the only rows that say `helps` or `hurts`, are the planned gains in the primary metric. The aggregate's rows, of "
    "all planned estimands together with those on single tasks that the plan names (`evaluate.claims`), have Holm's p. Any other single task of the aggregate has Holm's over stages x tasks, and "
    "never one below its stage's in the aggregate: where the aggregate shows nothing, a task cannot. So the chance of any false claim in this "
    "report, were no stage to do anything, is at most 5 %. All else is exploration, has Benjamini and Hochberg's p (a family per "
    "estimand and metric over stages x tasks) and says `may help`: other metrics, tasks outside the aggregate, gains asked for afterwards."
)


def families(study: Study) -> str:
    """Which rows are claims, and what the journal of plans says against them."""
    if study.plan.imported is None:
        return CLAIMS + _history(study)
    return (
        "These results were imported: nothing here was planned before they existed, and `planned` below means named when "
        f"importing. {CLAIMS}"
    )


def chance(study: Study) -> list[str]:
    """What the intervals are over."""
    known = study.chance
    if known is None:
        return []
    return [
        f"**Seeds vary** {', '.join(known.varied) or 'nothing'}: intervals are over these. **Held fixed**: "
        f"{', '.join(known.fixed)}. Over those they say nothing."
    ]


def _history(study: Study) -> str:
    """What the journal of plans says against taking the plan at its word."""
    history, told = study.history, ""
    if history.changed:
        told += f" **Nothing here is a claim**: {history.changed}."
    if len(history.looks) > 1 and study.plan.sequential is None:
        seen = ", ".join(map(str, history.looks[:-1]))
        told += (
            f" **Seeds were added** after results with {seen} could be seen, so p-values, intervals and claims are those of a sequential "
            f"study with looks at {', '.join(map(str, history.looks))} seeds (Pocock's spending, Lan & DeMets 1983). The 5 % are this report's: "
            "an earlier one could not know of the looks that followed, so the chance that any of them has a false claim is larger."
        )
    return told


def reading(study: Study) -> str:
    """How the numbers are to be read, as a list in Markdown."""
    return (
        "- A gain is a difference between arms in the metric's own units, level minus what it is compared with.\n"
        f"- The interval covers retraining: {_retraining(study)} Intervals, p-values and verdicts speak of "
        f"other seeds of these arms{_of_what(study)}. The item error is how far a gain "
        "would move with other test items, and the interval with items too is over both.\n"
        "- `helps` and `hurts` are claims (see above); `may help` is exploration: a reason to plan a study, not a finding; `suggestive` holds only "
        "before the correction. A gain smaller than the spread of one run (the noise floor) is said to be so. `no effect seen` is no proof of none: below "
        "each table stands the effect that a repeat of this study would call in 80 % of cases, from the noise of all arms, allowing for "
        "how little is known of it. In one study that figure is off as its noise is (a study with the luck of little noise, one in ten, states one that about "
        "60 % of repeats find): the larger figure beside it takes the noise at the top of its 90 % interval, and holds for a reader of one study.\n"
        "- `the stage changed nothing here` means that both arms are the same texts, so the runs are the same run.\n"
        "- Gain beside cost is in `COST.md`, every run's cost in `cost.csv`; both differ between machines."
    )


def _retraining(study: Study) -> str:
    """Where the intervals come from."""
    if study.plan.pairing == UNPAIRED and study.looks is None:
        return "runs of different arms count as independent samples (Welch), " + (
            "although they share their seeds, so it is too wide where seeds do something to all arms alike."
            if study.shares_seeds
            else "as every arm has seeds of its own (initial weights and data order)."
        )
    return (
        "it comes from differences between runs that share a seed (initial weights "
        "and data order), with each gain's own variance, steadied by the "
        "others' where noise looks equal (Smyth 2004), or pooled where a gain weighs all arms alike."
    )


def _of_what(study: Study) -> str:
    chance = study.chance
    return f" ({chance})" if chance else ": what else these varied is not known here"
