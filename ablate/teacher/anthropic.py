"""Teacher: a model behind Anthropic's Messages API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ablate.teacher.api import Api, usage_of
from ablate.teacher.question import LENGTH, STOP, Answer, Form, Question

VERSION = "2026-10-21"
"""Of the interface; from this one on it takes no temperature."""
REASONS = {"end_turn": STOP, "stop_sequence": STOP, "max_tokens": LENGTH}
"""The interface's words for why an answer ended -> ours; it has others, such as refusal."""


@dataclass(frozen=True, kw_only=True)
class Anthropic(Api):
    """Posts to `<base_url>/v1/messages`; the key comes from ANTHROPIC_API_KEY."""

    name: ClassVar[str] = "anthropic"
    takes: ClassVar[tuple[str, ...]] = ("stop",)
    base_url: str = "https://api.anthropic.com"
    key_variable: str | None = "ANTHROPIC_API_KEY"

    def url(self, form: Form = "chat") -> str:
        """Of the Messages API."""
        return f"{self.base_url.rstrip('/')}/v1/messages"

    def headers(self, key: str) -> dict[str, str]:
        """Version of the interface, and the key."""
        return {"anthropic-version": VERSION} | ({"authorization": f"Bearer {key}"} if key else {})

    def fields(self, question: Question) -> dict[str, Any]:
        """What ends an answer, under the interface's own name; it takes nothing else of sampling."""
        return {"stop_sequences": list(question.sampling.stop)} if question.sampling.stop else {}

    def read(self, said: Any) -> Answer:
        """The text blocks, one after another; thinking is not among them."""
        blocks = [block["text"] for block in said["content"] if block["type"] == "text"]
        usage = usage_of(said)
        why = said.get("stop_reason")
        why = why if isinstance(why, str) else None
        return Answer(
            "".join(blocks),
            usage.get("input_tokens"),
            usage.get("output_tokens"),
            finish_reason=REASONS.get(why or "", why),
        )
