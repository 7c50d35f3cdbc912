"""Teacher: a model behind the interface of chat completions and completions that many servers speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ablate.plain import Plain
from ablate.teacher.api import Api, usage_of
from ablate.teacher.question import Answer, Form, Question, Sampling


@dataclass(frozen=True, kw_only=True)
class OpenAICompatible(Api):
    """Posts to `<base_url>/chat/completions` or `<base_url>/completions`: OpenAI, vLLM, SGLang, llama.cpp, Ollama.

    `top_k` and `repetition_penalty` are words of the servers that run open models; they are only sent when given.
    """

    name: ClassVar[str] = "openai_compatible"
    takes: ClassVar[tuple[str, ...]] = (
        "temperature", "top_p", "top_k", "presence_penalty", "repetition_penalty", "stop",
    )  # fmt: skip
    forms: ClassVar[tuple[Form, ...]] = ("chat", "completion")
    base_url: str = "http://localhost:8000/v1"
    key_variable: str | None = None

    def url(self, form: Form = "chat") -> str:
        """Of chat completions, or of completions."""
        return f"{self.base_url.rstrip('/')}/{'chat/' if form == 'chat' else ''}completions"

    def headers(self, key: str) -> dict[str, str]:
        """The key as a bearer token."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def settings(self, sampling: Sampling) -> dict[str, Plain]:
        """As every server's; a temperature that is left to the model is said too."""
        return {"temperature": sampling.temperature, **super().settings(sampling)}

    def fields(self, question: Question) -> dict[str, Any]:
        """Sampling, the seed, and the schema that the answer must fit."""
        fields = super().fields(question) | ({} if question.seed is None else {"seed": question.seed})
        if question.schema is not None:
            shape = {"name": "answer", "strict": True, "schema": dict(question.schema)}
            fields["response_format"] = {"type": "json_schema", "json_schema": shape}
        return fields

    def read(self, said: Any) -> Answer:
        """The first choice's text; none at all, as of a model that refuses, is an empty answer."""
        choice = said["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        if text is not None and not isinstance(text, str):
            raise TypeError(f"content is {type(text).__name__}")
        usage = usage_of(said)
        return Answer(
            text or "",
            usage.get("prompt_tokens"),
            usage.get("completion_tokens"),
            finish_reason=choice.get("finish_reason"),
        )
