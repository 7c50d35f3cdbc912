"""What is wrong with a YAML file of the user's, said with file, line and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

SURPRISING = (
    (re.compile(r"[-+]?0[0-7_]+$"), "an octal number", "without the leading 0"),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?$"),
        "a number of base 60",
        "as the number it is",
    ),
)
"""Plain scalars that YAML 1.1 reads as another number than they look like."""


def describe(error: Exception, files: Iterable[Path]) -> str | None:
    """One line about an error of reading YAML; None when it is about something else.

    Args:
        error: what reading raised.
        files: where to look for the file that is meant, where the error does not say.
    """
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = f"{mark.name}, line {mark.line + 1}" if mark else "a YAML file"
        return f"{place}: {_advice(str(error.problem or error.context), mark)}"
    if isinstance(error, (UnicodeError, yaml.YAMLError)):
        for path in [Path(error.name)] if isinstance(error, yaml.reader.ReaderError) else files:
            if said := _unreadable(path):
                return said
    if isinstance(error, RecursionError):
        return "a YAML file is nested too deeply, or an interpolation ${...} leads back to itself"
    return str(error) if isinstance(error, yaml.YAMLError) else None


def _advice(problem: str, mark: yaml.Mark | None) -> str:
    line = _line(mark)
    if "\\t" in problem:
        return "a tab; YAML is indented with blanks only"
    if "duplicate key" in problem:
        return f"{problem.replace('found ', '')} stands twice in this mapping; keep one of the two"
    if "mapping values are not allowed" in problem:
        return f'a colon in a text without quotes: {line}; write the text in quotes, title: "A: B"'
    if "scanning a quoted scalar" in problem or "unexpected end of stream" in problem:
        return "a quote is opened here or above and never closed"
    return f"not YAML: {problem}{f', at: {line}' if line else ''}"


def _line(mark: yaml.Mark | None) -> str:
    """The line that a mark points to, from its file."""
    try:
        lines = Path(mark.name).read_text(encoding="utf-8").split("\n") if mark else []
        return lines[mark.line].strip()[:120] if mark and mark.line < len(lines) else ""
    except (OSError, ValueError):
        return ""


def _unreadable(path: Path) -> str | None:
    try:
        raw = path.read_bytes()
        raw.decode("utf-8-sig")
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return (
            f"{path}, line {line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8 "
            "(it is probably Latin-1 or Windows-1252)"
        )
    try:
        yaml.compose(raw.decode("utf-8-sig"))
    except yaml.reader.ReaderError as error:
        line = raw.decode("utf-8-sig")[: error.position].count("\n") + 1
        return (
            f"{path}, line {line}: the character {chr(error.character)!r} may not stand in YAML; take it out"
        )
    except (yaml.YAMLError, RecursionError):
        return None
    return None


def surprises(path: Path) -> Iterator[str]:
    """Numbers of a file that YAML 1.1 reads as other ones than they look like: 010 is 8, 1:30 is 90."""
    for node in _scalars(yaml.compose(path.read_text(encoding="utf-8-sig"))):
        if node.style is not None or not node.tag.endswith((":int", ":float")):
            continue
        for pattern, what, better in SURPRISING:
            if pattern.match(node.value):
                yield (
                    f"{path}, line {node.start_mark.line + 1}: {node.value} is {what} to YAML; write it {better}, "
                    f"or in quotes where text is meant: '{node.value}'"
                )


def _scalars(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    todo, seen = [node], set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield node
        elif isinstance(node, yaml.SequenceNode):
            todo += reversed(node.value)
        elif isinstance(node, yaml.MappingNode):
            todo += [one for pair in reversed(node.value) for one in reversed(pair)]
