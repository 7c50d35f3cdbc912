"""Optional arguments of one type that stand side by side are given by name, so that none is taken for another."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from pathlib import Path

import ablate

ROOT = Path(ablate.__file__).parent
SWAPPED = """
def same(name: str, examples: int | None, limit: int | None = 3): ...
def named(name: str, *, examples: int | None, limit: int | None): ...
def other(name: str | None, limit: int | None): ...
"""


def interchangeable(source: str) -> Iterator[str]:
    """Functions that take two optional arguments of one type by position, one after the other."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        arguments = node.args.posonlyargs + node.args.args
        defaults = [False] * (len(arguments) - len(node.args.defaults)) + [True] * len(node.args.defaults)
        kinds = [ast.unparse(one.annotation) if one.annotation else "" for one in arguments]
        types = [
            kind.removesuffix(" | None") if default or kind.endswith(" | None") else None
            for kind, default in zip(kinds, defaults, strict=True)
        ]
        if any(one and one == after for one, after in itertools.pairwise(types)):
            yield node.name


def test_the_check_sees_a_swap_that_could_happen() -> None:
    assert list(interchangeable(SWAPPED)) == ["same"]


def test_no_optional_arguments_of_one_type_can_be_swapped() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(ROOT.rglob("*.py"))
        for name in interchangeable(path.read_text(encoding="utf-8"))
    }
    assert not found
