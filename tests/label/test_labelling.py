"""Labelling: every document once, within the budget, whatever happens on the way."""

from __future__ import annotations

import json
import math
import resource
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import AblateError, ConfigError, DataError
from ablate.label.labelling import label_documents
from ablate.label.rubric import Document, Rubric
from ablate.store import Busy
from ablate.teacher.anthropic import Anthropic
from ablate.teacher.asking import FAILURES_IN_A_ROW, USELESS_IN_A_ROW
from ablate.teacher.journal import open_journal
from ablate.teacher.question import Answer

Documents = Callable[[int], list[Document]]
RUBRIC = Rubric()
EACH = (100 * 1.0 + 10 * 5.0) / 1e6
"""What an answer of the server costs."""


def teacher(server: Any, **changes: Any) -> Anthropic:
    settings = {
        "wait_s": 0.01, "timeout_s": 2.0, "retries": 2, "price_input": 1.0, "price_output": 5.0, "concurrency": 4,
    }  # fmt: skip
    return Anthropic(model="m", base_url=server.url, **{**settings, **changes})


def test_every_document_gets_its_score_and_nothing_is_asked_twice(
    server: Any, tmp_path: Path, documents: Documents
) -> None:
    asked = [*documents(13), Document("mute", "no points here"), Document("again", documents(1)[0].text)]
    made = label_documents(asked, teacher(server), tmp_path)
    assert made.scores == (*(float(number % 6) for number in range(13)), None, 0.0)
    assert len(server.requests) == 14, "a text that comes twice is asked for once"
    summary = made.summary()
    assert summary["distribution"] == {"0": 4, "1": 2, "2": 2, "3": 2, "4": 2, "5": 2}
    assert (summary["answered"], summary["labelled"], summary["unparsed"]) == (15, 14, 1)
    assert summary["unparsed_share"] == 1 / 15
    assert summary["cost"] == pytest.approx(14 * EACH)

    again = label_documents(asked, teacher(server), tmp_path)
    assert len(server.requests) == 14
    assert (again.scores, again.answers, again.cost) == (made.scores, made.answers, made.cost)
    assert again.asked == 0


def test_a_larger_sample_pays_for_what_is_new(server: Any, tmp_path: Path, documents: Documents) -> None:
    label_documents(documents(5), teacher(server), tmp_path)
    made = label_documents(documents(9), teacher(server), tmp_path)
    assert made.asked == 4 and len(server.requests) == 9


def test_documents_are_asked_for_at_the_same_time(server: Any, tmp_path: Path, documents: Documents) -> None:
    server.pause_s = 0.1
    label_documents(documents(12), teacher(server, concurrency=4), tmp_path)
    assert server.most_in_flight == 4


def test_faults_on_the_way_cost_attempts_not_labels(
    server: Any, tmp_path: Path, documents: Documents
) -> None:
    server.faults.extend(
        [
            server.status(529),
            server.truncated,
            server.malformed,
            server.status(429, retry_after="0.1"),
            server.misshapen,
        ]
    )
    made = label_documents(documents(12), teacher(server, retries=6), tmp_path)
    assert None not in made.scores and not made.failures
    assert len(server.requests) == 12 + 5
    assert made.summary()["answers_lost"] == 3
    again = label_documents(documents(12), teacher(server), tmp_path)
    assert again.lost == 3 and again.cost == pytest.approx(made.cost), (
        "an answer that was lost stays paid for"
    )


def test_lost_answers_count_against_the_budget(server: Any, tmp_path: Path, documents: Documents) -> None:
    server.faults.extend([server.truncated] * 100)
    asked = documents(30)
    most = max(teacher(server).most(RUBRIC.question(document)) for document in asked)
    made = label_documents(asked, teacher(server, concurrency=1, retries=1), tmp_path, 7 * most)
    assert made.capped and made.lost == len(server.requests) and made.cost <= 8 * most
    assert len(made.failures) == 4, "two attempts each: three documents do not reach the budget"


def test_the_budget_is_kept_however_often_it_is_asked_for(
    server: Any, tmp_path: Path, documents: Documents
) -> None:
    asked = documents(40)
    most = max(teacher(server).most(RUBRIC.question(document)) for document in asked)
    budget = 12 * EACH + most
    for _ in range(3):
        made = label_documents(asked, teacher(server), tmp_path, budget)
        assert made.capped and made.cost <= budget
        assert made.cost > budget - most - EACH, "it stops only where one more might not fit"
        assert made.cost == pytest.approx(len(server.requests) * EACH)
        assert made.summary()["not_asked"] == 40 - len(server.requests)
    made = label_documents(asked, teacher(server), tmp_path, 40 * EACH + most)
    assert not made.capped and len(server.requests) == 40


def test_what_an_answer_can_cost_at_most_is_never_too_little(server: Any) -> None:
    document = Document("a", "ä" * 10_000)
    rubric = Rubric(max_characters=100, max_tokens=7)
    question_bytes = len(rubric.template.encode()) - len("{text}") + 200
    assert teacher(server).most(rubric.question(document)) >= (question_bytes * 1.0 + 7 * 5.0) / 1e6


def test_answers_without_usage_count_at_their_most(server: Any, tmp_path: Path, documents: Documents) -> None:
    server.usage = False
    asked = documents(4)
    made = label_documents(asked, teacher(server), tmp_path, 1.0)
    assert made.unmetered == 4
    assert made.cost == pytest.approx(
        sum(teacher(server).most(RUBRIC.question(document)) for document in asked)
    )


def test_a_budget_needs_prices(server: Any, tmp_path: Path, documents: Documents) -> None:
    free = teacher(server, price_input=None)
    with pytest.raises(ConfigError, match=r"teacher\.price_input"):
        label_documents(documents(2), free, tmp_path, 1.0)
    assert not server.requests
    made = label_documents(documents(2), free, tmp_path)
    assert math.isnan(made.cost) and made.summary()["cost"] is None


def test_a_refused_document_fails_alone_and_is_asked_for_next_time(
    server: Any, tmp_path: Path, documents: Documents
) -> None:
    server.refused = "Page 3."
    made = label_documents(documents(6), teacher(server), tmp_path)
    assert list(made.failures) == ["d3"] and "prompt is too long" in made.failures["d3"]
    assert made.scores == (0, 1, 2, None, 4, 5)
    assert made.summary()["unparsed"] == 0, "no answer is not an answer without a score"
    server.refused = "\0"
    assert label_documents(documents(6), teacher(server), tmp_path).asked == 1


def test_a_server_that_answers_nothing_ends_it(server: Any, tmp_path: Path, documents: Documents) -> None:
    label_documents(documents(5), teacher(server), tmp_path)
    server.refused = "Page"
    with pytest.raises(AblateError, match=r"questions in a row got no answer.*prompt is too long"):
        label_documents(documents(100), teacher(server, concurrency=2), tmp_path)
    assert len(server.requests) <= 5 + FAILURES_IN_A_ROW + 2
    server.refused = "\0"
    assert label_documents(documents(7), teacher(server), tmp_path).asked == 2, "earlier answers are kept"


def test_answers_that_never_state_a_score_are_not_paid_for_to_the_end(server: Any, tmp_path: Path) -> None:
    mute = [Document(f"m{number}", f"Nothing to see on page {number}.") for number in range(60)]
    with pytest.raises(
        AblateError, match=r"answers in a row state no score; the last: 'I would rather not say"
    ):
        label_documents(mute, teacher(server, concurrency=2), tmp_path)
    assert USELESS_IN_A_ROW <= len(server.requests) <= USELESS_IN_A_ROW + 2
    mixed = [
        Document(f"n{number}", f"Page {number} {'points=3' * (number % 10 == 0)}") for number in range(40)
    ]
    made = label_documents(mixed, teacher(server), tmp_path)
    assert made.summary()["unparsed"] == 36 and made.summary()["unparsed_share"] == 0.9


def test_a_wrong_key_ends_it_at_once(
    server: Any, tmp_path: Path, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "wrong")
    with pytest.raises(AblateError, match="invalid bearer token"):
        label_documents(documents(50), teacher(server, concurrency=2), tmp_path)
    assert len(server.requests) <= 4


def test_a_line_cut_off_by_a_crash_is_asked_for_again(
    server: Any, tmp_path: Path, documents: Documents
) -> None:
    label_documents(documents(5), teacher(server), tmp_path)
    path = tmp_path / "answers.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    assert label_documents(documents(5), teacher(server), tmp_path).asked == 1
    assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.add("a", Answer("Score: 1"))
    path = tmp_path / "answers.jsonl"
    path.write_bytes(b"\xff\n" + path.read_bytes())
    with pytest.raises(DataError, match=r"answers\.jsonl, line 1 is damaged"), open_journal(tmp_path):
        pass


@pytest.mark.parametrize(
    "line",
    [
        b'{"key": "a", "text": null}',
        b'{"key": "a", "text": "Score: 1", "more": 1}',
        b'{"text": "Score: 1"}',
        b"[]",
        b'{"key": "a", "text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"key": ["a"], "text": "Score: 1"}',
    ],
    ids=["null", "more", "no key", "list", "deep", "listed key"],
)
def test_whatever_a_line_holds_it_is_named(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "answers.jsonl").write_bytes(line + b"\n")
    with pytest.raises(DataError, match=r"answers\.jsonl, line 1 is damaged"), open_journal(tmp_path):
        pass


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    """The answer that did not fit is lost; those before and after it stand each on a line of their own."""
    with open_journal(tmp_path) as journal:
        journal.add("a", Answer("Score: 1"))
        size = (tmp_path / "answers.jsonl").stat().st_size
        earlier = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, earlier[1]))
        try:
            with pytest.raises(DataError, match="cannot write"):
                journal.add("b", Answer("Score: 2 " * 20))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, earlier)
        journal.add("c", Answer("Score: 3"))
    with open_journal(tmp_path) as journal:
        assert {key: answer.text for key, answer in journal.answers.items()} == {
            "a": "Score: 1",
            "c": "Score: 3",
        }


def test_answers_survive_odd_text(tmp_path: Path) -> None:
    answers = {"a": Answer('\ud800 \u2028 \x00 "\n', 1, 2), "b": Answer("", None, None)}
    with open_journal(tmp_path) as journal:
        for key, answer in answers.items():
            journal.add(key, answer)
    with open_journal(tmp_path) as journal:
        assert journal.answers["b"] == answers["b"]
        assert journal.answers["a"].text == '\ufffd \u2028 \x00 "\n'
    assert len((tmp_path / "answers.jsonl").read_text(encoding="utf-8").split("\n")) == 3


def test_two_processes_do_not_pay_for_the_same_answers(tmp_path: Path) -> None:
    with open_journal(tmp_path), pytest.raises(Busy, match="already running"), open_journal(tmp_path):
        pass


def test_answers_are_kept_one_a_line_as_they_came(server: Any, tmp_path: Path, documents: Documents) -> None:
    label_documents(documents(6), teacher(server), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert Counter(row["text"][-1] for row in rows) == Counter("012345")
    assert all((row["input_tokens"], row["output_tokens"]) == (100, 10) for row in rows)
