"""Teachers behind an HTTP interface; each says its address, its headers, its body and how it answers."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Event
from typing import Any

from ablate.errors import AblateError
from ablate.plain import Plain
from ablate.teacher.base import Model
from ablate.teacher.http import post
from ablate.teacher.question import Answer, Form, Question, Sampling


@dataclass(frozen=True, kw_only=True)
class Api(Model):
    """A model served over HTTP.

    Attributes:
        base_url: address up to where the paths of the interface begin.
        key_variable: environment variable that holds the key; null for a server that wants none.
        extra: further fields of the request; null takes a field out.
        timeout_s: longest wait for a connection, and longest silence in an answer, in seconds; a whole attempt takes
            twice that at most.
        retries: attempts after the first one fails.
        wait_s: pause before the second attempt, doubled with each further one.
    """

    base_url: str
    key_variable: str | None
    extra: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = 120.0
    retries: int = 6
    wait_s: float = 1.0
    concurrency: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch != 1:
            raise ValueError(
                f"batch must be 1 for a server, which is asked one question at a time, got {self.batch}"
            )
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s must be above 0, got {self.timeout_s}")
        for name in ("retries", "wait_s"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")

    @abstractmethod
    def url(self, form: Form = "chat") -> str:
        """Where questions of a form go."""

    @abstractmethod
    def headers(self, key: str) -> dict[str, str]:
        """With the key, which is "" where none is wanted."""

    @abstractmethod
    def read(self, said: Any) -> Answer:
        """The answer in the server's JSON; raises KeyError, IndexError, TypeError or ValueError on any other."""

    def settings(self, sampling: Sampling) -> dict[str, Plain]:
        """The server, sampling and further fields: two servers may call different models by one name."""
        return {"server": self.url(), **super().settings(sampling), "extra": dict(self.extra)}

    def fields(self, question: Question) -> dict[str, Any]:
        """Fields of the request beside model, length and text."""
        return {name: value for name, value in question.sampling.given().items() if name in self.takes}

    def body(self, question: Question) -> dict[str, Any]:
        """The request."""
        text: dict[str, Any] = {"prompt": question.text}
        if question.form == "chat":
            text = {"messages": [{"role": "user", "content": question.text}]}
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": question.max_tokens,
            **text,
            **self.fields(question),
            **self.extra,
        }
        return {name: value for name, value in body.items() if value is not None}

    def check(self) -> None:
        """The key must be there."""
        self._key()

    def stop(self) -> None:
        """No further attempts."""
        self._stop.set()

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """One request for each question."""
        return [self._ask(question) for question in questions]

    def _ask(self, question: Question) -> Answer:
        answer, lost = post(
            self.url(question.form),
            self.headers(self._key()),
            self.body(question),
            self.read,
            timeout_s=self.timeout_s,
            retries=self.retries,
            wait_s=self.wait_s,
            stop=self._stop,
            secret=self._key(),
        )
        return replace(answer, lost=lost)

    @cached_property
    def _stop(self) -> Event:
        return Event()

    def _key(self) -> str:
        if self.key_variable is None:
            return ""
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise AblateError(
                f"{self.name}: no key. Set the environment variable {self.key_variable}, "
                f"e.g. export {self.key_variable}=..., and run the same command again"
            )
        if not (key.isascii() and key.isprintable()):
            raise AblateError(
                f"{self.name}: the key in {self.key_variable} holds characters that no key has, such as a line end; "
                "set it again"
            )
        return key


def usage_of(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an answer says was charged for; nothing where it says that in no known form."""
    usage = said.get("usage")
    return usage if isinstance(usage, Mapping) else {}
