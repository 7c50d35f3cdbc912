"""Extractors against known main texts: every level of the extraction stage, and others beside them.

    python results/benchmarks/extraction.py --data ../shared/data --out results/benchmarks/extraction.md

`--data` is a folder with `web/*.warc.gz`, `web/extraction_gold.jsonl.gz` and `web/extraction_segments.jsonl.gz`.
readability-lxml and inscriptis are installed into a temporary folder; jusText comes with trafilatura. For the
stage's own levels on other data, see `ablate inspect extraction --help`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ["readability-lxml==0.9", "inscriptis==2.7.6"]


def main() -> None:
    """Install the peers, score, write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as scratch:
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--target",
            f"{scratch}/peers",
            "--no-deps",
        ]
        subprocess.run([*install, *PEERS, "cssselect"], check=True)
        sys.path.append(f"{scratch}/peers")
        score(arguments.data, arguments.out, Path(scratch))


def score(data: Path, out: Path, scratch: Path) -> None:
    """Score every method on every page that is known."""
    from ablate.inspect.views.extraction import gold_of, write
    from ablate.pool.pool import build_pool
    from ablate.pool.warc import Warc
    from ablate.stages.extraction import METHODS, Extraction
    from ablate.store import Store

    began = time.monotonic()
    pool = build_pool(Warc(paths=(str(data / "web" / "*.warc.gz"),)), Store(scratch / "store"))
    methods = {name: Extraction(method=name).transform for name in METHODS}
    methods |= {"readability-lxml": by_readability, "jusText": by_justext, "inscriptis": by_inscriptis}
    for extract in methods.values():
        extract("<html><body><p>Warm up.</p></body></html>")
    names = ("resiliparse", "trafilatura", "readability-lxml", "jusText", "inscriptis", "lxml")
    about = ", ".join(f"{name} {version(name)}" for name in names)
    notes = (ROOT / "results/benchmarks/extraction_notes.md").read_text(encoding="utf-8").strip()
    pages = []
    for kind, title in (("gold", "Known main texts"), ("segments", "Known segments")):
        file = str(data / f"web/extraction_{kind}.jsonl.gz")
        gold = gold_of(gold=file, segments=None) if kind == "gold" else gold_of(gold=None, segments=file)
        print(write(scratch, title, gold, pool, methods, 1_000), flush=True)
        pages.append((scratch / "extraction.md").read_text(encoding="utf-8"))
        out.with_name(f"{out.stem}_{kind}.csv").write_bytes((scratch / "extraction.csv").read_bytes())
        minutes = (time.monotonic() - began) / 60
        made = (
            f"`python results/benchmarks/extraction.py --data DATA --out results/benchmarks/extraction.md`: {minutes:.1f} "
            f"minutes on a machine that others used as well. Python {sys.version.split()[0]}; {about}."
        )
        out.write_text(
            "\n\n".join([f"# Extractors on real pages\n\n{made}", notes, *pages]), encoding="utf-8"
        )


def by_readability(html: str) -> str:
    """Arc90's Readability by readability-lxml, its article as plain text."""
    from readability import Document
    from resiliparse.extract.html2text import extract_plain_text

    return extract_plain_text(Document(html).summary(), main_content=False)


def by_justext(html: str) -> str:
    """jusText (Pomikálek 2011) without stop words, as it works for any language."""
    import justext

    found = justext.justext(
        html.encode(),
        frozenset(),
        length_low=70,
        length_high=200,
        stopwords_low=0,
        stopwords_high=0,
        encoding="utf-8",
    )
    return "\n".join(paragraph.text for paragraph in found if not paragraph.is_boilerplate)


def by_inscriptis(html: str) -> str:
    """All visible text in its layout."""
    import inscriptis

    return inscriptis.get_text(html)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
