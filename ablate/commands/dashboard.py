"""Show studies on one page: a file that opens by double click and asks no network.

Give folders that hold a `study.json` (`ablate report` writes it): study folders or shipped results. The first is shown
first; the others stand beside it, with a plain sentence where they must not be compared.

  dashboard.to=page.html             the file that is written
  dashboard.studies=[results/demo]   the folders as an override, in place of the bare words

Example: ablate dashboard studies/demo results/web_loo dashboard.to=page.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from ablate.errors import ConfigError
from ablate.settings import settings_of
from ablate.store import write_text
from ablate.study.plan import folder_of


def as_overrides(words: Sequence[str]) -> list[str]:
    """Bare words of the command line, which are folders, as one override; overrides and flags as they are."""
    folders = [word for word in words if "=" not in word and not word.startswith(("-", "~", "+"))]
    rest = [word for word in words if word not in folders]
    if not folders:
        return rest
    quoted = (
        "'" + folder.replace("\\", "\\\\").replace("'", "\\'") + "'" for folder in folders
    )  # Hydra's grammar
    return [f"dashboard.studies=[{','.join(quoted)}]", *rest]


def main(config: DictConfig) -> int:
    """Write the page; returns the exit status."""
    from ablate.page.build import page
    from ablate.summary.model import read_summary
    from ablate.tables.copies import with_copies

    asked = settings_of(config).dashboard
    folders = [Path(folder) for folder in asked.studies] or [folder_of(config)]
    lost = [str(folder) for folder in folders if not folder.exists()]
    if lost:
        raise ConfigError(f"dashboard.studies: there is no {lost[0]}; give folders that hold a study.json")
    text = page([with_copies(read_summary(folder)) for folder in folders])
    path = Path(asked.to)
    write_text(path, text)
    print(
        f"{len(folders)} {'study' if len(folders) == 1 else 'studies'}, {len(text.encode()) / 1e6:.2f} MB: {path}"
    )
    return 0
