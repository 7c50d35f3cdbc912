"""What each stage makes of planted defects: how many it removes of each kind, and how many others.

Needs a pool with planted defects (`pool/spike=planted`, any rates). For every enabled stage: of each kind of defect,
the share of the documents that it removed (recall), beside the share it removed of what was not planted; how much of
what it dropped was planted; and how much of the planted text is gone from what it kept. Writes spike.md and spike.csv
into <study.dir>/spike. The same arm gives the same bytes.

  pool/spike=planted pool.spike.shuffled=0.1   share of documents with that defect; conf/pool/spike/planted.yaml has all
  pool/spike=planted pool.spike.near_copies=0  a kind that is not to be planted

Example: ablate inspect spike study=demo pool/spike=planted pool.spike.leaked=0.02
"""

from __future__ import annotations

from hydra._internal.hydra import Hydra
from omegaconf import DictConfig

from ablate.config import make_stages, plain
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError
from ablate.inspect.arm import open_arm
from ablate.inspect.spiked import Planting, outcomes
from ablate.inspect.spiked_page import spike_csv, spike_page, spike_table
from ablate.pool.spike.defects import KINDS
from ablate.store import write_text
from ablate.study.plan import folder_of


def main(config: DictConfig, hydra: Hydra) -> int:
    """Count; returns the exit status."""
    with open_arm(config) as (arm, workshop):
        truth = workshop.pool.truth()
        if truth is None or not workshop.pool.summary["planted"]:
            raise ConfigError("nothing is planted into this pool: give pool/spike=planted and a rate above 0")
        corpus = build_corpus(make_stages(arm), workshop.annotations)
        found = outcomes(corpus, Planting.of(truth), workshop.annotations)
    spike = plain(config.pool.spike)
    facts = {
        "pool": f"`{workshop.pool.digest}`, {len(workshop.pool):,} documents",
        "corpus": f"`{corpus.key}`",
        "planted": " ".join(f"`pool.spike.{kind}={spike[kind]:g}`" for kind in KINDS if spike[kind]),
        "with": " ".join(
            f"`pool.spike.{key}={spike[key]}`" for key in ("seed", "edits", "symbol_shares", "languages")
        ),
    }
    folder = folder_of(config) / "spike"
    write_text(folder / "spike.csv", spike_csv(found))
    write_text(folder / "spike.md", spike_page(config.study.title or config.study.name, found, facts))
    print(spike_table(found))
    print(f"\nspike: {folder / 'spike.md'}")
    return 0
