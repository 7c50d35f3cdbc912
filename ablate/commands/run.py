"""Run one arm: the recipe as configured, under each of the seeds.

Its folder is <study.dir>/run-<first digits of its plan>. A sweep that needs the same run later finds
it in the store and does not repeat it. With several GPUs: torchrun --nproc-per-node 4 -m ablate run ...

Example: ablate run study=demo stages.minhash_dedup.enabled=false 'seeds=[0]'
"""

from __future__ import annotations

from omegaconf import DictConfig, open_dict

from ablate.commands.sweep import run_plan
from ablate.study.plan import folder_of, make_plan

OVERRIDES = ("design=single",)


def main(config: DictConfig) -> int:
    """Run; returns the exit status."""
    with open_dict(config):
        config.study.name = f"{config.study.name}-run"
    return run_plan(config, folder_of(config) / f"run-{make_plan(config).digest[:8]}")
