"""`ablate inspect spike`: counts against what was planted, known by hand."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ablate.cli import main
from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.inspect.spiked import NOT_PLANTED, WHOLE, Outcome, Planting, outcomes
from ablate.pool.pool import build_pool
from ablate.pool.spike.source import Spike
from ablate.stages.base import Stage
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.extraction import Extraction
from ablate.stages.language import Language
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.stages.pii import Pii
from ablate.store import Store
from tests.pool.test_spike import prose, texts


def found(source: Spike, stages: Sequence[Stage], store: Store) -> dict[tuple[str, str], Outcome]:
    """(stage, kind) -> outcome; every kind has one strength."""
    pool = build_pool(source, store)
    annotations, truth = Annotations(pool, store, 1), pool.truth()
    assert truth is not None
    made = outcomes(build_corpus(stages, annotations), Planting.of(truth), annotations)
    assert len({(one.stage, one.kind) for one in made}) == len(made)
    return {(one.stage, one.kind): one for one in made}


def counts(one: Outcome) -> tuple[int, int]:
    return one.removed.hits, one.removed.total


@pytest.mark.parametrize("keep", ["first", "random"])
def test_every_count_is_what_was_planted(store: Store, keep: str) -> None:
    """100 documents without a defect of their own: 10 copies, 10 near copies, 10 foreign, 10 with an address."""
    source = Spike(of=texts(100), exact_copies=0.1, near_copies=0.1, foreign=0.1, emails=0.1, edits=(0.01,))
    stages = [Language(), ExactDedup(keep=keep), MinhashDedup(keep=keep), Pii()]
    outcome = found(source, stages, store)
    assert counts(outcome["language", "foreign"]) == (10, 10)
    for kind in ("exact_copies", "near_copies", "emails"):
        assert counts(outcome["language", kind]) == (0, 10)
    # Where documents are compared, a pair is one, whichever of the two is dropped; its original is in no other line.
    assert counts(outcome["language", NOT_PLANTED]) == (0, 80)
    assert counts(outcome["exact_dedup", "exact_copies"]) == (10, 10)
    assert counts(outcome["exact_dedup", "near_copies"]) == (0, 10)
    assert counts(outcome["exact_dedup", NOT_PLANTED]) == (0, 60)
    assert counts(outcome["minhash_dedup", "near_copies"]) == (10, 10)
    # One of each exact pair is left by now; where it is the original, it is a document without a defect again.
    copies_left = counts(outcome["pii", "exact_copies"])[1]
    assert counts(outcome["minhash_dedup", NOT_PLANTED]) == (0, 60 + 10 - copies_left)
    assert (copies_left == 0) == (keep == "first")
    assert [
        counts(outcome[WHOLE, kind]) for kind in ("exact_copies", "near_copies", "foreign", "emails")
    ] == [
        (10, 10),
        (10, 10),
        (10, 10),
        (0, 10),
    ]
    assert counts(outcome[WHOLE, NOT_PLANTED]) == (0, 60)
    gone = {key: (one.gone.hits, one.gone.total) for key, one in outcome.items() if one.kind == "emails"}
    assert gone["minhash_dedup", "emails"] == (0, 10)
    assert gone["pii", "emails"] == gone[WHOLE, "emails"] == (10, 10)
    shorter = outcome["pii", "emails"]
    assert shorter.n_after != shorter.n_before > 0
    untouched = outcome["pii", NOT_PLANTED]
    assert untouched.n_after == untouched.n_before > 0


def test_what_stays_of_boilerplate_in_pages(store: Store) -> None:
    source = Spike(of=texts(40, "html"), boilerplate=0.25, ips=0.25)
    kept = found(source, [Extraction(method="raw")], store)
    left_out = found(source, [Extraction(method="resiliparse")], store)
    assert (kept["extraction", "boilerplate"].gone.hits, kept["extraction", "boilerplate"].gone.total) == (
        0,
        40,
    )
    gone = left_out["extraction", "boilerplate"].gone
    assert (gone.hits, gone.total) == (40, 40), "a banner and three lines of a footer in each of ten pages"
    assert left_out["extraction", "ips"].gone.hits == 0
    assert left_out["extraction", "boilerplate"].n_before == 0, "pages are not compared with texts by length"


def test_the_command_writes_page_and_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [
        json.dumps({"text": prose(number), "url": f"https://a.example/{number}"}) for number in range(60)
    ]
    Path("pages.jsonl").write_text("\n".join(lines))
    fixed = (
        "inspect", "spike", "study.name=small", "pool=files", "pool.paths=[pages.jsonl]", "recipe=gopher",
        "evaluate=heldout", "evaluate.heldout=pages.jsonl", "workers=1", "stages.decontamination.enabled=false",
        "stages.gopher_repetition.enabled=false",
    )  # fmt: skip
    assert main(list(fixed)) == 2
    assert "nothing is planted into this pool: give pool/spike=planted" in capsys.readouterr().err
    rates = [f"pool.spike.{kind}=0.1" for kind in ("foreign", "symbols", "exact_copies")]
    assert main([*fixed, "pool/spike=planted", *rates]) == 0
    shown = capsys.readouterr().out
    folder = Path("studies/small/spike")
    assert "studies/small/spike/spike.md" in shown and "symbols at 0.3" in shown
    table = csv.DictReader((folder / "spike.csv").read_text().splitlines())
    rows = {(row["stage"], row["kind"], row["strength"]): row for row in table}
    language = rows["language", "foreign", "1"]
    assert (language["reached"], language["removed"], language["share"]) == ("6", "6", "1")
    assert float(language["low"]) == pytest.approx(0.6097, abs=1e-4), "Wilson's interval of 6 of 6"
    assert rows["whole recipe", "exact_copies", "1"]["removed"] == "6"
    first = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    assert list(first) == ["spike.csv", "spike.md"]
    assert main([*fixed, "pool/spike=planted", *rates]) == 0
    assert {path.name: path.read_bytes() for path in sorted(folder.iterdir())} == first
