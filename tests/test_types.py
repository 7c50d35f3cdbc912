"""What crosses the border of a package has a type: no `dict[str, Any]` in what another package imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import ablate

ROOT = Path(ablate.__file__).parent
ARM = "of an arm's resolved configuration, as Hydra composes it"
STUDY_JSON = "what a `study.json` holds, on its way from its model into the page that carries it"
LEFT = {
    "config.build": "the border to Hydra: what `make` builds from",
    "config.stage_order": ARM,
    "config.make_stages": ARM,
    "corpus.leaks.leak_finder": ARM,
    "corpus.mixture.Mixture.of": ARM,
    "corpus.planted.PlantedPart.of": ARM,
    "page.build.page": STUDY_JSON,
    "summary.model.as_dict": STUDY_JSON,
    "tables.copies.with_copies": STUDY_JSON,
}
"""Name -> why it may."""
CONFIGURATION = "takes or keeps a resolved configuration, of an arm or of all"
GENERATED = "lines of generated text, and what names a generation, as JSON has them"
WRITTEN = "what stands in a JSON file beside values that have a type"
NOT_YET = {
    "generate.card.card": GENERATED,
    "generate.card.croissant": GENERATED,
    "generate.generation.Generation.rows": GENERATED,
    "generate.generation.identity": GENERATED,
    "generate.generation.lines": GENERATED,
    "generate.page.page": GENERATED,
    "generate.recipe.Recipe.identity": GENERATED,
    "generate.recipe.Recipe.texts": GENERATED,
    "generate.recipe.Seed.task": GENERATED,
    "study.corpus_builder.CorpusBuilder.leaks": CONFIGURATION,
    "study.corpus_builder.Prepared.info": WRITTEN,
    "study.forecast.cheapest": CONFIGURATION,
    "study.plan.Levels.changes": CONFIGURATION,
    "study.plan.resolve_factors": CONFIGURATION,
    "study.record.Record.provenance": WRITTEN,
    "study.schema.Arm.config": CONFIGURATION,
    "study.schema.Arm.randomness": CONFIGURATION,
    "study.schema.Plan.to_json": WRITTEN,
    "study.schema.Plan.tracker": CONFIGURATION,
    "study.tracked.flat": WRITTEN,
}
"""Name -> what it holds that has no type yet; a new one is refused in these packages as in all others."""


def modules() -> dict[str, ast.Module]:
    """Dotted name -> tree of every module."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def package(module: str) -> str:
    """The first name below `ablate`: its package, or the module itself where it is one of the ground files."""
    return module.split(".")[1] if "." in module else ""


def is_open(node: ast.AST) -> bool:
    """Whether an annotation is a mapping from names to anything."""
    if not isinstance(node, ast.Subscript) or not isinstance(node.slice, ast.Tuple):
        return False
    kind = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
    what = [getattr(element, "id", "") for element in node.slice.elts]
    return kind in ("dict", "Mapping", "MutableMapping", "defaultdict") and what[-1] == "Any"


def aliases(tree: ast.Module) -> set[str]:
    """Names that a module gives to such a mapping."""
    return {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and any(is_open(part) for part in ast.walk(node.value))
        for target in node.targets
        if isinstance(target, ast.Name) and not isinstance(node.value, ast.Call)
    }


def signatures(tree: ast.Module) -> Iterator[tuple[str, str, ast.expr]]:
    """(top-level name, qualified name, annotation) of public functions, methods and fields."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield from ((node.name, node.name, given) for given in annotations(node))
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and (
                not part.name.startswith("_") or part.name == "__init__"
            ):
                yield from ((node.name, f"{node.name}.{part.name}", given) for given in annotations(part))
            if (
                isinstance(part, ast.AnnAssign)
                and isinstance(part.target, ast.Name)
                and part.target.id[0] != "_"
            ):
                yield node.name, f"{node.name}.{part.target.id}", part.annotation


def annotations(function: ast.FunctionDef) -> Iterator[ast.expr]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    yield from (argument.annotation for argument in every if argument.annotation is not None)
    if function.returns is not None:
        yield function.returns


def crossing() -> dict[str, list[str]]:
    """Such names that another package imports -> the packages that do."""
    trees = modules()
    imported: dict[tuple[str, str], set[str]] = {}
    names: dict[str, dict[str, tuple[str, str]]] = {}
    for module, tree in trees.items():
        names[module] = {name: (module, name) for name in aliases(tree)}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.ImportFrom)
                and (node.module or "").startswith("ablate")
                and node.level == 0
            ):
                for alias in node.names:
                    source = (str(node.module), alias.name)
                    names[module][alias.asname or alias.name] = source
                    if package(module) != package(str(node.module)):
                        imported.setdefault(source, set()).add(package(module))
    every_alias = {(module, name) for module, tree in trees.items() for name in aliases(tree)}
    found: dict[str, list[str]] = {}
    for module, tree in trees.items():
        for top, name, annotation in signatures(tree):
            parts = list(ast.walk(annotation))
            called = {names[module].get(part.id, ("", "")) for part in parts if isinstance(part, ast.Name)}
            if (any(map(is_open, parts)) or called & every_alias) and (module, top) in imported:
                found[f"{module.removeprefix('ablate.')}.{name}"] = sorted(imported[module, top])
    return found


def test_no_mapping_of_anything_crosses_the_border_of_a_package() -> None:
    """Both ways: what is named here and is not there any more is to be taken off."""
    assert set(crossing()) == {*LEFT, *NOT_YET}


def test_the_search_finds_what_it_is_for() -> None:
    """A field, a method's argument, a result and an alias, each within another type."""
    tree = ast.parse(
        "Row = dict[str, Any]\nclass A:\n    f: list[Row]\n    def m(self, x: Mapping[str, Any] | None) -> int: ...\n"
        "    def _p(self, x: dict[str, Any]): ...\ndef g() -> tuple[dict[str, Any], int]: ...\n"
    )
    found = [name for _, name, given in signatures(tree) if any(map(is_open, ast.walk(given)))]
    assert aliases(tree) == {"Row"} and found == ["A.m", "g"]
