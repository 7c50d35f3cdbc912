"""Write out the corpus of an arm for others to train on: documents, or the tokens that its runs read.

The arm is one of the study's plan (of plan.json where the study has been planned), its recipe as it was run; what was
measured before is taken from the store. Files are cut by size, written side by side by workers=N processes, each under its
name only when it is whole: interrupted, the same command goes on, and the same corpus gives the same bytes with any number of workers.

How it is written (export.format=)
  parquet      Parquet: id, text, url, source, language, kind, metadata
  jsonl        the same as JSON lines, gzip
  datasets     the folder that datasets.load_from_disk maps
  torchtitan   Parquet with the tokenizer beside it; torchtitan tokenises while it trains
  nanotron     token ids as datatrove writes and nanotron reads them: .ds, .ds.index, .ds.metadata
  megatron     token ids as Megatron-LM and NeMo read them: .bin, .idx
  my_format.py one of your own: a file with FORMAT, a TextFormat or TokenFormat of ablate.export.base
Further keys
  export.arm=full          arm of the study; without it the study's reference, the recipe as configured
  export.order=run         documents in the order in which a run reads them in its first epoch (export.order_seed=0: of that seed);
                           without it the pool's
  export.shard_mb=256      of text or token ids in a shard, before compression
  export.to=corpus         the folder, new or empty; without it studies/<name>/exports/<arm>/<format>
  export.pipeline=datatrove  not the documents but the recipe: a datatrove script of the stages that datatrove has, which
                           says which it has not

Beside the documents stand README.md (a card of the Hugging Face hub: funnel, order, ids, how it is read) and export.json (all
parameters, versions, a sum of each file). It is written last: a folder with it is finished.

Example: ablate export study=demo export.arm=full export.format=nanotron
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from ablate.config import make
from ablate.errors import ConfigError, DataError, nearest
from ablate.export.base import format_of
from ablate.export.card import Origin
from ablate.export.documents import export
from ablate.export.pipelines import script_of
from ablate.settings import ExportConfig, settings_of
from ablate.store import Store, write_text
from ablate.study.chance import draw_of
from ablate.study.corpus_builder import CorpusBuilder, Prepared
from ablate.study.plan import folder_of, load_plan, make_plan, run_folder
from ablate.study.schema import Arm, Plan
from ablate.study.seeds import run_seeds


def main(config: DictConfig) -> int:
    """Export; returns the exit status."""
    asked, study = settings_of(config).export, folder_of(config)
    plan = load_plan(study) if (study / "plan.json").exists() else make_plan(config)
    arm = arm_of(plan, asked)
    seed = plan.seeds[0] if asked.seed is None else asked.seed
    place = run_folder(study, arm.name, seed).parent.name
    if asked.pipeline is not None:
        return _script(arm, seed, asked, study / "exports" / place)
    format = format_of(asked.format)
    folder = Path(asked.to) if asked.to else study / "exports" / place / format.name
    order_seed = None
    if asked.order == "run":
        order_seed = run_seeds(arm, seed).order if asked.order_seed is None else asked.order_seed
    executor = make(config.executor, "executor")
    with CorpusBuilder(arm, Store(Path(config.store)), config.workers, executor) as builder:
        prepared = builder.prepare(arm, seed)
        origin = _origin(plan, arm, seed, builder, prepared, order_seed)
        done = export(builder, prepared, origin, asked, folder, order_seed=order_seed)
    if origin.drawn:
        print(
            f"the corpus of seed {seed}, which drew: {origin.drawn}; other seeds have others (export.seed=)"
        )
    written, kept = done.shards
    print(
        f"arm {arm.name}: {done.documents:,} documents, {done.tokens:,} tokens; {written} shards written"
        + (f", {kept} were there" if kept else "")
    )
    print(f"{folder}\n{format.read_by(str(folder))}")
    return 0


def arm_of(plan: Plan, asked: ExportConfig) -> Arm:
    """The arm that is exported.

    Raises:
        ConfigError: for an arm that the study does not have; names the nearest.
        DataError: for a study whose recipes are not known.
    """
    name = plan.reference if asked.arm is None else asked.arm
    if name not in plan.arms:
        raise ConfigError(f"export.arm: no arm {name!r} in the study: {nearest(name, plan.arms)}")
    arm = plan.arms[name]
    if not arm.config:
        raise DataError(f"{plan.study} holds imported results, which do not say what its arms are made of")
    return arm


def _origin(
    plan: Plan, arm: Arm, seed: int, builder: CorpusBuilder, prepared: Prepared, order_seed: int | None
) -> Origin:
    order = "as in the pool, which has them as its files do"
    if order_seed is not None:
        order = f"by a hash of id and seed, as a run of order seed {order_seed} reads them in its first epoch"
    stages = [(stage.name, [step.identity() for step in stage.steps()]) for stage in prepared.stages]
    return Origin(
        plan.study,
        arm.name,
        arm.levels,
        seed,
        str(prepared.draw),
        builder.pool.digest,
        prepared.info["key"],
        prepared.info["content"],
        prepared.tokenizer.digest,
        stages,
        prepared.info["funnel"],
        order,
    )


def _script(arm: Arm, seed: int, asked: ExportConfig, folder: Path) -> int:
    """Write the recipe as a script of another tool."""
    stages = arm.stages(draw_of(arm, seed).stages)
    made = script_of(str(asked.pipeline), arm.name, stages)
    path = Path(asked.to) if asked.to else folder / f"{asked.pipeline}_pipeline.py"
    write_text(path, made.text)
    for stage in made.stages:
        print(f"{stage.name:<20} {stage.claim:<6} {stage.remark}".rstrip())
    print(path)
    return 0
