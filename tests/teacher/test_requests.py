"""What a question becomes on the wire, in both forms and both interfaces."""

from __future__ import annotations

from typing import Any

import pytest

from ablate.errors import ConfigError
from ablate.teacher.anthropic import Anthropic
from ablate.teacher.openai_compatible import OpenAICompatible
from ablate.teacher.question import Answer, Question, Sampling

SAMPLING = Sampling(temperature=0.7, top_p=0.5, presence_penalty=2.0, stop=("\n\n", "16."))
SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
OPEN = OpenAICompatible(model="m", base_url="http://a/v1/")
CLAUDE = Anthropic(model="m")


def question(**changes: Any) -> Question:
    return Question(
        **{"key": "k", "text": "Say it.", "max_tokens": 9, "sampling": SAMPLING, "seed": 5, **changes}
    )


def test_chat_completions() -> None:
    assert OPEN.url("chat") == "http://a/v1/chat/completions"
    assert OPEN.body(question(schema=SCHEMA)) == {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Say it."}],
        "temperature": 0.7,
        "top_p": 0.5,
        "presence_penalty": 2.0,
        "stop": ("\n\n", "16."),
        "seed": 5,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
        },
    }


def test_completions() -> None:
    assert OPEN.url("completion") == "http://a/v1/completions"
    body = OPEN.body(question(form="completion", sampling=Sampling(), seed=None))
    assert body == {"model": "m", "max_tokens": 9, "prompt": "Say it."}
    said = {
        "choices": [{"text": " It.", "finish_reason": "length"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 1},
    }
    assert OPEN.read(said) == Answer(" It.", 2, 1, finish_reason="length")


def test_messages_take_nothing_but_where_to_stop() -> None:
    assert CLAUDE.body(question()) == {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Say it."}],
        "stop_sequences": ["\n\n", "16."],
    }
    assert CLAUDE.settings(SAMPLING) != CLAUDE.settings(Sampling())
    assert CLAUDE.settings(Sampling(temperature=0.3)) == CLAUDE.settings(Sampling()), (
        "what is not sent names nothing"
    )
    with pytest.raises(ConfigError, match="only understands chat"):
        CLAUDE.check_form("completion", "generate.form")


@pytest.mark.parametrize(
    ("why", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("refusal", "refusal"),
        (None, None),
        (7, None),
    ],
)
def test_why_an_answer_ended_in_one_vocabulary(why: Any, finish_reason: str | None) -> None:
    said = {"content": [{"type": "text", "text": "It."}], "stop_reason": why}
    assert CLAUDE.read(said).finish_reason == finish_reason


@pytest.mark.parametrize(
    "changes",
    [{"temperature": -1.0}, {"top_p": 0.0}, {"top_k": 0}, {"repetition_penalty": 0.0}, {"stop": ("",)}],
)
def test_sampling_that_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        Sampling(**changes)
