"""Teacher: a model behind Anthropic's Messages API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ablate.label.api import Api, usage_of
from ablate.label.teacher import Answer

VERSION = "2026-10-21"
"""Of the interface; from this one on it takes no temperature."""


@dataclass(frozen=True, kw_only=True)
class Anthropic(Api):
    """Posts to `<base_url>/v1/messages`; the key comes from ANTHROPIC_API_KEY."""

    name: ClassVar[str] = "anthropic"
    base_url: str = "https://api.anthropic.com"
    key_variable: str | None = "ANTHROPIC_API_KEY"

    @property
    def url(self) -> str:
        """Of the Messages API."""
        return f"{self.base_url.rstrip('/')}/v1/messages"

    def headers(self, key: str) -> dict[str, str]:
        """Version of the interface, and the key."""
        return {"anthropic-version": VERSION} | ({"authorization": f"Bearer {key}"} if key else {})

    def read(self, said: Any) -> Answer:
        """The text blocks, one after another; thinking is not among them."""
        blocks = [block["text"] for block in said["content"] if block["type"] == "text"]
        usage = usage_of(said)
        return Answer("".join(blocks), usage.get("input_tokens"), usage.get("output_tokens"))
