"""Stages of other libraries: their classes, as they are, each in a process of its own and in its own interpreter.

What a class says of a text is measured once, as for every other stage; `foreign_worker.py` is the other end of the pipe.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ablate.errors import ConfigError, DocumentError
from ablate.fingerprint import NOT_IDENTITY, canonical_json, file_digest, file_stamp
from ablate.plain import Plain
from ablate.stages.base import Filter, Step, Table, Transform, Verdict
from ablate.stages.user_function import SAMPLE

WORKER = Path(__file__).with_name("foreign_worker.py")
PROTOCOL = 1
GIVES = {"keep": "filter", "keep_and_text": "filter", "text": "formatter"}
"""What a stage is asked for -> the kind of class that gives it."""
ADDRESSES = ("https://example.com/a", "https://www.example.org/b?c=1", "http://192.0.2.1/")
"""Of the column `url`, what `SAMPLE` is of texts."""
START_S = 300.0
"""Wall time to import a library, load its models and answer about a few texts."""
AGAIN = 4
"""Texts of each batch that are asked about a second time."""
REASON_BYTES = 64
MOST_REASONS = 126


@dataclass(frozen=True)
class Answer:
    """What a class says of a text.

    Attributes:
        keep: whether it keeps the document.
        reason: why not, as it calls that.
        text: what it makes of the text; None where that stays.
    """

    keep: bool
    reason: str | None
    text: str | None


@dataclass(frozen=True)
class Asked:
    """What a process is started for.

    Attributes:
        library: whose interface the class has.
        class_path: `package.module.Name`, or `path/to/file.py:Name`.
        init_args: canonical JSON of its arguments.
        column: "text", or "url": what texts are.
        python: the interpreter; None for this one.
        seed: of `hash()`; None for the environment's.
    """

    library: str
    class_path: str
    init_args: str
    column: str
    python: str | None
    seed: str | None = None

    @property
    def name(self) -> str:
        """Of the class, for messages."""
        return self.class_path.rpartition(":")[2].rpartition(".")[2]


# The process ------------------------------------------------------------------------------------------------

_elsewhere_s = 0.0


def cpu_elsewhere() -> float:
    """Return processor seconds that processes of foreign classes have spent on this process's texts."""
    return _elsewhere_s


class ForeignProcess:
    """A class at work in another process.

    Attributes:
        kind: "filter" or "formatter".
        versions: of what the class loads, and of Python.
        source: digest of its source.
        answers: to `SAMPLE`, in words.
    """

    def __init__(self, asked: Asked) -> None:
        """Start it.

        Raises:
            ConfigError: when the interpreter or the class cannot be loaded; names the key.
        """
        self.asked = asked
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `stop`
        self._last_words = "it said nothing"
        environment = dict(os.environ) | ({} if asked.seed is None else {"PYTHONHASHSEED": asked.seed})
        if asked.python is None:
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        try:
            self._process = subprocess.Popen(
                [asked.python or sys.executable, str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=environment,
            )
        except OSError as error:
            self._said.close()
            raise ConfigError(
                f"python: {asked.python} cannot be started ({error.strerror or error}); give the interpreter of an "
                f"environment that has {asked.library}, such as path/to/venv/bin/python"
            ) from error
        self._unread = b""
        texts = SAMPLE if asked.column == "text" else ADDRESSES
        self._write(
            {
                "protocol": PROTOCOL,
                "library": asked.library,
                "class_path": asked.class_path,
                "init_args": json.loads(asked.init_args),
                "column": asked.column,
                "texts": texts,
            }
        )
        hello = self._read(START_S)
        if hello is None:
            self.stop()
            raise ConfigError(
                f"class_path: the process of {asked.class_path} ended, or did not answer within {START_S:g} s: {self._last_words}"
            )
        if hello["protocol"] != PROTOCOL or "error" in hello:
            self.stop()
            wanted = (
                " (init_args must be the arguments of the class)" if "TypeError" in hello["error"] else ""
            )
            absent = (
                "" if asked.python else "; give the interpreter that has it: python=path/to/venv/bin/python"
            )
            raise ConfigError(
                f"class_path: {asked.class_path} cannot be made: {hello['error']}{wanted}"
                + (absent if "ModuleNotFoundError" in hello["error"] else "")
            )
        self.kind: str = hello["kind"]
        self.versions: dict[str, str] = hello["versions"] | {"python": hello["python"]}
        self.source: str = hello["source"]
        self.answers = [
            {key: value for key, value in answer.items() if key != "cpu_s"} for answer in hello["answers"]
        ]
        self.stamps = {file: file_stamp(file) for file in hello["files"] if Path(file).is_file()}

    def changed(self) -> bool:
        """Tell whether the class's files are others than those that were loaded, or the process has ended."""
        return self._process.poll() is not None or any(
            not Path(file).is_file() or file_stamp(file) != stamp for file, stamp in self.stamps.items()
        )

    def ask(self, texts: Sequence[str], document_s: float) -> list[Answer]:
        """Return what the class says of each text.

        Args:
            document_s: wall time that one text may take.
        Raises:
            DocumentError: for an exception, a process that ends, a text that takes too long.
        """
        return list(self._ask(texts, document_s))

    def _ask(self, texts: Sequence[str], document_s: float) -> Iterator[Answer]:
        global _elsewhere_s
        if not texts:
            return
        self._write(list(texts))
        for position, text in enumerate(texts):
            line = self._read(document_s)
            of = f"of the text that begins {text[:40]!r}"
            if line is None:
                hangs = self._process.poll() is None
                self.stop()
                raise DocumentError(
                    position,
                    f"{self.asked.name} gave no answer within {document_s:g} s, {of}; give it longer: document_s"
                    if hangs
                    else f"the process of {self.asked.name} ended ({self._end()}), {of}: {self._last_words}",
                )
            _elsewhere_s += line["cpu_s"]
            if "error" in line:
                raise DocumentError(position, f"{self.asked.name} raised {line['error']}, {of}")
            yield Answer(line["keep"], line["reason"], line["text"])

    def stop(self) -> None:
        """End it; what it said last is kept."""
        if self._said.closed:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                assert pipe is not None
                pipe.close()
        with self._said:
            self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - 2_000))
            if lines := self._said.read().decode(errors="replace").strip().splitlines():
                self._last_words = lines[-1]

    def _end(self) -> str:
        code = self._process.returncode
        return f"signal {-code}" if code < 0 else f"status {code}"

    def _write(self, line: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and the read says so

    def _read(self, seconds: float) -> dict[str, Any] | None:
        """The next line; None at the end, and after so many seconds without one."""
        assert self._process.stdout is not None
        pipe, end = self._process.stdout.fileno(), time.monotonic() + seconds
        parts = [self._unread]
        while b"\n" not in parts[-1]:
            ready, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
            if not ready or not (some := os.read(pipe, 1 << 20)):
                if ready:  # its end of the pipe is closed: it has ended, or is about to
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(timeout=seconds)
                return None
            parts.append(some)
        line, _, self._unread = b"".join(parts).partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


_running: dict[tuple[int, Asked], ForeignProcess] = {}


def running(asked: Asked) -> ForeignProcess:
    """Return the process of a class; start it where there is none, or where the class's file has changed since."""
    key = os.getpid(), asked  # a fork has its parent's, and must not speak to them
    process = _running.get(key)
    if process is not None and process.changed():
        process.stop()
        process = None
    if process is None:
        process = _running[key] = ForeignProcess(asked)
    return process


@atexit.register
def _stop_all() -> None:
    for (pid, _), process in _running.items():
        if pid == os.getpid():
            process.stop()


@lru_cache(maxsize=64)
def _answers_elsewhere(asked: Asked, _: str) -> list[dict[str, Any]]:
    process = ForeignProcess(asked)
    process.stop()
    return process.answers


# The stage --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Foreign(Filter):
    """Keep documents, or rewrite them, as a class of another library does.

    The class must say the same of the same text whenever and wherever it is asked; some texts of each batch are given to
    it twice. Its identity is its import path, its arguments (of a file, the content), the source of its package and the
    versions of all that it loads.

    Attributes:
        class_path: `package.module.Name`, or `path/to/file.py:Name`.
        init_args: arguments of the class, by name.
        gives: "keep" (a filter), "text" (a formatter), or "keep_and_text" (a filter that rewrites what it keeps).
        column: what it is given: the "text", or the "url" as metadata.
        python: the interpreter of an environment that has the library; null for this one.
        document_s: wall time that one document may take.
    """

    library: ClassVar[str]
    class_path: str | None = None
    init_args: Mapping[str, Any] = field(default_factory=dict)
    gives: str = "keep"
    column: str = "text"
    python: str | None = field(default=None, metadata=NOT_IDENTITY)
    document_s: float = field(default=60.0, metadata=NOT_IDENTITY)

    def __post_init__(self) -> None:
        if self.gives not in GIVES:
            raise ValueError(f"gives must be one of {', '.join(GIVES)}, got {self.gives!r}")
        if self.column not in ("text", "url"):
            raise ValueError(f"column must be text or url, got {self.column!r}")
        if self.column == "url" and self.gives != "keep":
            raise ValueError("column: what reads addresses leaves texts alone; give gives=keep")
        if self.document_s <= 0:
            raise ValueError(f"document_s must be above 0, got {self.document_s}")

    @property
    def reads(self) -> str:  # type: ignore[override]  # of a class elsewhere; here it depends on the column
        """The pool's column."""
        return self.column

    def check(self) -> None:
        """Require that the class can be made, is of the kind that `gives` says, and says the same twice and in another process."""
        process = self._process()
        name = self.class_path
        if process.kind != GIVES[self.gives]:
            wanted = "text" if process.kind == "formatter" else "keep"
            raise ConfigError(f"gives: {name} is a {process.kind}, so gives={wanted}; got {self.gives!r}")
        errors = [answer["error"] for answer in process.answers if "error" in answer]
        if len(errors) == len(process.answers):
            raise ConfigError(f"class_path: {name} fails whatever it is given: {errors[0]}")
        seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
        elsewhere = _answers_elsewhere(dataclasses.replace(process.asked, seed=seed), process.source)
        for answer, other in zip(process.answers, elsewhere, strict=True):
            if answer != other:
                raise ConfigError(
                    f"class_path: {name} is not deterministic: it gave {answer}, and in another process {other}. "
                    "What it gives must depend on the text alone: no random numbers, clock, or hash() of a text"
                )

    def parameters(self) -> dict[str, Plain]:
        """Name the class by its name and source, files among its arguments by their content."""
        source = self._process().source
        assert self.class_path is not None
        _, colon, name = self.class_path.rpartition(":")
        return {
            "class_path": name if colon else self.class_path,
            "source": source,
            "init_args": _by_content(dict(self.init_args)),
            "gives": self.gives,
            "column": self.column,
        }

    def versions(self) -> dict[str, str]:
        """Return versions of Python and of all distributions that the class loads."""
        return self._process().versions

    def steps(self) -> tuple[Step, ...]:
        """Return a filter, a transform, or both in this order: what is kept is judged by the text that came in."""
        rewrite = ForeignText(stage=self)
        if self.gives == "text":
            return (rewrite,)
        return (self,) if self.gives == "keep" else (self, rewrite)

    def removes_documents(self) -> bool:
        """Tell whether it drops documents: a formatter does not."""
        return self.gives != "text"

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill columns `keep`, bool, and `reason`, shape (n, 64), uint8: UTF-8, filled up with zeros."""
        reasons = np.zeros((len(texts), REASON_BYTES), dtype=np.uint8)
        answers = self.answers(texts)
        for position, answer in enumerate(answers):
            if answer.keep and answer.text is not None and self.gives == "keep":
                raise DocumentError(
                    position,
                    f"{self.class_path} changed the text {texts[position][:40]!r}; give gives=keep_and_text",
                )
            if not answer.keep:
                said = (answer.reason or "dropped").replace("\0", "").encode(errors="replace")[:REASON_BYTES]
                reasons[position, : len(said)] = np.frombuffer(said, dtype=np.uint8)
        return {"keep": np.array([answer.keep for answer in answers], dtype=bool), "reason": reasons}

    def decide(self, measured: Table) -> Verdict:
        """Drop for the class's own reasons, in order of the alphabet; `dropped` where it gives none."""
        keep = np.asarray(measured["keep"], dtype=bool)
        rows, number = np.unique(measured["reason"][~keep], axis=0, return_inverse=True)
        code = np.zeros(keep.size, dtype=np.int8)
        code[~keep] = np.minimum(number.reshape(-1), MOST_REASONS) + 1
        names = [bytes(row).rstrip(b"\0").decode(errors="ignore") for row in rows]
        if len(names) > MOST_REASONS:
            names = [*names[:MOST_REASONS], "others"]
        return Verdict(code, tuple(names) or ("dropped",))

    def answers(self, texts: Sequence[str]) -> list[Answer]:
        """Return what the class says of each text; some are asked about again, the last first.

        Raises:
            DocumentError: see `ForeignProcess.ask`; and for a second answer that differs from the first.
        """
        again = range(0, len(texts), max(1, len(texts) // AGAIN))[::-1]
        try:
            said = self._process().ask([*texts, *(texts[place] for place in again)], self.document_s)
        except DocumentError as error:
            if error.position < len(texts):
                raise
            raise DocumentError(again[error.position - len(texts)], f"at a second call: {error}") from error
        for place, other in zip(again, said[len(texts) :], strict=True):
            if said[place] != other:
                raise DocumentError(
                    place,
                    f"{self.class_path} is not deterministic: it gave {said[place]}, and of the same text {other}. "
                    "What it gives must depend on the text alone: no random numbers, clock, or memory of other texts",
                )
        return said[: len(texts)]

    def _process(self) -> ForeignProcess:
        if self.class_path is None:
            raise ConfigError(
                f"class_path: none is given; name a class of {self.library}, or path/to/file.py:Name"
            )
        arguments = canonical_json(dict(self.init_args))
        return running(Asked(self.library, self.class_path, arguments, self.column, self.python))


@dataclass(frozen=True, kw_only=True)
class ForeignText(Transform):
    """The transform of `Foreign`; a document that the class drops stays as it is."""

    name: ClassVar[str] = "foreign_text"
    stage: Foreign

    def parameters(self) -> dict[str, Plain]:
        """Return those of the stage, and whose they are."""
        return {"library": self.stage.library, **self.stage.parameters()}

    def versions(self) -> dict[str, str]:
        """Return those of the stage."""
        return self.stage.versions()

    def transform_many(self, texts: Sequence[str]) -> list[str]:
        """Return what the class makes of each."""
        made = []
        for position, (text, answer) in enumerate(zip(texts, self.stage.answers(texts), strict=True)):
            new = text if answer.text is None or not answer.keep else answer.text
            try:
                new.encode()
            except UnicodeEncodeError:
                said = f"{self.stage.class_path} gave a text that UTF-8 cannot hold (a lone surrogate)"
                raise DocumentError(position, said) from None
            made.append(new)
        return made


def _by_content(value: Any) -> Any:
    """The value with files named by their digests."""
    if isinstance(value, Mapping):
        return {key: _by_content(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_by_content(one) for one in value]
    if isinstance(value, str) and os.sep in value and Path(value).is_file():
        return {"file": file_digest(value)}
    return value
