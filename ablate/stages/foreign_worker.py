"""The other end of the pipe: one filter or formatter of another library, asked about texts, in its own interpreter.

    /path/to/venv/bin/python foreign_worker.py

It imports nothing of this package, so that it runs in any environment with Python 3.10. The protocol is lines of JSON.
The first line in names the protocol's version, the library, the class, its arguments and some texts; the first line out
says what was loaded. Each further line in is a list of texts; out comes a line for each of them, in their order, so that
whoever reads knows which text a crash or a hang belongs to:

    {"keep": true, "reason": null, "text": null, "cpu_s": 0.001}    text: null where it stayed as it was
    {"error": "ValueError: ...", "cpu_s": 0.001}                    the other texts of the line are left out

The process ends with its standard input. What a class prints goes to standard error.
"""

from __future__ import annotations

import sys

sys.path.pop(0)  # this file's folder, whose modules have the names of libraries (regex, fasttext)

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROTOCOL = 1
Answer = dict[str, Any]
Ask = Callable[[str], Answer]
FREE = {"pip", "setuptools", "wheel", "numpy", "scipy", "pyarrow"}
"""Distributions whose version names nothing: of installers, and of arithmetic, as for every other stage."""


def find(class_path: str) -> type:
    """Find a class by `package.module.Name` or `path/to/file.py:Name`."""
    where, colon, name = class_path.rpartition(":")
    if colon:
        spec = importlib.util.spec_from_file_location("ablate_foreign_class", where)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    else:
        where, _, name = class_path.rpartition(".")
        module = importlib.import_module(where)
    found = getattr(module, name)
    if not isinstance(found, type):
        raise TypeError(f"{class_path} is no class")
    return found


def arguments(cls: type, given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments, with tuples where the signature wants those alone: JSON has no tuples."""
    parameters = inspect.signature(cls).parameters
    made = {}
    for name, value in given.items():
        hint = str(parameters[name].annotation) if name in parameters else ""
        made[name] = as_tuple(value) if "tuple" in hint and "list" not in hint else value
    return made


def as_tuple(value: Any) -> Any:
    """Return a list, and the lists in it, as tuples."""
    return tuple(map(as_tuple, value)) if isinstance(value, list) else value


def datatrove(cls: type, given: dict[str, Any], column: str) -> tuple[str, Ask]:
    """Return a filter's verdict and the text it leaves, or a formatter's text."""
    made = cls(**arguments(cls, given))
    if hasattr(made, "filter"):
        document_of = document_class()

        def judge(text: str) -> Answer:
            in_text = column == "text"
            before, metadata = (text, {}) if in_text else ("", {column: text})
            document = document_of(text=before, id="", metadata=metadata)
            said = made.filter(document)
            keep, reason = said if isinstance(said, tuple) else (said, None)
            answer = rewritten(before, document.text)
            return answer | {"keep": bool(keep), "reason": None if keep or reason is None else str(reason)}

        return "filter", judge
    if hasattr(made, "format"):
        return "formatter", lambda text: rewritten(text, made.format(text))
    raise TypeError(
        f"{cls.__name__} has neither filter nor format; readers, writers and deduplication are no stages here"
    )


@dataclass
class Document:
    """What datatrove's document holds, for a class of the user's that has its interface and does not need it."""

    text: str
    id: str
    media: list[Any] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


def document_class() -> Callable[..., Any]:
    """Return datatrove's document where datatrove is installed."""
    try:
        found: Callable[..., Any] = importlib.import_module("datatrove.data").Document
    except ModuleNotFoundError:
        return Document
    return found


def rewritten(before: str, after: Any) -> Answer:
    """Return the answer of what rewrites texts."""
    if not isinstance(after, str):
        raise TypeError(f"expected a text, got {after!r:.60}")
    return {"keep": True, "reason": None, "text": None if after == before else after}


def data_juicer(cls: type, given: dict[str, Any], column: str) -> tuple[str, Ask]:
    """Return a filter's verdict by the statistics that it computes, or a mapper's text; one text at a time, as a batch of one.

    The operators' own methods are called, not the wrappers around them, which would hide an exception.
    """
    made = cls(**arguments(cls, given))
    if column != "text":
        raise TypeError("operators of Data-Juicer are given texts: column=text")
    stats = "__dj__stats__"

    def judge(text: str) -> Answer:
        measured = made.compute_stats_batched({made.text_key: [text], stats: [{}]})
        (keep,) = list(made.process_batched(measured))
        return rewritten(text, measured[made.text_key][0]) | {"keep": bool(keep)}

    def rewrite(text: str) -> Answer:
        (after,) = made.process_batched({made.text_key: [text]})[made.text_key]
        return rewritten(text, after)

    if hasattr(made, "compute_stats_batched"):
        return "filter", judge
    if hasattr(made, "process_batched"):
        return "formatter", rewrite
    raise TypeError(
        f"{cls.__name__} is neither a filter nor a mapper; deduplicators and selectors are no stages here"
    )


LIBRARIES = {"datatrove": datatrove, "data_juicer": data_juicer}


def loaded() -> dict[str, str]:
    """Map each distribution imported so far to its version."""
    owners = importlib.metadata.packages_distributions()
    tops = {name.partition(".")[0] for name in list(sys.modules)} - set(sys.stdlib_module_names)
    names = {owner for top in tops for owner in owners.get(top, ())}
    found = {name.lower().replace("_", "-"): importlib.metadata.version(name) for name in names}
    return {name: version.partition("+")[0] for name, version in sorted(found.items()) if name not in FREE}


def sources(cls: type) -> tuple[list[str], str]:
    """Return files that the class and its bases stand in, and a digest of their packages' Python files.

    A file that stands alone counts by itself; of a package, all files do, since a class calls functions of others.
    """
    files = []
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] not in sys.stdlib_module_names:
            files.append(inspect.getfile(base))
    parts = {}
    for base in cls.__mro__:
        top = base.__module__.partition(".")[0]
        if top in sys.stdlib_module_names:
            continue
        folders = list(getattr(sys.modules[top], "__path__", ()))
        for folder in folders:
            for file in sorted(Path(folder).rglob("*.py")):
                parts[f"{top}/{file.relative_to(folder).as_posix()}"] = file
        if not folders:
            parts[top] = Path(inspect.getfile(base))
    total = hashlib.blake2b(digest_size=16)
    for name, file in sorted(parts.items()):
        total.update(f"{name}\0{hashlib.blake2b(file.read_bytes()).hexdigest()}\0".encode())
    return files, total.hexdigest()


def said(error: BaseException, file: str | None) -> str:
    """Return an exception in one line, with the last line of the class's own file that it passed."""
    lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == file]
    where = f", line {lines[-1]} of {Path(file).name}" if lines and file else ""
    return f"{type(error).__name__}: {error}{where}".replace("\n", " ")


def one(ask: Ask, text: str, file: str) -> Answer:
    """Return the answer to one text; an exception is an answer, too."""
    begin = time.process_time()
    try:
        answer = ask(text)
    except (Exception, SystemExit) as error:
        answer = {"error": said(error, file)}
    return answer | {"cpu_s": time.process_time() - begin}


def main() -> None:
    """Speak the protocol until standard input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def tell(line: Answer) -> None:
        out.write(json.dumps(line) + "\n")
        out.flush()

    asked = json.loads(sys.stdin.readline())
    if asked["protocol"] != PROTOCOL:
        tell({"protocol": PROTOCOL, "error": f"protocol {PROTOCOL} is spoken here, not {asked['protocol']}"})
        return
    file = None
    try:
        cls = find(asked["class_path"])
        file = inspect.getfile(cls)
        kind, ask = LIBRARIES[asked["library"]](cls, asked["init_args"], asked["column"])
        answers = [one(ask, text, file) for text in asked["texts"]]
        files, source = sources(cls)
        tell(
            {
                "protocol": PROTOCOL,
                "kind": kind,
                "answers": answers,
                "versions": loaded(),
                "files": files,
                "source": source,
                "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            }
        )
    except (Exception, SystemExit) as error:
        tell({"protocol": PROTOCOL, "error": said(error, file)})
        return
    for line in sys.stdin:
        for text in json.loads(line):
            answer = one(ask, text, file)
            tell(answer)
            if "error" in answer:
                break


if __name__ == "__main__":
    main()
