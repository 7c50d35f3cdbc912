"""Show studies on one page: a file that opens by double click and asks no network, or the same page while a sweep runs.

Give folders of studies, running or finished, or shipped results (folders with a `study.json`, which `ablate report`
writes; where records came after it, the page says what they say). The first is shown first; the others stand beside it,
with a plain sentence where they must not be compared.

One study with runs that still wait is served: a page on 127.0.0.1 that shows every run's progress, failures with the end of
their log, the time left as a range and curves so far. It has no interval, p-value or verdict before the plan is complete.
Nothing is written, and only this machine's browsers are answered; from another machine, forward the port:
ssh -L 8770:127.0.0.1:8770 HOST.

  dashboard.to=page.html             write a file, whether or not runs still wait
  dashboard.serve=true               serve a finished study too; false to write dashboard.html
  dashboard.port=8770                the server's port; a free one as it is
  dashboard.studies=[results/demo]   the folders as an override, in place of the bare words

Example: ablate dashboard studies/demo results/web_loo dashboard.to=page.html
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig

from ablate.errors import ConfigError
from ablate.settings import settings_of
from ablate.study.plan import folder_of

FILE = "dashboard.html"
"""What is written where no other name is given."""


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
    """Write or serve the page; returns the exit status.

    Raises:
        ConfigError: where a server was asked for several studies, for one without runs of its own, or beside a file.
    """
    from ablate.opened.study import open_study

    asked = settings_of(config).dashboard
    folders = [Path(folder) for folder in asked.studies] or [folder_of(config)]
    lost = [str(folder) for folder in folders if not folder.exists()]
    if lost:
        raise ConfigError(f"dashboard.studies: there is no {lost[0]}; give folders that hold a study.json")
    if asked.serve and asked.to:
        raise ConfigError(
            "dashboard.serve=true and dashboard.to: a page is served or written; give one of them"
        )
    planned = len(folders) == 1 and (folders[0] / "plan.json").exists()
    if asked.serve and not planned:
        raise ConfigError("dashboard.serve=true: give one study with a plan.json, whose runs can be watched")
    if asked.serve:
        return _serve(folders[0], asked.port)
    first, *others = map(open_study, folders)
    if asked.serve is None and not asked.to and planned and "waiting" in first.summary.runs["status"]:
        return _serve(folders[0], asked.port)
    path = first.dashboard(asked.to or FILE, *others)
    print(
        f"{len(folders)} {'study' if len(folders) == 1 else 'studies'}, {path.stat().st_size / 1e6:.2f} MB: {path}"
    )
    return 0


def _serve(folder: Path, port: int) -> int:
    from ablate.live.server import serve

    server = serve(folder, port)
    at = server.server_address[1]
    print(
        f"{folder} at http://127.0.0.1:{at}   (Ctrl-C ends it; from elsewhere: ssh -L {at}:127.0.0.1:{at} HOST)",
        flush=True,
    )
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0
