"""Reference pages, made from the code: commands from their help, configuration from conf/ and settings, Python from docstrings."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import inspect
import io
import re
import textwrap
import typing
from pathlib import Path

import yaml

from ablate import settings
from ablate.cli import _module as module_of
from ablate.cli import commands, main
from ablate.commands.inspect import views
from ablate.config import CONF
from ablate.summary.frames import COLUMNS

ROOT = Path(__file__).parents[2]
READING = (
    "ablate",
    "ablate.opened.study",
    "ablate.literature.source",
    "ablate.tables.model",
    "ablate.errors",
)
"""What reading results in Python meets: the three functions, and what they return and raise."""


def help_of(*words: str) -> str:
    """Return what `ablate WORDS --help` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        status = main([*words, "--help"])
    if status:
        raise RuntimeError(f"ablate {' '.join(words)} --help ended with status {status}")
    return printed.getvalue()


def command_page() -> str:
    """Return the page of all commands and views: what `ablate COMMAND --help` prints, what all share once at its end."""
    text = [
        "# Reference of commands",
        "",
        "Printed by `ablate COMMAND --help`. With examples: [commands](../docs/commands.md).",
        "",
    ]
    for command, *view in [[name] for name in commands()] + [["inspect", view] for view in views()]:
        said = (module_of(command, view)[0].__doc__ or "").strip()
        head, _, rest = said.partition("\n")
        text += [f"## ablate {' '.join([command, *view])}", "", head, "", *_block(rest.strip("\n"))]
    _, mark, shared = help_of("sweep").partition("== Groups")
    return "\n".join([*text, "## What all commands share", "", *_block(f"{mark}{shared}".strip())])


def _block(text: str, language: str = "text") -> list[str]:
    return [f"````{language}", text, "````", ""] if text else []


@dataclasses.dataclass(frozen=True)
class Key:
    """A key of a file of conf/: its path with dots, its value as the file has it, and its comment."""

    path: str
    value: str
    comment: str


@dataclasses.dataclass(frozen=True)
class Option:
    """A file of conf/: the comment at its head, its keys, and the texts too long for a table by their keys."""

    head: str
    keys: list[Key]
    texts: dict[str, str]


LONG = 120
"""Characters of a value that a table still shows."""


@dataclasses.dataclass(frozen=True)
class Place:
    """A key in its file: its path, where it begins, and the last line of its value."""

    path: str
    line: int
    column: int
    node: yaml.Node
    last: int

    def value(self, lines: list[str]) -> str:
        """Return the value as the file has it; a block below its key without the key's indentation."""
        start, end = self.node.start_mark, self.node.end_mark
        block = start.line > self.line
        cut = lines[start.line : self.last + 1]
        if not block and end.line == self.last:
            cut[-1] = cut[-1][: end.column]
        if not block:
            cut[0] = cut[0][start.column :]
        return textwrap.dedent("\n".join(cut)).strip()


def option_of(path: Path) -> Option:
    """Read a file of conf/ with its comments.

    A comment behind a value is that value's, and goes on in comment lines that start further right than its key; other
    comment lines are of the key below them, those before the first key of the file.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    places = list(_leaves(yaml.compose(text), ()))
    told: dict[int, list[str]] = {number: [] for number in range(len(places))}
    head: list[str] = []
    code = sorted(_code_ends(text))
    first = code[0] if code else len(lines)
    for line, column, said in _comments(text):
        if line < first:
            head.append(said)
            continue
        before = max((n for n, place in enumerate(places) if place.line <= line), default=None)
        own = before is not None and (
            line <= places[before].last
            or (
                bool(told[before])
                and column > places[before].column
                and not any(places[before].last < n <= line for n in code)
            )
        )
        told[before if own or before == len(places) - 1 else 0 if before is None else before + 1].append(said)
    keys, texts = [], {}
    for number, place in enumerate(places):
        value = place.value(lines)
        if len(value) > LONG or "\n" in value:
            texts[place.path] = value
        keys.append(Key(place.path, "" if place.path in texts else value, " ".join(told[number])))
    return Option(" ".join(head), keys, texts)


def _code_ends(text: str) -> dict[int, int]:
    """Return line -> column behind the last of what is YAML on it; lines of comments alone are left out."""
    ends: dict[int, int] = {}
    lines = text.splitlines()
    for token in yaml.scan(text):
        start, end = token.start_mark, token.end_mark
        for line in range(start.line, end.line + 1) if start.index < end.index else ():
            column = end.column if line == end.line else len(lines[line])
            if column or line == start.line:
                ends[line] = max(ends.get(line, 0), column)
    return ends


def _comments(text: str) -> typing.Iterator[tuple[int, int, str]]:
    """Give each comment's line, column and words."""
    ends = _code_ends(text)
    for number, line in enumerate(text.splitlines()):
        end = ends.get(number, 0)
        if mark := re.match(r"\s*#", line[end:]):
            yield number, end + mark.end() - 1, line[end + mark.end() :].strip()


def _leaves(node: yaml.Node | None, above: tuple[str, ...]) -> typing.Iterator[Place]:
    """Give each key; a mapping that is written in one line is a value."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        path = (*above, str(key.value))
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            yield from _leaves(value, path)
        else:
            yield Place(".".join(path), key.start_mark.line, key.start_mark.column, value, _last(value))


def _last(node: yaml.Node) -> int:
    """Return the last line of a value. The end of a block is where the next thing begins, so its last scalar is asked."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.line - (node.end_mark.column == 0 and node.end_mark.line > node.start_mark.line)


def _code(text: str) -> str:
    """Return code for a cell of a table."""
    return f"`` {text} ``".replace("|", "\\|") if text else ""


def _prose(text: str) -> str:
    """Return plain text, code in backticks, as Markdown that reads the same."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        part.replace("|", "\\|") if part.startswith("`") else re.sub(r"([*_<>|\[\]~{}$])", r"\\\1", part)
        for part in parts
    )


def option_section(path: Path, level: int = 2) -> list[str]:
    """Return the section of one file of conf/."""
    option = option_of(path)
    name = path.relative_to(CONF).with_suffix("").as_posix()
    group, _, choice = name.rpartition("/")
    said = [f"{'#' * level} {f'{group}={choice}' if group else path.name}", ""]
    if option.head:
        said += [_prose(option.head), ""]
    if option.keys:
        said += ["| key | value | |", "| :-- | :-- | :-- |"]
        said += [
            f"| {_code(key.path)} | {_code(key.value) or 'below'} | {_prose(key.comment)} |"
            for key in option.keys
        ]
        said += [""]
    for key, text in option.texts.items():
        said += [f"{_code(key)}:", "", *_block(text, "yaml")]
    return said


def groups() -> list[str]:
    """Return the groups of conf/, those inside others after them as Hydra names them: pool, pool/spike, ..."""
    return sorted({path.parent.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml")} - {"."})


def configuration_pages() -> dict[str, str]:
    """Return page name -> text: an index with the keys that no group sets, and a page for each group of conf/."""
    tops = [group for group in groups() if "/" not in group]
    made = {
        "index": "\n".join(
            [
                "# Reference of configuration",
                "",
                "Every file of `conf/` and every key of the settings, with what is said of it there. What a command would use: "
                "`ablate COMMAND --cfg job`.",
                "",
                "```{toctree}",
                ":maxdepth: 1",
                *tops,
                "```",
                "",
                *option_section(CONF / "config.yaml"),
                *settings_section(),
                *option_section(CONF / "job.yaml"),
            ]
        )
    }
    for top in tops:
        text = [f"# {top}", ""]
        for group in (one for one in groups() if one == top or one.startswith(f"{top}/")):
            for path in sorted((CONF / group).glob("*.yaml")):
                text += option_section(path)
        made[top] = "\n".join(text)
    return made


def attributes(owner: type) -> dict[str, str]:
    """Return name -> what the section "Attributes" of a class's docstring says of it."""
    _, _, section = (inspect.getdoc(owner) or "").partition("Attributes:\n")
    said: dict[str, str] = {}
    for entry in re.split(r"\n(?= {4}\S)", "\n" + section)[1:]:
        names, _, words = entry.strip().partition(": ")
        said |= dict.fromkeys(names.split(", "), " ".join(words.split()))
    return said


def settings_section() -> list[str]:
    """Return the section of the keys that `ablate.settings` holds: a table for each of its classes."""
    said = [
        "## Settings",
        "",
        "Keys that belong to no group. `MISSING` stands for a value that has to be given.",
        "",
    ]
    for field in dataclasses.fields(settings.Config):
        owner = field.default_factory
        if dataclasses.is_dataclass(owner):
            said += [
                f"### {field.name}",
                "",
                _prose((inspect.getdoc(owner) or "").partition("\n\nAttributes:")[0].partition("\n")[0]),
                "",
            ]
            words = attributes(typing.cast(type, owner))
            said += ["| key | default | |", "| :-- | :-- | :-- |"]
            for one in dataclasses.fields(owner):
                said.append(
                    f"| {_code(f'{field.name}.{one.name}')} | {_code(default_of(one))} | {_prose(words.get(one.name, ''))} |"
                )
            said += [""]
    return said


def default_of(field: dataclasses.Field[typing.Any]) -> str:
    """Return a field's default as YAML writes it on one line; MISSING where it has to be given."""
    value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    if value == "???":
        return "MISSING"
    return (
        yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n").removesuffix("\n...")
    )


def frames_page() -> str:
    """Return the page of the frames of an opened study: every column with what it is and its unit."""
    text = [
        "# Frames and their columns",
        "",
        "What the methods of a study, opened by `ablate.open_study`, return; their CSV files are these frames.",
        "",
    ]
    for name, columns in COLUMNS.items():
        text += [f"## {name}", "", "| column | |", "| :-- | :-- |"]
        text += [f"| {_code(column)} | {_prose(words)} |" for column, words in columns.items()] + [""]
    return "\n".join(text)


def contracts() -> list[str]:
    """Return the modules that parts of one's own implement: those that the table of CONTRIBUTING.md names."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("## Adding a part")[2].partition("\n## ")[0]
    found: list[str] = []
    for name in re.findall(r"`(ablate(?:\.\w+)+)`", table):
        module = (
            name
            if importlib.util.find_spec(name.rpartition(".")[0]) and _is_module(name)
            else name.rpartition(".")[0]
        )
        found.append(module)
    return [name for name in dict.fromkeys(found) if name != "ablate.testing"]


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def python_pages() -> dict[str, str]:
    """Return page name -> reStructuredText that autodoc fills from docstrings."""
    return {
        "python": _module_page("Python: reading results", READING),
        "plugins": _module_page("Python: parts of your own", ("ablate.testing", *contracts())),
    }


def _module_page(title: str, modules: typing.Sequence[str]) -> str:
    text = [title, "=" * len(title), ""]
    for name in modules:
        text += [
            name,
            "-" * len(name),
            "",
            f".. automodule:: {name}",
            "   :members:",
            "   :show-inheritance:",
            "",
        ]
        if name == "ablate.testing":
            text[-1:] = ["   :imported-members:", ""]
    return "\n".join(text)
