"""What a run's folder in a study says of it: locked, done, failed and why."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ablate.errors import AblateError
from ablate.extras import missing_extra
from ablate.store import ABSENT, UNSEALED, fault, read_json, whole, write_json, write_text
from ablate.study.plan import run_folder

RunName = tuple[str, int]
"""Names a run: an arm and a seed."""


def lock_path(study: Path, arm: str, seed: int) -> Path:
    """Return the file that a process holds locked while it does a run."""
    return run_folder(study, arm, seed) / ".lock"


def is_done(study: Path, arm: str, seed: int) -> bool:
    """Tell whether a run's folder holds its record, and its item scores undamaged where they were sealed."""
    folder = run_folder(study, arm, seed)
    items = folder / "items.parquet"
    return (folder / "record.json").exists() and (fault(items) in (UNSEALED, ABSENT) or whole(items))


@contextmanager
def catch(failures: dict[RunName, Exception], run: RunName) -> Iterator[None]:
    """Enter what the block raises as the failure of `run` and go on behind the block."""
    try:
        yield
    except Exception as error:
        failures[run] = error


def explain(error: BaseException) -> str:
    """Return an error as one line for the user; one that is not the package's own is given with its type."""
    if isinstance(error, AblateError):
        return str(error)
    return missing_extra(error) or f"{type(error).__name__}: {error}"


def mark_failed(study: Path, arm: str, seed: int, error: BaseException) -> None:
    """Write a run's `failed.json`, which says in one line what went wrong, and the traceback to its `log.txt`."""
    folder = run_folder(study, arm, seed)
    message = explain(error)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write("".join(traceback.format_exception(error)))
        details = getattr(error, "details", {"reason": "error"})
        entry = {
            "status": "failed",
            "error": message,
            **details,
            "log": str(folder.relative_to(study) / "log.txt"),
        }
        write_json(folder / "failed.json", entry)
    except (AblateError, OSError):
        # The disk may be what failed. A run without a record counts as failed all the same.
        return


def failure_of(study: Path, arm: str, seed: int) -> str:
    """Return why a run has no record, in one line."""
    path = run_folder(study, arm, seed) / "failed.json"
    return (
        str(read_json(path)["error"]) if path.exists() else "ended without a word (killed, or no disk space)"
    )


def clear_failure(study: Path, arm: str, seed: int) -> None:
    """Remove what an earlier failure left, before the run is tried again."""
    folder = run_folder(study, arm, seed)
    (folder / "failed.json").unlink(missing_ok=True)
    if (folder / "log.txt").exists():
        write_text(folder / "log.txt", "")
