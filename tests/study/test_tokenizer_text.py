"""The tokenizer is the same whatever is varied, so designs over the same arms share their runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.compose import compose
from ablate.config import plain
from ablate.corpus.tokenizer import load_tokenizer
from ablate.errors import ConfigError
from ablate.store import Store
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.plan import make_plan
from ablate.study.schema import Arm

Run = Callable[..., int]
PAGE = "<html><body><div class='zzq'><p>It rained all night over the old town, line {n} of it.</p></div></body></html>"


def trained(here: Path) -> set[str]:
    return {path.parent.name for path in here.glob("store/runs/*/result.json")}


def test_designs_over_the_same_arms_share_their_runs_with_extraction_varied(
    ablate: Run, here: Path, tiny: tuple[str, ...]
) -> None:
    """Two factors. Leave-one-out: full, -extraction, -language. Cumulative adds the bare arm; full factorial nothing."""
    varied = (*tiny, "design.factors=[extraction,language]", "seeds=[0]", "train.tokens=512")
    arms = {"leave_one_out": 3, "cumulative": 3, "full_factorial": 4}
    there = {"leave_one_out": 3, "cumulative": 4, "full_factorial": 4}
    for design, count in arms.items():
        shared = ["design.own_seeds=false"] if design == "full_factorial" else []
        assert ablate("sweep", *varied, *shared, f"study.name={design}", f"design={design}") == 0
        assert len(list(here.glob(f"studies/{design}/runs/*/*/record.json"))) == count
        assert len(trained(here)) == there[design], design
    assert len(list(here.glob("store/tokenizers/*"))) == 1


def pool(folder: Path, *more: str) -> list[str]:
    rows = [json.dumps({"text": PAGE.format(n=n)}) for n in range(30)]
    (folder / "a.jsonl").write_text("\n".join(rows))
    return [
        "pool=files",
        f"pool.paths=[{folder}/a.jsonl]",
        "pool.kind=html",
        "evaluate=heldout",
        "evaluate.heldout=x",
        "tokenizer.vocab_size=300",
        "stages.extraction.method=raw",
        *more,
    ]


def tokenizer(store: Store, overrides: list[str], arm: str | None = None) -> CorpusBuilder:
    if arm is None:
        config = compose(overrides)
        groups = {key: plain(config[key]) for key in ("pool", "recipe", "stages", "tokenizer")}
        return CorpusBuilder(Arm(name="as configured", levels={}, config=groups), store, 1)
    return CorpusBuilder(make_plan(compose(overrides)).arms[arm], store, 1)


@pytest.mark.parametrize(
    "changed",
    [
        ["stages.extraction.enabled=false"],
        [
            "recipe.order=[exact_dedup,minhash_dedup,language,gopher_quality,gopher_repetition,decontamination,extraction]"
        ],
        ["stages.language.enabled=false"],
    ],
)
def test_it_is_trained_on_extracted_text_wherever_extraction_stands(
    tmp_path: Path, store: Store, changed: list[str]
) -> None:
    usual = tokenizer(store, pool(tmp_path, "recipe=gopher")).tokenizer
    other = tokenizer(store, pool(tmp_path, "recipe=gopher", *changed)).tokenizer
    assert other.digest == usual.digest
    pieces = load_tokenizer(other.folder).get_vocab()
    assert "Ġtown" in pieces and "zzq" not in pieces and "div" not in pieces


def test_every_arm_of_a_plan_names_the_same_stage(tmp_path: Path, store: Store) -> None:
    varied = [
        "recipe=gopher",
        "design=leave_one_out",
        "design.factors={extraction: {method: [raw, resiliparse]}}",
    ]
    arms = make_plan(compose(pool(tmp_path, *varied))).arms
    assert {arm.config["tokenizer"]["text"]["method"] for arm in arms.values()} == {"raw"}
    assert len({arm.config["stages"]["extraction"]["method"] for arm in arms.values()}) == 2


def test_pages_without_a_stage_that_reads_them_are_refused(tmp_path: Path, store: Store) -> None:
    without = pool(tmp_path, "recipe=gopher", "~stages.extraction")
    without.remove("stages.extraction.method=raw")
    with pytest.raises(ConfigError, match=r"tokenizer\.text: the pool holds HTML pages"):
        _ = tokenizer(store, without).tokenizer
    raw = tokenizer(store, [*without, "tokenizer.text=raw"]).tokenizer
    assert "zzq" in load_tokenizer(raw.folder).get_vocab(), "pages as they are, when that is asked for"
    with pytest.raises(
        ConfigError, match=r"tokenizer.text: 'extractoin' is no stage.*did you mean 'extraction'"
    ):
        _ = tokenizer(store, pool(tmp_path, "recipe=gopher", "tokenizer.text=extractoin")).tokenizer


def test_plain_text_needs_none(tmp_path: Path, store: Store) -> None:
    plain_text = pool(tmp_path, "recipe=gopher", "pool.kind=text")
    digests = {
        tokenizer(store, [*plain_text, *more]).tokenizer.digest
        for more in ([], ["stages.extraction.method=trafilatura"], ["tokenizer.text=raw"])
    }
    assert len(digests) == 1


def test_what_all_arms_share_cannot_be_varied(tmp_path: Path) -> None:
    varied = pool(tmp_path, "recipe=gopher", "design.factors={size: {tokenizer.vocab_size: [300, 400]}}")
    with pytest.raises(ConfigError, match="all arms share the tokenizer"):
        make_plan(compose(varied))
