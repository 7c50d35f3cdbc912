"""Sphinx's settings for the site that `make docs` builds; `make.py` beside it lays out the pages."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

import ablate

project = "ablate"
version = release = ablate.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_heading_anchors = 6
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_use_ivar = True
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
default_role = "py:obj"

html_theme = "furo"
html_title = f"ablate {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sourcelink = html_show_copyright = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#00598c", "color-brand-content": "#00598c"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}


def as_rst(lines: list[str]) -> list[str]:
    """Return a docstring, which is plain text with code in single backticks, as reStructuredText.

    Code that is a name becomes a reference where the site has it; an indented block after a colon becomes a literal one.
    """
    out = []
    for number, line in enumerate(lines):
        after = lines[number + 1 : number + 3]
        if line.startswith(" ") and _in_block(out):
            out.append(line)
            continue
        parts = re.split(r"(``.+?``|`[^`]+`)", line)
        line = "".join(
            _code(part) if part.startswith("`") else re.sub(r"([*|_](?!\w)|(?<!\w)\*)", r"\\\1", part)
            for part in parts
        )
        indented = len(after) == 2 and not after[0].strip() and _indent(after[1]) > _indent(lines[number])
        out.append(f"{line}:" if line.endswith(":") and indented else line)
    return out


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _in_block(out: list[str]) -> bool:
    """Whether the line after these belongs to a literal block."""
    for line in reversed(out):
        if line.strip() and not line.startswith(" "):
            return line.endswith("::")
    return False


def _code(part: str) -> str:
    inner = part.strip("`")
    return f":py:obj:`{inner}`" if re.fullmatch(r"[A-Za-z_][\w.]*", inner) else f"``{inner}``"


def _docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def setup(app: Sphinx) -> None:
    """Called by Sphinx. Docstrings are made reStructuredText before napoleon (priority 500) reads their sections."""
    app.connect("autodoc-process-docstring", _docstring, priority=400)
