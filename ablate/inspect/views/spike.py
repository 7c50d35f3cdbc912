"""What each stage makes of planted defects: how many it removes of each kind, and how many others.

Needs a pool with planted defects (`pool/spike=planted`, any rates). For every enabled stage: of each kind of defect,
the share of the documents that it removed (recall), beside the share it removed of what was not planted; how much of
what it dropped was planted; and how much of the planted text is gone from what it kept. Writes spike.md and spike.csv
into <study.dir>/spike. The same arm gives the same bytes.

Where the rate of a defect was swept (conf/study/spike.yaml), it also says what each rate costs in the study's primary
metric, and with a tolerance, from which rate on it costs more than that.

  pool/spike=planted pool.spike.shuffled=0.1   share of documents with that defect; conf/pool/spike/planted.yaml has all
  pool/spike=planted pool.spike.near_copies=0  a kind that is not to be planted
  inspect.tolerance=0.05           cost that is tolerated, in the units of the primary metric

Example: ablate inspect spike study=demo pool/spike=planted pool.spike.leaked=0.02
"""

from __future__ import annotations

from omegaconf import DictConfig

from ablate.config import plain
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError
from ablate.estimand.base import NotIdentified
from ablate.estimand.dose_response import dose_arms
from ablate.inspect.arm import open_arm
from ablate.inspect.cost import cost_page
from ablate.inspect.dose import response
from ablate.inspect.spiked import Outcome, Planting, outcomes
from ablate.inspect.spiked_page import spike_csv, spike_page, spike_table
from ablate.pool.spike.defects import KINDS
from ablate.store import write_text
from ablate.study.plan import folder_of
from ablate.study.results import load_study


def main(config: DictConfig) -> int:
    """Count; returns the exit status."""
    spike, cost = plain(config.pool).get("spike") or {}, _cost(config)
    planted = [kind for kind in KINDS if spike.get(kind)]
    if not planted and not cost:
        raise ConfigError("nothing is planted into this pool: give pool/spike=planted and a rate above 0")
    found, facts = _look(config) if planted else ([], {})
    folder = folder_of(config) / "spike"
    write_text(folder / "spike.csv", spike_csv(found))
    write_text(folder / "spike.md", spike_page(config.study.title or config.study.name, found, facts, cost))
    print("\n\n".join(part for part in (spike_table(found) if found else "", cost) if part))
    print(f"\nspike: {folder / 'spike.md'}")
    return 0


def _look(config: DictConfig) -> tuple[list[Outcome], dict[str, str]]:
    """What the stages made of everything that is planted, and what names it."""
    with open_arm(config) as (arm, builder):
        truth = builder.pool.truth()
        assert truth is not None  # a pool with `spike` has one
        corpus = build_corpus(arm.stages(), builder.annotations)
        found = outcomes(corpus, Planting.of(truth), builder.annotations)
    spike = plain(config.pool.spike)
    return found, {
        "pool": f"`{builder.pool.digest}`, {len(builder.pool):,} documents",
        "corpus": f"`{corpus.key}`",
        "planted": " ".join(f"`pool.spike.{kind}={spike[kind]:g}`" for kind in KINDS if spike[kind]),
        "with": " ".join(
            f"`pool.spike.{key}={spike[key]}`" for key in ("seed", "edits", "symbol_shares", "languages")
        ),
    }


def _cost(config: DictConfig) -> str:
    """What the rates cost that the study in this folder has swept; "" where it has swept none."""
    folder = folder_of(config)
    if not (folder / "plan.json").exists():
        return ""
    study, parts = load_study(folder), []
    levels, factors = study.plan.levels, study.plan.factors
    rates_of = {name: arm.config.get("pool", {}).get("spike") or {} for name, arm in study.plan.arms.items()}
    for factor in factors:
        try:
            names, _ = dose_arms(levels, factors, factor)
        except (NotIdentified, ValueError):  # no numbers, or not one at a time
            continue
        for kind in KINDS:
            rates = [float(rates_of[name].get(kind, 0.0)) for name in names]
            if len(set(rates)) < len(names):
                continue
            if (scores := response(study, names)) is not None:
                parts.append(cost_page(kind, rates, scores, config.inspect.tolerance))
    return "\n\n".join(parts)
