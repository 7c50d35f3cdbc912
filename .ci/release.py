"""Build the wheel and the sdist, hold them to what the repository says, and try the wheel as who installs it.

Run: make release      (ten minutes, most of them downloads; needs nothing but Python 3.11 and the extra `dev`)

Nothing is published or tagged. The files are left in `build/release/dist`; any claim that does not hold ends it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from collections.abc import Sequence
from email import message_from_bytes
from pathlib import Path

import ablate

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "release"
EXTRAS = "curation,training,evaluation"
SMALL = (
    "study=demo",
    "study.name=small",
    "pool.world.pages=600",
    "design.factors=[language,minhash_dedup]",
    "seeds=[0,1]",
    "train.tokens=20_480",
    "train.evaluations=[1.0]",
    "tokenizer.vocab_size=512",
    "plan.probe=false",
)
"""The demo, so small that it is trained in a minute: three arms, two seeds."""
RELEASED = re.compile(r"^## (?:\[?v?(\d[^\s\]]*)\]?|(Unreleased))", re.MULTILINE)


class Fails(Exception):
    """A release must not be made of this."""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command in a clean environment; returns what it printed.

    Raises:
        Fails: when it ends with another status than 0; shows the end of what it printed.
    """
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise Fails(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def equal(what: str, found: object, expected: object) -> None:
    """Hold one thing to be another; sets are told apart by their members."""
    if found != expected:
        if isinstance(found, set) and isinstance(expected, set):
            found, expected = f"besides {sorted(found - expected)}", f"missing {sorted(expected - found)}"
        raise Fails(f"{what}: got {found}, expected {expected}")


def check_version(changelog: str, version: str, tags: Sequence[str]) -> str:
    """Hold version, changelog and tag against one another; returns what this is, in words.

    Args:
        changelog: its text; sections are headed `## 0.2.0 (date)`, the newest first, or `## Unreleased`.
        version: of the package.
        tags: of the commit.
    Raises:
        Fails: when a commit with a tag has another version or no section of its own, or the newest release that
            the changelog tells of is not what the package calls itself.
    """
    sections = [found[1] or found[2] for found in RELEASED.finditer(changelog)]
    if not sections:
        raise Fails("CHANGELOG.md has no section: expected `## Unreleased` or `## VERSION (DATE)`")
    numbers = [section for section in sections if section != "Unreleased"]
    if sections[0] == "Unreleased":
        if tags:
            raise Fails(
                f"the commit is tagged {', '.join(tags)}, and CHANGELOG.md still begins with Unreleased"
            )
        if version in numbers:
            raise Fails(
                f"changes stand under Unreleased, and ablate still calls itself {version}, which is released"
            )
        return f"a rehearsal of {version}: CHANGELOG.md begins with Unreleased, so nothing may be tagged yet"
    equal("the newest section of CHANGELOG.md", sections[0], version)
    for tag in tags:
        equal("the commit's tag", tag, f"v{version}")
    return f"release {version}"


def tracked(*folders: str) -> set[str]:
    """Return the files below some folders that the repository knows."""
    return set(run("git", "ls-files", "-z", *folders).strip("\0").split("\0"))


def build() -> tuple[Path, Path]:
    """Build both from what the repository knows, wherever this working copy has been: (wheel, sdist)."""
    shutil.rmtree(OUT, ignore_errors=True)
    copy, dist = OUT / "copy", OUT / "dist"
    copy.mkdir(parents=True)
    for name in tracked():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", dist, cwd=copy)
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(OUT / "unpacked", filter="data")
    (unpacked,) = (OUT / "unpacked").iterdir()
    run(
        sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", dist, cwd=unpacked
    )  # so it is complete
    (wheel,) = dist.glob("*.whl")
    return wheel, sdist


def check_contents(wheel: Path, sdist: Path) -> str:
    """Hold the wheel to the repository file by file, and the sdist to have the tests; returns what was found.

    Package data (configurations, the page's scripts and the library it draws with, word lists, models) is whatever
    the repository has under `ablate` and `conf`; licences are those that `pyproject.toml` names.
    """
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (info,) = {name.partition("/")[0] for name in files if ".dist-info/" in name}
    ours = {
        f"ablate/{name}" if name.startswith("conf/") else name: name for name in tracked("ablate", "conf")
    }
    equal("files in the wheel", {name for name in files if not name.startswith(info)}, set(ours))
    changed = [name for name, source in ours.items() if files[name] != (ROOT / source).read_bytes()]
    equal("files of the wheel that differ from the repository's", changed, [])
    licences = {f"{info}/licenses/LICENSE", f"{info}/licenses/ablate/stages/data/NOTICE"}
    equal("licences in the wheel", {name for name in files if "/licenses/" in name}, licences)
    equal("the mark of a typed package", files.get("ablate/py.typed"), b"")
    metadata = message_from_bytes(files[f"{info}/METADATA"])
    equal("the wheel's version", metadata["Version"], ablate.__version__)
    equal(
        "the wheel's command",
        files[f"{info}/entry_points.txt"].split(),
        b"[console_scripts] ablate = ablate.cli:main".split(),
    )
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    equal(
        "files missing from the sdist", tracked("ablate", "conf", "tests", "constraints.txt") - names, set()
    )
    return (
        f"{len(ours)} files of ablate and conf, each as in the repository, {len(licences)} licences, py.typed"
    )


class Environment:
    """A fresh environment with the wheel, outside the repository.

    Args:
        folder: where; made anew.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=True, clear=True)

    def install(self, *what: str | Path) -> None:
        """Install by pip, in the versions that were tested together."""
        run(self.bin / "python", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", *what)

    def ablate(self, *arguments: str) -> str:
        """Run the installed command; returns what it printed."""
        return run(self.bin / "ablate", *arguments, cwd=self.folder)

    def python(self, code: str) -> str:
        """Run a line of Python; returns what it printed."""
        return run(self.bin / "python", "-c", code, cwd=self.folder).strip()


def check_core(place: Environment) -> str:
    """Hold a bare install to what the README says of it: it imports others' results and reports; the rest names its extra."""
    where = place.python("import ablate; print(ablate.__file__)")
    if not Path(where).is_relative_to(place.folder):
        raise Fails(f"the environment imports ablate from {where}")
    shutil.copy2(ROOT / "results" / "demo" / "scores.csv", place.folder)
    place.ablate(
        "import",
        "study.name=theirs",
        "results.csv=scores.csv",
        "results.primary=prob",
        "results.reference=full",
    )
    rows = place.python("import ablate; print(len(ablate.open_study('studies/theirs').runs()))")
    equal("runs of the imported study, the demo's (11 arms, 5 seeds)", rows, "55")
    try:
        place.ablate("sweep", *SMALL)
    except Fails as refused:
        if "pip install" not in str(refused):
            raise
        return f"a bare install imports and reports others' results, and a sweep in it ends with: {str(refused).splitlines()[-1]}"
    return "a bare install imports and reports others' results; even the small sweep needs no extra"


def check_demo(place: Environment) -> str:
    """Plan the demo as it is, and sweep a small one twice: the second time nothing is left to do."""
    planned = place.ablate("plan", "study=demo", "plan.probe=false")
    if "runs" not in planned:
        raise Fails(f"ablate plan study=demo says nothing of its runs:\n{planned}")
    begin = time.monotonic()
    place.ablate("plan", *SMALL)
    place.ablate("sweep", *SMALL)
    seconds = time.monotonic() - begin
    again = place.ablate("sweep", *SMALL)
    if "6 runs planned, 6 already done" not in again:
        raise Fails(f"a second sweep does not find the first one's runs:\n{again}")
    rows = place.python("import ablate; print(len(ablate.open_study('studies/small').runs()))")
    equal("runs of the small study", rows, "6")
    return f"the demo is planned, a small one swept in {seconds:.0f} s and found again"


def main() -> None:
    """Make it, step by step; say what each found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--no-install", action="store_true", help="build and look into the files only")
    chosen = parser.parse_args()
    try:
        tags = [tag for tag in run("git", "tag", "--points-at", "HEAD", "v*").split() if tag]
        print(check_version((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), ablate.__version__, tags))
        if tags and run("git", "status", "--porcelain"):
            raise Fails("the commit is tagged, and the working copy has changes that are not in it")
        wheel, sdist = build()
        print(f"{wheel.name} ({wheel.stat().st_size:,} bytes), {sdist.name} ({sdist.stat().st_size:,} bytes)")
        print(check_contents(wheel, sdist))
        if not chosen.no_install:
            place = Environment(OUT / "installed")
            place.install("torch")
            place.install(wheel)
            print(check_core(place))
            place.install(f"{wheel}[{EXTRAS}]")
            print(check_demo(place))
    except Fails as problem:
        sys.exit(f"make release: {problem}")


if __name__ == "__main__":
    main()
