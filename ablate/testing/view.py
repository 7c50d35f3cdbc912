"""`check_view`: whether a view of `ablate inspect` says what it shows, and shows the same twice."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import chdir, redirect_stdout
from pathlib import Path

from ablate.cli import main
from ablate.commands.inspect import view
from ablate.testing.contract import ContractError, require


def check_view(
    name: str, overrides: Sequence[str], *, folder: Path, apart: Sequence[str] = (), timed: bool = False
) -> str:
    """Show a view twice, as `ablate inspect NAME OVERRIDES` does.

    Args:
        name: of a view of ours, or a dotted module, or a file that ends in .py.
        overrides: that give it something small to look at; files by their absolute paths.
        folder: an empty one, for its study and its store.
        apart: what differs from time to time and is no fault, such as lines with seconds: words that stand in them.
        timed: whether it shows speeds among its numbers; numbers are not compared then.
    Returns:
        What it printed.
    Raises:
        ContractError: for a view without help, one that ends with another status than 0, that writes elsewhere than into
            its study and its store, or that shows something else the second time.
    """
    module = view(name)
    said = (module.__doc__ or "").strip()
    require(said, f"the view {name} has no docstring, which is its help")
    require(
        "Example: ablate inspect" in said, f"the help of the view {name} must end with an example of its use"
    )
    study, here = folder.resolve() / "study", folder.resolve() / "here"
    here.mkdir(parents=True)
    asked = [f"study.dir={study}", f"store={folder.resolve() / 'store'}", *overrides]
    with chdir(here):
        first, files = _shown(name, asked), _contents(study)
        again = _shown(name, asked)
    require(first.strip(), f"the view {name} prints nothing")
    require(
        not any(here.iterdir()),
        f"the view {name} leaves files in the folder that it is called from; write them into study.dir",
    )
    require(
        _without(again, apart, timed) == _without(first, apart, timed),
        f"the view {name} prints something else the second time",
    )
    for path, content in _contents(study).items():
        require(
            _without(_text(content), apart, timed) == _without(_text(files.get(path, b"")), apart, timed),
            f"the view {name} writes another {path} the second time",
        )
    return first


def _shown(name: str, overrides: Sequence[str]) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = main(["inspect", name, *overrides])
    if status:
        raise ContractError(
            f"the view {name} ends with status {status}; it printed {printed.getvalue()[-500:]!r}"
        )
    return printed.getvalue()


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _text(content: bytes) -> str:
    return content.decode("latin-1")


def _without(text: str, apart: Sequence[str], timed: bool) -> list[str]:
    lines = [line for line in text.splitlines() if not any(word in line for word in apart)]
    return [re.sub(r"[\d.,\s-]+", " ", line) for line in lines] if timed else lines
