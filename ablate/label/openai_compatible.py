"""Teacher: a model behind the chat completions interface that many servers speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ablate.label.api import Api, usage_of
from ablate.label.teacher import Answer


@dataclass(frozen=True, kw_only=True)
class OpenAICompatible(Api):
    """Posts to `<base_url>/chat/completions`: OpenAI, vLLM, llama.cpp, Ollama and others.

    Attributes:
        temperature: 0 for the likeliest answer; null where the model does not let one choose.
    """

    name: ClassVar[str] = "openai_compatible"
    base_url: str = "http://localhost:8000/v1"
    key_variable: str | None = None
    temperature: float | None = 0.0

    @property
    def url(self) -> str:
        """Of chat completions."""
        return f"{self.base_url.rstrip('/')}/chat/completions"

    def headers(self, key: str) -> dict[str, str]:
        """The key as a bearer token."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def sampling(self) -> dict[str, Any]:
        """The temperature."""
        return {"temperature": self.temperature}

    def read(self, said: Any) -> Answer:
        """The first choice's text; none at all, as of a model that refuses, is an answer without a score."""
        text = said["choices"][0]["message"]["content"]
        if text is not None and not isinstance(text, str):
            raise TypeError(f"content is {type(text).__name__}")
        usage = usage_of(said)
        return Answer(text or "", usage.get("prompt_tokens"), usage.get("completion_tokens"))
