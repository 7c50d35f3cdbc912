"""What the intervals lean on, checked: pairing, equal noise, gains that add up, few seeds, items, missing runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ablate.design.base import Assignment, Factor
from ablate.design.controls import PARTS, without_controls
from ablate.effects.aggregate import rescale
from ablate.effects.balanced import DOMINANT, SPHERICAL, arm_variances, seed_dependence, weighs_alike
from ablate.effects.best_subset import best_subset
from ablate.effects.components import percent, variance_components
from ablate.effects.contrast import distinct_arms
from ablate.effects.lack_of_fit import lack_of_fit, size_of_columns
from ablate.effects.noise import homogeneity
from ablate.effects.pairing import advice, seed_correlation
from ablate.effects.shape import best_cut, noise_shape
from ablate.estimand.aliases import alias_table, aliases
from ablate.estimand.base import NotIdentified
from ablate.estimand.linear_model import linear_model
from ablate.estimand.near_full import leaning
from ablate.render.tables import interval, markdown, p_text, signed, unsigned
from ablate.report import dose
from ablate.report.effects_table import Row, headline
from ablate.report.mixed_model import mixed_contrast
from ablate.report.tables import contrast_name, interval_items
from ablate.study.chance import by_draw
from ablate.study.results import AVERAGED, Study, headline_scores
from ablate.study.schema import UNPAIRED

DOUBT = 0.05
CROWDED = 2.0
"""Standard deviations of its runs from the best or worst score within which an arm's noise cannot be even on both sides."""
SPLIT = (
    "As where a run has made a transition or has not: the mean is of two kinds of run, and intervals from few seeds do not hold. A "
    "longer budget, or bits per byte, brings runs to one side."
)
BORROWING = {"moderated", "borrowed"}
"""Methods whose variance is in part that of other arms."""


def section(study: Study, rows: Sequence[Row]) -> list[str]:
    """Findings and warnings about the headline's gains, as Markdown."""
    table = headline_scores(study)
    if table is None:
        return ["No score to look at."]
    findings = [
        *_gone(study),
        *_shards(study),
        *_arithmetic(study),
        *_pairing(table, study),
        *_sphericity(table, study, rows),
        *_shared(study, table, rows),
        *_seeds(study, rows),
        *_shape(study, table),
        *_bounds(study, table),
        *_equal_noise(study, table, rows),
        *_fit(study, table, rows),
        *_leaning(study, table, rows),
    ]
    parts = ["\n".join(f"- {line}" for line in findings)] if findings else []
    parts += _aliases(study, rows) + _items(rows, study) + _unbalanced(study, table, rows)
    parts += _best(study, table, rows) + dose.section(study, table, rows) + _components(study, table)
    return parts or ["Nothing to warn of."]


def _levels(study: Study) -> dict[str, Assignment]:
    """Levels of the arms that are combinations of the factors'; controls are none."""
    return without_controls(study.plan.levels)


def _estimands(rows: Sequence[Row]) -> set[str]:
    return {row["estimand"] for row in rows}


def _gone(study: Study) -> list[str]:
    """Arms without a run that averages had to do without."""
    gone = [arm for arm in study.arms if study.first_record(arm) is None]
    if not gone or study.claims == list(study.plan.contrasts):
        return []
    return [
        f"**Arms without a run**: {', '.join(gone)}. Averages over arms are least squares over the others, which need "
        "no longer be balanced."
    ]


def _arithmetic(study: Study) -> list[str]:
    """Runs of one study that were computed in unlike ways, which the seeds' noise does not hold."""
    kinds: dict[str, dict[str, int]] = {}
    for (arm, _), record in study.records.items():
        torch = (record.get("provenance", {}).get("versions") or {}).get("torch")
        said = [record["cost"].get("precision"), torch and f"torch {torch}"]
        if any(said):
            arms = kinds.setdefault(", ".join(filter(None, said)), {})
            arms[arm] = arms.get(arm, 0) + 1
    if len(kinds) < 2:
        return []
    shown = "; ".join(
        f"{kind} in {', '.join(f'{count} of {arm}' for arm, count in arms.items())}"
        for kind, arms in sorted(kinds.items())
    )
    return [
        f"**Runs were not computed alike**: {shown}. What arms differ by may be what their arithmetic differs by: set "
        "`train.precision`, use one version of torch, and do the fewer ones again."
    ]


def _shards(study: Study) -> list[str]:
    """What gains refer to where each seed has its own shard of the pool."""
    draws = study.draws(study.plan.reference)
    shards = {draw.shard for draw in draws if draw.shard is not None}
    if not shards:
        return []
    sizes = [record["corpus"]["funnel"][0]["documents"] for record in draws.values()]
    span = f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,} to {max(sizes):,}"
    told = [
        f"**Documents vary with the seed**: each seed has a shard of the pool ({span} documents), so gains are those of pools of that size, and "
        "deduplication finds the copies that stand in one shard together."
    ]
    config = study.plan.reference_arm.config
    crowded = len(study.seeds) - len(by_draw(config, study.seeds))
    if crowded:
        told.append(
            f"**{crowded} of {len(study.seeds)} seeds share a shard with an earlier one**: intervals take all for draws of their own, and are too "
            "narrow for that."
        )
    return told


def _pairing(table: np.ndarray, study: Study) -> list[str]:
    if not study.shares_seeds:
        return [
            "**No pairing**: every arm has seeds of its own, so nothing that a seed does to several arms enters an interval."
        ]
    said = advice(seed_correlation(table[study.distinct]))
    planned = " The gains here were planned unpaired." if study.plan.pairing == UNPAIRED else ""
    return [f"**Pairing by seed**: {said}{planned}"] if said else []


def _sphericity(table: np.ndarray, study: Study, rows: Sequence[Row]) -> list[str]:
    """Whether seeds do something to a stage, which pooled intervals of averages under shared seeds leave out."""
    found = []
    for row in headline(rows, study):
        runs, (weights,) = distinct_arms(
            table, [np.array([row["weights"].get(arm, 0.0) for arm in study.arms])]
        )
        pools = row["method"] in ("pooled", "paired") and weighs_alike(runs, weights)
        if study.shares_seeds and pools and not math.isnan((one := seed_dependence(runs, weights)).ratio):
            found.append((one.ratio, one.p_value, row))
    if not found:
        return []
    worst = max(found, key=lambda entry: entry[0])
    p = min(1.0, worst[1] * len(found))
    alone = [contrast_name(row) for _, _, row in found if row["method"] == "paired"]
    shown = f"; on their own seeds alone stand {', '.join(alone)}" if alone else ""
    return [
        f"**Seeds and stages**: under shared seeds, gains should vary between seeds as the noise of all arms says. {contrast_name(worst[2])} has "
        f"{worst[0]:.1f} times that variance, the largest of {len(found)} (p = {p_text(p)}, Bonferroni). Above {SPHERICAL:g} times the pooled variance a gain keeps its own{shown}. "
        "That mends most of what a stage by seed interaction does, not all: give arms seeds of their own (design.own_seeds=true)."
    ]


def _leaning(study: Study, table: np.ndarray, rows: Sequence[Row]) -> list[str]:
    """What near-full gains are off by where gains do not add up, in words and as an estimate."""
    if "near_full" not in _estimands(rows):
        return []
    factors, arms = study.plan.factors, _levels(study)
    here = [study.arms[number] for number, row in enumerate(table) if np.isfinite(row).any()]
    try:
        found = leaning({arm: arms[arm] for arm in here}, factors)
    except NotIdentified:
        return []
    model = linear_model({arm: arms[arm] for arm in here}, factors).matrix
    fit = lack_of_fit(table[[study.arms.index(arm) for arm in here]], model)
    size = size_of_columns(fit, model, found.columns)
    off = float(np.sqrt((found.coefficients**2).sum(axis=1)).max()) * size
    estimate = (
        "" if math.isnan(size) else " Interactions look like none beyond noise." if size == 0.0
        else f" Were interactions of the size that the arms show (standard deviation {unsigned(size)}), gains would be off by {unsigned(off)}, either way; "
        "no interval here holds that."
    )  # fmt: skip
    return [f"**Near full, not leave-one-out**: where gains do not add up {found.said()}.{estimate}"]


def _shared(study: Study, table: np.ndarray, rows: Sequence[Row]) -> list[str]:
    """How far gains over a common arm move together with its luck."""
    lead = [
        row
        for row in headline(rows, study)
        if not math.isnan(row["p_value"]) and row["method"] != "identical" and row["estimand"] not in PARTS
    ]
    weights = np.array([[row["weights"].get(arm, 0.0) for arm in study.arms] for row in lead])
    whole = np.isfinite(table).all(axis=1)
    if len(lead) < 2 or table.shape[1] < 2 or (weights[:, ~whole] != 0).any():
        return []
    shared = (weights != 0).all(axis=0)
    if shared.all():
        return []  # every gain uses every run, as in a factorial
    differences = weights[:, whole] @ table[whole]
    spread = np.cov(differences)
    if not shared.any() or not (np.diag(spread) > 0).all():
        return []
    sd = np.sqrt(np.diag(spread))
    pairs = np.triu_indices(len(lead), k=1)
    mean = float((spread / np.outer(sd, sd))[pairs].mean())
    arms = ", ".join(f"`{study.arms[place]}`" for place in np.flatnonzero(shared))
    return [
        f"**Gains share an arm** ({arms}), so they rise and fall together with its luck: correlation between the gains' "
        f"seed by seed differences {mean:+.2f} on average."
    ]


def _seeds(study: Study, rows: Sequence[Row]) -> list[str]:
    counts = {row["n_seeds"] for row in headline(rows, study) if row["method"] != "identical"}
    if 1 in counts:
        return ["**One seed** in some gains: no spread, so no interval and no verdict."]
    fewest = min(counts - {0}, default=4)
    if fewest < 4:
        words = {2: "Two seeds", 3: "Three seeds"}[fewest]
        return [
            f"**{words}** say little about the shape of the noise. Tails that are heavy on both sides make intervals wider than they "
            "need to be; runs that split into two groups, or a reference whose runs lean to one side, make them too narrow, or "
            "leave them beside the truth."
            + (" A third seed makes every interval far narrower." if fewest == 2 else "")
        ]
    return []


def _shape(study: Study, table: np.ndarray) -> list[str]:
    """Whether runs split into two groups or lean to one side, which intervals do not allow for."""
    found = noise_shape(table[study.distinct])
    if math.isnan(found.split_p) and np.isnan(found.split).all():
        return []
    lines = []
    for place in found.split_arms:
        runs = table[study.distinct[place]]
        low, high = best_cut(runs[np.isfinite(runs)])
        lines.append(
            f"**Runs of arm `{study.arms[study.distinct[place]]}` split into two groups**: {low.size} near {low.mean():.3f}, {high.size} near "
            f"{high.mean():.3f} (p of one group {p_text(float(found.split[place]))} after Holm over arms). {SPLIT}"
        )
    if not lines and found.splits:
        lines.append(
            f"**Runs split into two groups** in more arms than normal noise explains (p = {p_text(found.split_p)}, all arms together). {SPLIT}"
        )
    if found.leans:
        worse = (found.skew < 0.0) == study.metrics[study.primary]
        lines.append(
            f"**Noise leans to one side**: {'bad' if worse else 'good'} runs are far off (mean skewness {found.skew:+.1f}, p = {p_text(found.skew_p)}). "
            "Alike in all arms it cancels in a gain; in the reference alone intervals are too narrow."
        )
    if not lines:
        lines.append(
            f"**Shape of the noise**: no sign of runs in two groups (p = {p_text(found.split_p)}) nor of a lean to one side (p = "
            f"{p_text(found.skew_p)}). Few runs show little of it."
            if not math.isnan(found.split_p)
            else "**Shape of the noise**: no sign of runs in two groups in any single arm. Few runs show little of it."
        )
    return lines


def _bounds(study: Study, table: np.ndarray) -> list[str]:
    """Arms whose scores crowd against the best or the worst score there is."""
    levels = study.chances(study.headline_tasks, study.primary)
    if levels is None:
        return []  # bits per byte: nothing comes near zero
    top, bottom = 1.0, float(rescale(np.zeros(len(levels)), levels).mean())
    near = []
    for place in study.distinct:
        runs = table[place][np.isfinite(table[place])]
        if runs.size >= 2:
            reach = CROWDED * float(runs.std(ddof=1))
            if runs.mean() + reach >= top or runs.mean() - reach <= bottom:
                near.append(study.arms[place])
    if not near:
        return []
    return [
        f"**Scores near their bound**: those of {', '.join(f'`{arm}`' for arm in near)} lie within {CROWDED:g} standard deviations of the best or "
        "the worst score there is, so their noise is squeezed on one side and gains over them have intervals that are too "
        "narrow. Bits per byte has no such bound; harder tasks, or a shorter budget, leave room."
    ]


def _equal_noise(study: Study, table: np.ndarray, rows: Sequence[Row]) -> list[str]:
    runs = table[study.distinct]
    p = homogeneity(runs)
    methods = sorted({row["method"] for row in headline(rows, study)} - {"identical", "none"})
    used = f"; variances: {', '.join(methods)}" if methods else ""
    warning = _loudest(study, runs)
    if math.isnan(p):
        return [f"**Equal noise** cannot be tested (too few arms, or an arm without a spread){used}."]
    if p > DOUBT:  # that says something only where a gain leans on the noise of other arms
        leans = BORROWING & set(methods)
        told = f"**Equal noise** in all arms, on which {', '.join(sorted(leans))} variances lean, is not contradicted (p = {p_text(p)})."
        return [told + warning] if leans else [warning.strip()] if warning else []
    return [
        f"**Noise differs between arms** (p of equal noise {p_text(p)}), so gains between two arms stand on their own "
        f"seeds alone{used}. More seeds, or a factorial design, buy more than more arms.{warning}"
    ]


def _loudest(study: Study, runs: np.ndarray) -> str:
    """A warning where one arm has most of the noise and few seeds."""
    whole = np.isfinite(runs).all(axis=1)
    if whole.sum() < 4 or not 2 <= runs.shape[1] < 5:
        return ""
    own = np.maximum(arm_variances(runs[whole]), 0.0)
    if own.max() <= DOMINANT * own.sum():
        return ""
    arm = study.arms[np.array(study.distinct)[whole][int(own.argmax())]]
    return (
        f" Arm `{arm}` has most of it: with fewer than five seeds `ablate calibrate` does not claim gains that "
        "average over such an arm."
    )


def _fit(study: Study, table: np.ndarray, rows: Sequence[Row]) -> list[str]:
    asked = _estimands(rows) & AVERAGED
    factors, arms = study.plan.factors, _levels(study)
    if not asked or len(factors) < 2:
        return []
    here = [n for n, row in enumerate(table) if np.isfinite(row).any() and study.arms[n] in arms]
    order = 2 if asked == {"interaction"} else 1
    model = linear_model({study.arms[i]: arms[study.arms[i]] for i in here}, factors, order)
    fit = lack_of_fit(table[here], model.matrix)
    found = aliases(arms, factors)
    mixed = sorted(name for name, others in found.main.items() if others)
    warning = (
        f" In these arms the main effects of {', '.join(mixed)} are mixed with interactions (table below), so "
        "they may be those and not the stages' own; resolution IV or V, or a fold-over, tells them apart."
        if mixed and "main_effect" in asked
        else ""
    )
    if fit.df < 1:
        return [
            f"**Do gains add up?** Cannot be tested: these arms leave nothing over once main effects are fitted.{warning}"
        ]
    if math.isnan(fit.p_value):
        return [f"**Do gains add up?** Cannot be tested: no spread between seeds was measured.{warning}"]
    if fit.p_value > DOUBT:
        return [
            f"**Gains add up** as far as can be seen (lack of fit p = {p_text(fit.p_value)}, {fit.df} degrees of freedom).{warning}"
        ]
    average = (
        "" if asked == {"near_full"} else ", so an average over them is not what any single recipe gains"
    )
    pointed = _suspect(fit.residual, {study.arms[i]: arms[study.arms[i]] for i in here}, factors)
    return [
        f"**Lack of fit: gains do not add up** (p = {p_text(fit.p_value)}; arms are off the additive model by "
        f"{unsigned(fit.left_sd)} on top of noise). A stage's worth depends on which others are there{average}. Points to {pointed}.{warning}"
    ]


def _suspect(residual: np.ndarray, arms: Mapping[str, Assignment], factors: Sequence[Factor]) -> str:
    """The interaction that explains most of what the additive model leaves, with those it cannot be told from."""
    plain, full = linear_model(arms, factors).matrix, linear_model(arms, factors, 2)
    explained = []
    for number, term in enumerate(full.terms):
        if len(term) == 2:
            column = full.matrix[:, number]
            column = column - plain @ (np.linalg.pinv(plain) @ column)
            size = float(column @ column)
            share = float(column @ residual) ** 2 / size if size > 1e-9 else 0.0
            explained.append((share, " x ".join(name for name, _ in term)))
    best = max(explained)[0]
    alike = list(dict.fromkeys(name for share, name in explained if share > 0.999 * best))
    return " or ".join(alike[:6]) + (" or others that these arms cannot tell apart" if len(alike) > 6 else "")


def _aliases(study: Study, rows: Sequence[Row]) -> list[str]:
    """What the arms of averaged gains cannot tell apart."""
    if "main_effect" not in _estimands(rows):
        return []
    found = aliases(_levels(study), study.plan.factors)
    if found.clear:
        return []
    text = "Aliases, up to interactions of two stages: a main effect is off by the coefficient times the interaction."
    return [text, markdown(("effect", "is mixed with"), alias_table(found))]


def _items(rows: Sequence[Row], study: Study) -> list[str]:
    """Intervals of the headline over seeds and items together."""
    lead = [row for row in headline(rows, study) if not math.isnan(row["ci_low_items"])]
    if not lead:
        return []
    cells = [
        [contrast_name(row), signed(row["estimate"]), interval(row), interval_items(row)] for row in lead
    ]
    text = (
        "Seeds and items drawn anew together (crossed random effects, items paired between arms, each task's items "
        "its own): how far a gain would move with other seeds *and* other questions of the same kind."
    )
    return [text, markdown(("stage", "gain", "95 % interval, seeds", "seeds and items"), cells)]


def _unbalanced(study: Study, table: np.ndarray, rows: Sequence[Row]) -> list[str]:
    """Mixed-model gains where an arm has runs that pairing cannot use."""
    cells = []
    for row in headline(rows, study):
        weights = np.array([row["weights"].get(arm, 0.0) for arm in study.arms])
        runs = np.isfinite(table[weights != 0.0])
        if (
            row["method"] in ("identical", "unpaired")
            or not runs.any(axis=1).all()
            or runs.all(axis=0).sum() == runs.sum(axis=1).max()
        ):
            continue
        found = mixed_contrast(table, weights)
        both = {"ci_low": found.ci_low, "ci_high": found.ci_high}
        cells.append(
            [
                contrast_name(row),
                signed(row["estimate"]),
                interval(row),
                signed(found.estimate),
                interval(both),
            ]
        )
    if not cells:
        return []
    text = "Arms with different numbers of runs: pairing leaves some out; a mixed model (arms fixed, seeds random, REML) uses all."
    return [
        text,
        markdown(("stage", "gain, paired", "95 % interval", "gain, mixed model", "95 % interval"), cells),
    ]


def _best(study: Study, table: np.ndarray, rows: Sequence[Row]) -> list[str]:
    factors, arms = study.plan.factors, _levels(study)
    if "main_effect" not in _estimands(rows) or any(len(factor.levels) > 2 for factor in factors):
        return []
    combined = np.array([arm in arms for arm in study.arms])
    table, names = table[combined], list(arms)
    absent = np.array([[float(levels[f.name] != f.full) for f in factors] for levels in arms.values()])
    here = np.isfinite(table).any(axis=1)
    if np.linalg.matrix_rank(np.hstack([np.ones((int(here.sum()), 1)), absent[here]])) < len(factors) + 1:
        return []
    found = best_subset(table[here], absent[here], higher_is_better=study.metrics[study.primary])
    without = [factor.name for factor, keep in zip(factors, found.keep, strict=True) if not keep]
    recipe = f"the full recipe without {', '.join(without)}" if without else "the full recipe"
    wanted = {f.name: f.full if keep else f.bare for f, keep in zip(factors, found.keep, strict=True)}
    was_run = next((arm for arm, levels in arms.items() if levels == wanted), None)
    state = f"It was run, as `{was_run}`." if was_run else "It was not run: run it before you believe it."
    model = linear_model({names[i]: arms[names[i]] for i in np.flatnonzero(here)}, factors)
    fit = lack_of_fit(table[here], model.matrix)
    if fit.p_value < DOUBT:
        return [
            f"**Best subset of an additive model**: {recipe}. Gains do not add up here (above), so neither its score nor an interval "
            f"is given. {state}"
        ]
    gain = (
        f": between {interval({'ci_low': found.ci_low, 'ci_high': found.ci_high})} over the full recipe, simultaneously for all "
        "subsets; the middle of it flatters, since the subset was picked for its luck too"
        if without
        else ""
    )
    return [f"**Best subset predicted**: {recipe}{gain}. {state}"]


def _components(study: Study, table: np.ndarray) -> list[str]:
    """Shares of the noise by source, where the study crosses sources of chance."""
    factors, arms = study.plan.factors, _levels(study)
    chance = study.plan.chance
    if not chance or {factor.name for factor in factors} != set(chance):
        return []
    shape = [len(factor.levels) for factor in factors]
    grid = np.full(shape, np.nan)
    for number, arm in enumerate(study.arms):
        where = tuple(factor.levels.index(arms[arm][factor.name]) for factor in factors)
        grid[where] = table[number, 0]
    if np.isnan(grid).any():
        return [
            f"**Components of the noise** ({', '.join(chance)}): not every combination of draws has a run."
        ]
    found = variance_components(grid, [factor.name for factor in factors])
    shares = percent(found)
    cells = [
        [name, f"{math.sqrt(max(0.0, value)):.4f}", f"{shares[name]:.0f} %"] for name, value in found.items()
    ]
    text = (
        "**Components of the noise**, from crossed draws: `weights` is the initial weights, `order` the order of the data and so "
        "which of it the budget reaches, a stage's seed its curation; `together` is what arises only in combination."
    )
    return [text, markdown(("source", "standard deviation", "share of the variance"), cells)]
