"""Whether a study's `study.json` says what its records say."""

from __future__ import annotations

from pathlib import Path

from ablate.fingerprint import digest, file_digest


def state_of(folder: Path) -> str:
    """A digest of all that a summary is made from: plan, journal, and what every run left; some ms for 500 runs."""
    files = [folder / "plan.json", folder / "plans.jsonl"]
    for name in ("record.json", "failed.json"):
        files += folder.glob(f"runs/*/*/{name}")
    return digest({path.relative_to(folder).as_posix(): file_digest(path) for path in files if path.exists()})
