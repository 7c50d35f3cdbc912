"""Both HTTP interfaces, against a server that speaks them and misbehaves on demand."""

from __future__ import annotations

import json
import resource
import time
import traceback
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ablate.compose import compose
from ablate.config import make, plain
from ablate.errors import AblateError
from ablate.label.labelling import label_documents
from ablate.label.rubric import RUBRIC, Document, Rubric
from ablate.teacher.anthropic import Anthropic
from ablate.teacher.openai_compatible import OpenAICompatible
from ablate.teacher.question import Answer, NoAnswer

DOCUMENT = Document("a", "Water boils at 100 degrees. points=4")
PAGE = Rubric().question(DOCUMENT)
QUICK: dict[str, Any] = {"wait_s": 0.01, "timeout_s": 30.0, "retries": 3}


def teacher(kind: type, server: Any, **changes: Any) -> Any:
    base = server.url if kind is Anthropic else f"{server.url}/v1"
    return kind(model="some-model", base_url=base, **{**QUICK, **changes})


@pytest.fixture(params=[Anthropic, OpenAICompatible])
def kind(request: pytest.FixtureRequest) -> type:
    return request.param


def test_messages_api_as_documented(server: Any) -> None:
    (answer,) = teacher(Anthropic, server).ask([Rubric(max_tokens=77).question(DOCUMENT)])
    assert answer == Answer("It explains something.\nScore: 4", 100, 10, finish_reason="stop")
    (request,) = server.requests
    assert request.path == "/v1/messages"
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert request.headers["content-type"] == "application/json"
    question = RUBRIC.read_text().replace("{text}", DOCUMENT.text)
    assert request.body == {
        "model": "some-model",
        "max_tokens": 77,
        "messages": [{"role": "user", "content": question}],
    }


def test_the_configured_teacher_asks_without_thinking_and_reads_past_it(server: Any) -> None:
    configured = plain(compose(["pool=testbed", "teacher=anthropic"]).teacher)
    made = make({**configured, **QUICK, "base_url": server.url}, "teacher")
    (answer,) = made.ask([PAGE])
    assert server.requests[0].body["thinking"] == {"type": "disabled"}
    thoughtful = make({**configured, **QUICK, "base_url": server.url, "extra": {"thinking": None}}, "teacher")
    assert thoughtful.ask([PAGE]) == [answer] and Rubric().score(answer) == 4
    assert "thinking" not in server.requests[1].body and Rubric().identity(thoughtful) != Rubric().identity(
        made
    )


def test_chat_completions_as_documented(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sesame")
    made = teacher(OpenAICompatible, server, key_variable="MY_KEY", extra={"seed": 1, "max_tokens": None})
    assert made.ask([PAGE]) == [Answer("It explains something.\nScore: 4", 100, 10, finish_reason="stop")]
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sesame"
    assert set(request.body) == {"model", "messages", "temperature", "seed"}


def test_a_server_that_wants_no_key_gets_none(server: Any) -> None:
    assert teacher(OpenAICompatible, server).ask([PAGE])
    assert "authorization" not in server.requests[0].headers


def test_netrc_does_not_replace_the_key(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("MY_KEY", "sesame")
    teacher(OpenAICompatible, server, key_variable="MY_KEY").ask([PAGE])
    assert server.requests[0].headers["authorization"] == "Bearer sesame"


def test_a_missing_key_says_which_variable_to_set(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(AblateError, match="export ANTHROPIC_API_KEY="):
        teacher(Anthropic, server).check()
    assert not server.requests


@pytest.mark.parametrize(
    "fault", ["silence", "malformed", "truncated", "cut_chunk", "misshapen", 429, 500, 503, 529]
)
def test_what_passes_is_tried_again(kind: type, server: Any, fault: str | int) -> None:
    server.faults.append(server.status(fault) if isinstance(fault, int) else getattr(server, fault))
    (answer,) = teacher(kind, server).ask([PAGE])
    assert answer.text.endswith("Score: 4")
    assert len(server.requests) == 2
    assert answer.lost == isinstance(fault, str), (
        "an error was not charged for, a broken answer may have been"
    )


@pytest.mark.parametrize("fault", ["dribbled", "endless", "bomb", "deep"])
def test_an_answer_without_end_costs_an_attempt(kind: type, server: Any, fault: str) -> None:
    """Bounded in time and in memory, whatever a server sends."""
    server.faults.append(getattr(server, fault))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (answer,) = teacher(kind, server, **({"timeout_s": 1.0} if fault == "dribbled" else {})).ask([PAGE])
    assert answer.text.endswith("Score: 4") and answer.lost == 1
    assert len(server.requests) == 2
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000, "kilobytes: an answer of 8 MiB is held a few times over"


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
def test_a_key_that_a_server_sends_back_is_never_said(
    kind: type, server: Any, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-0123456789")
    server.faults.extend([server.echo(status)] * 2)
    with pytest.raises(AblateError, match=r"\(the key\)") as caught:
        teacher(kind, server, key_variable="MY_KEY", retries=1).ask([PAGE])
    assert "sk-0123456789" not in "".join(traceback.format_exception(caught.value))


def test_a_key_that_no_header_can_hold_is_not_said_either(
    kind: type, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for odd in ("sk-0123\n456789", "sk-0123456789é"):
        monkeypatch.setenv("MY_KEY", odd)
        with pytest.raises(AblateError, match="key in MY_KEY holds characters that no key has") as caught:
            teacher(kind, server, key_variable="MY_KEY").check()
        assert "456789" not in str(caught.value)


@pytest.mark.parametrize("fault", ["silence", "malformed", "truncated", "cut_chunk", "misshapen", 429, 502])
def test_attempts_end(kind: type, server: Any, fault: str | int) -> None:
    server.faults.extend([server.status(fault) if isinstance(fault, int) else getattr(server, fault)] * 9)
    with pytest.raises(NoAnswer, match="in 3 attempts; the last: "):
        teacher(kind, server, retries=2).ask([PAGE])
    assert len(server.requests) == 3


def test_a_server_that_is_not_there(kind: type, server: Any) -> None:
    server.port = 1
    with pytest.raises(NoAnswer, match="in 2 attempts; the last: ConnectionError") as caught:
        teacher(kind, server, retries=1).ask([PAGE])
    assert caught.value.lost == 0


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for(kind: type, server: Any, as_date: bool) -> None:
    after = formatdate(time.time() + 2.0, usegmt=True) if as_date else "1"
    server.faults.append(server.status(429, retry_after=after))
    teacher(kind, server).ask([PAGE])
    first, second = (request.time_s for request in server.requests)
    assert 0.9 <= second - first < 3.5  # a date has whole seconds


def test_pauses_double(kind: type, server: Any) -> None:
    server.faults.extend([server.status(500)] * 3)
    teacher(kind, server, wait_s=0.2).ask([PAGE])
    times = [request.time_s for request in server.requests]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    for pause, longest in zip(pauses, (0.2, 0.4, 0.8), strict=True):
        assert pause >= longest / 2
    assert pauses[2] > pauses[0]


def test_a_long_wait_ends_the_command_instead(kind: type, server: Any) -> None:
    server.faults.append(server.status(429, retry_after="7200"))
    with pytest.raises(AblateError, match="asks to wait 7200 s") as caught:
        teacher(kind, server).ask([PAGE])
    assert not isinstance(caught.value, NoAnswer)


@pytest.mark.parametrize("code", [401, 402, 403, 404])
def test_what_all_requests_would_meet_ends_it_at_once(kind: type, server: Any, code: int) -> None:
    server.faults.append(server.status(code))
    with pytest.raises(AblateError, match=f"status {code} it is.*Check the key") as caught:
        teacher(kind, server).ask([PAGE])
    assert not isinstance(caught.value, NoAnswer) and len(server.requests) == 1


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_refused_document_is_not_sent_again(kind: type, server: Any, code: int) -> None:
    server.faults.append(server.status(code))
    with pytest.raises(NoAnswer, match=f"refuses this question: status {code}"):
        teacher(kind, server).ask([PAGE])
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed_with_the_key(kind: type, server: Any) -> None:
    server.faults.append(server.status(307, location=f"{server.url}/elsewhere"))
    with pytest.raises(AblateError, match="status 307"):
        teacher(kind, server).ask([PAGE])
    assert len(server.requests) == 1


def test_an_address_that_is_none(kind: type, server: Any) -> None:
    with pytest.raises(AblateError, match="cannot post to"):
        kind(model="m", base_url="localhost:8000", **QUICK).ask([PAGE])


def test_a_refusal_without_words_is_an_answer(server: Any) -> None:
    server.faults.append(
        lambda handler: handler.send(200, {"choices": [{"message": {"content": None, "refusal": "no"}}]})
    )
    made = teacher(OpenAICompatible, server)
    (answer,) = made.ask([PAGE])
    assert answer == Answer("", None, None) and Rubric().score(answer) is None


ANSWER = "Größe 7 – 東京. Score: 4"
IN_ITS_LETTERS = json.dumps(
    {"content": [{"type": "text", "text": ANSWER}], "choices": [{"message": {"content": ANSWER}}]},
    ensure_ascii=False,
)


@pytest.mark.parametrize(
    ("encoding", "stated"),
    [
        ("utf-8", ""),
        ("utf-8", "; charset=utf-8"),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-16-le", ""),
        ("utf-32", "; charset=utf-32"),
        ("gb18030", '; charset="GB18030"'),
        ("shift_jis_2004", "; charset=shift_jis_2004"),
    ],
)
def test_an_answer_in_another_encoding_is_read_to_the_letter(
    kind: type, server: Any, encoding: str, stated: str
) -> None:
    raw, headers = IN_ITS_LETTERS.encode(encoding), {"content-type": f"application/json{stated}"}
    server.faults.append(lambda handler: handler.send_raw(200, raw, headers))
    (answer,) = teacher(kind, server).ask([PAGE])
    assert answer.text == ANSWER and len(server.requests) == 1


@pytest.mark.parametrize("stated", ["", "; charset=utf-8", "; charset=klingon"])
def test_an_answer_whose_letters_cannot_be_told_is_asked_for_again(
    kind: type, server: Any, stated: str
) -> None:
    raw, headers = "Größe".encode("latin-1"), {"content-type": f"application/json{stated}"}
    raw = IN_ITS_LETTERS.encode().replace("Größe".encode(), raw)
    server.faults.append(lambda handler: handler.send_raw(200, raw, headers))
    (answer,) = teacher(kind, server).ask([PAGE])
    assert answer.text.endswith("Score: 4") and len(server.requests) == 2
    assert answer.lost == 1, "it may have been charged for"
    server.faults.extend([lambda handler: handler.send_raw(200, raw, headers)] * 3)
    with pytest.raises(NoAnswer, match="in 3 attempts; the last: broken answer, its bytes are no"):
        teacher(kind, server, retries=2).ask([PAGE])


ODD_USAGE: list[Any] = [
    "12",
    ["12"],
    None,
    True,
    {"prompt_tokens": 12, "completion_tokens": 0, "input_tokens": 12, "output_tokens": 0},  # with a text
    {"prompt_tokens": "12", "completion_tokens": 1, "input_tokens": "12", "output_tokens": 1},
    *(
        {name: value for name in ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")}
        for value in (-5, 1.5, 1e308, float("nan"), float("inf"), 10**30, [1], {}, True)
    ),
]


@pytest.mark.parametrize("usage", ODD_USAGE, ids=ascii)
def test_usage_that_is_no_count_is_unknown(kind: type, server: Any, usage: Any, tmp_path: Path) -> None:
    """It is kept as unknown, so it costs its most, and the next command reads it again."""
    content = [{"type": "text", "text": "Score: 4"}]
    said = {"content": content, "choices": [{"message": {"content": "Score: 4"}}], "usage": usage}
    server.faults.append(lambda handler: handler.send(200, said))
    made = teacher(kind, server, price_input=1.0, price_output=5.0)
    first = label_documents([DOCUMENT], made, tmp_path, 1.0)
    again = label_documents([DOCUMENT], made, tmp_path, 1.0)
    assert first.scores == again.scores == (4.0,) and len(server.requests) == 1
    assert first.cost == again.cost == made.most(PAGE) and first.unmetered == 1
    assert json.loads(json.dumps(again.summary(), allow_nan=False))["cost"] > 0


def test_a_server_that_claims_more_than_was_allowed_is_believed_and_ends_the_budget(
    kind: type, server: Any, tmp_path: Path
) -> None:
    """It is what it will charge for. What was answered is kept, and the same command asks for no more."""
    usage = dict.fromkeys(("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens"), 10**6)
    content = [{"type": "text", "text": "Score: 4"}]
    said = {"content": content, "choices": [{"message": {"content": "Score: 4"}}], "usage": usage}
    server.faults.append(lambda handler: handler.send(200, said))
    asked = [Document(name, f"Water. points={n}") for n, name in enumerate("abc")]
    made = teacher(kind, server, price_input=1.0, price_output=5.0, concurrency=1)
    for _ in range(2):
        found = label_documents(asked, made, tmp_path, 1.0)
        assert found.capped and found.cost == 6.0 and len(server.requests) == 1
        assert found.scores[0] == 4.0


def test_identity_follows_model_prompt_and_server(server: Any, tmp_path: Path) -> None:
    (tmp_path / "rubric.txt").write_text("Rate {text}. Score: <0 to 5>")
    usual = Rubric()
    base = usual.identity(teacher(Anthropic, server))
    prompt = str(tmp_path / "rubric.txt")
    others = [Rubric(prompt=prompt), Rubric(max_characters=10), Rubric(max_tokens=5)]
    assert all(other.identity(teacher(Anthropic, server)) != base for other in others)
    assert usual.identity(teacher(Anthropic, server, extra={"top_k": 1})) != base
    assert usual.identity(teacher(Anthropic, server, concurrency=2, retries=1, timeout_s=9.0)) == base
    assert usual.identity(Anthropic(model="other", base_url=server.url)) != base
    servers = [OpenAICompatible(model="m", base_url=f"http://{host}/v1") for host in ("a", "b")]
    elsewhere = [usual.identity(one) for one in servers]
    assert elsewhere[0] != elsewhere[1], "servers that ignore the model's name answer by whatever they hold"
    cold, warm = (Rubric(temperature=value).identity(servers[0]) for value in (0.0, 1.0))
    assert cold != warm


def test_answers_bought_before_are_found_again() -> None:
    """Identities as they were when the prompt stood with the teacher; their digests name folders of paid answers."""
    from ablate.fingerprint import digest

    template = RUBRIC.read_text()
    sent = {"server": "https://api.anthropic.com/v1/messages", "extra": {"thinking": {"type": "disabled"}}}
    claude = Anthropic(model="m", extra={"thinking": {"type": "disabled"}})
    assert Rubric().identity(claude) == {
        "teacher": "anthropic",
        "model": "m",
        "prompt": digest([template, 4000, 400, sent]),
    }
    sent = {"server": "http://a/v1/chat/completions", "temperature": 0.0, "extra": {}}
    served = OpenAICompatible(model="m", base_url="http://a/v1")
    assert Rubric().identity(served) == {
        "teacher": "openai_compatible",
        "model": "m",
        "prompt": digest([template, 4000, 400, sent]),
    }


def test_a_prompt_needs_a_place_for_the_document(tmp_path: Path) -> None:
    (tmp_path / "rubric.txt").write_text("Rate this.")
    with pytest.raises(ValueError, match=r"has no \{text\}"):
        Rubric(prompt=str(tmp_path / "rubric.txt"))
    with pytest.raises(ValueError, match="cannot read"):
        Rubric(prompt=str(tmp_path / "nowhere.txt"))
