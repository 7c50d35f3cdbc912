"""Published numbers: what each table holds, at which scale, how noisy, and where it was read."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.errors import ConfigError, nearest

if TYPE_CHECKING:
    import pandas as pd

DATA = Path(__file__).parent / "data"
NUMBERS = ("value", "versus_value", "gain", "params", "tokens", "runs", "sd", "tokens_removed_percent")
COLUMNS = {
    "key": "table and number of the row",
    "source": "key of its BibTeX entry",
    "locus": "table, section or commit",
    "stage": "our name of the stage that it is about; empty for none",
    "level": "what was tried",
    "versus": "what its gain is against; empty for none",
    "context": "what else was on",
    "design": "single swap, cumulative, full factorial, replicate, ...",
    "metric": "as the source names it",
    "unit": "of value, versus_value, gain and sd",
    "higher_is_better": "True or False",
    "value": "as printed",
    "versus_value": "as printed, of `versus`",
    "gain": "value less versus_value, or as printed where it alone is",
    "sign": "+ or - where only the sign is known",
    "params": "parameters of the model",
    "tokens": "that it was trained on",
    "runs": "behind the value",
    "sd": "standard deviation of one run; empty where nobody says",
    "sd_source": "who says so",
    "tokens_removed_percent": "of what reached the stage",
    "read_from": "what was read: the paper, an excerpt, ...",
    "note": "what to know of it, misprints too",
}
"""Column of every table -> what it is."""


@dataclass(frozen=True)
class Published:
    """Holds one table of published numbers.

    Attributes:
        name: of its file.
        rows: as they stand in the file; an empty cell is what the source does not say.
    """

    name: str
    rows: tuple[dict[str, str], ...]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows as pandas, numbers as numbers; `COLUMNS` says what each column is."""
        import pandas as pd

        found = pd.DataFrame(list(self.rows), columns=list(COLUMNS))
        for name in NUMBERS:
            found[name] = pd.to_numeric(found[name].replace("", None))
        return found

    @property
    def sources(self) -> list[str]:
        """Keys of the BibTeX entries that the rows come from."""
        return list(dict.fromkeys(row["source"] for row in self.rows))

    @property
    def citation(self) -> str:
        """Authors, year, title and loci in a line per source."""
        lines = []
        for source in self.sources:
            entry = entries()[source]
            told = {name: _field(entry, name) for name in ("author", "year", "title", "eprint")}
            where = "; ".join(dict.fromkeys(row["locus"] for row in self.rows if row["source"] == source))
            first = told["author"].split(",")[0].split(" and ")[0]
            number = f", arXiv {told['eprint']}" if told["eprint"] else ""
            lines.append(f"{first} et al. ({told['year']}), {told['title']}{number}: {where}")
        return "\n".join(lines)

    @property
    def bibtex(self) -> str:
        """BibTeX of its sources."""
        return "\n\n".join(entries()[source] for source in self.sources) + "\n"


def tables() -> list[str]:
    """Return the names of the tables that ship."""
    return sorted(path.stem for path in DATA.glob("*.csv"))


def published(name: str) -> Published:
    """Return a table of published numbers.

    Raises:
        ConfigError: for an unknown name; says the nearest.
    """
    if name not in tables():
        raise ConfigError(f"published={name}: {nearest(name, tables())}")
    with (DATA / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return Published(name, tuple(csv.DictReader(file)))


def entries() -> dict[str, str]:
    """Key -> BibTeX entry."""
    text = (DATA / "sources.bib").read_text(encoding="utf-8")
    return {match[1]: match[0] for match in re.finditer(r"@\w+\{(\w+),\n.*?\n\}", text, re.DOTALL)}


def _field(entry: str, name: str) -> str:
    match = re.search(rf"^\s*{name} = \{{(.*)\}},?$", entry, re.MULTILINE)
    return re.sub(r"[{}]", "", match[1]) if match else ""
