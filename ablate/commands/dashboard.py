"""Show studies on one page: a file that opens by double click and asks no network.

Give folders of studies, running or finished, or shipped results (folders with a `study.json`, which `ablate report`
writes; where records came after it, the page says what they say). The first is shown first; the others stand beside it,
with a plain sentence where they must not be compared.

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
    from ablate.opened.study import open_study

    asked = settings_of(config).dashboard
    folders = [Path(folder) for folder in asked.studies] or [folder_of(config)]
    lost = [str(folder) for folder in folders if not folder.exists()]
    if lost:
        raise ConfigError(f"dashboard.studies: there is no {lost[0]}; give folders that hold a study.json")
    first, *others = map(open_study, folders)
    path = first.dashboard(asked.to, *others)
    print(
        f"{len(folders)} {'study' if len(folders) == 1 else 'studies'}, {path.stat().st_size / 1e6:.2f} MB: {path}"
    )
    return 0
