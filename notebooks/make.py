"""Execute the notebooks: each `NN_name.py` (the source, percent format) to `NN_name.ipynb` beside it, outputs kept.

Run: make notebooks      (a minute; needs the extra `notebooks`)
Source of the format: https://jupytext.readthedocs.io, "The percent format".
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import jupytext
from nbclient import NotebookClient

HERE = Path(__file__).parent


def execute(source: Path) -> Path:
    """Run one script as a notebook, in this folder; an error in a cell ends it. Returns the notebook's path."""
    notebook = jupytext.read(source)
    # Of the machine and the moment: a run on another day must change only what the cells print.
    for number, cell in enumerate(notebook.cells):
        cell["id"] = hashlib.sha256(f"{source.stem} {number}".encode()).hexdigest()[:8]
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(HERE)}},
        record_timing=False,
    ).execute()
    notebook.metadata["language_info"] = {"name": "python"}
    made = source.with_suffix(".ipynb")
    jupytext.write(notebook, made, fmt="ipynb")
    return made


def main() -> None:
    """Execute those that are named, or all."""
    for source in [Path(name).resolve() for name in sys.argv[1:]] or sorted(HERE.glob("[0-9]*.py")):
        print(execute(source).name, flush=True)


if __name__ == "__main__":
    main()
