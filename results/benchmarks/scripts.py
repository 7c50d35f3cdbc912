"""Near-duplicates, lines and leaks in many scripts: how many are found, before and after; speed on Latin text.

    python results/benchmarks/scripts.py --data ../shared/data --before ../before --out results/benchmarks/scripts.md
    python results/benchmarks/scripts.py --data ../shared/data --before ../before --speed --out results/benchmarks/scripts_speed.md

`--before` is another checkout of this repository (`git worktree add ../before d76f06e`). The script calls itself with
each of the two first on the path, so both see the same pairs, which depend on nothing but the data.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SENTENCES, UDHR, XQUAD = ("sentences_75_languages", "udhr_many_languages", "xquad_paragraphs")
METHODS = ("ngram", "cosmopedia", "token_ratio")
EDITS = {"2 % of words": 0.02, "5 % of words": 0.05, "sentence exchanged": 0.0}
SPEED_FILES = ("english_novels", "imdb_reviews", "reddit_posts", "web_registers_sv_fr")
ROUNDS = 7
HARAKAT = "\u064e\u0650\u064f\u0652\u064e\u0651"
NIQQUD = "\u05b0\u05b8\u05b7\u05b4\u05b5\u05b9"


@dataclass(frozen=True)
class Script:
    """Texts of a script.

    Attributes:
        file, language: where they are.
        unit: letters that an edit replaces, with their marks, about a word's, where no blanks part words; 0: a word.
        points: written on every letter of what is copied, and where `both`, of the original too.
    """

    file: str
    language: str
    unit: int = 0
    points: str = ""
    both: bool = False


SCRIPTS = {
    "Latin (English)": Script(SENTENCES, "en"),
    "Latin (Vietnamese)": Script(SENTENCES, "vi"),
    "Cyrillic (Russian)": Script(SENTENCES, "ru"),
    "Greek": Script(SENTENCES, "el"),
    "Hebrew": Script(SENTENCES, "he"),
    "Hebrew, pointed copy": Script(SENTENCES, "he", points=NIQQUD),
    "Arabic": Script(SENTENCES, "ar"),
    "Arabic, both pointed": Script(SENTENCES, "ar", points=HARAKAT, both=True),
    "Arabic, pointed copy": Script(SENTENCES, "ar", points=HARAKAT),
    "Devanagari (Hindi)": Script(SENTENCES, "hi"),
    "Bengali": Script(SENTENCES, "bn"),
    "Tamil": Script(SENTENCES, "ta"),
    "Korean": Script(SENTENCES, "ko"),
    "Tibetan": Script(UDHR, "bod", 6),
    "Chinese": Script(SENTENCES, "zh", 2),
    "Japanese": Script(SENTENCES, "ja", 2),
    "Thai": Script(SENTENCES, "th", 4),
    "Lao": Script(UDHR, "lao", 4),
    "Khmer": Script(UDHR, "khm", 4),
    "Burmese": Script(UDHR, "mya", 4),
}


# ---- pairs -------------------------------------------------------------------------------------------------------


def passages(data: Path, script: Script) -> list[list[str]]:
    """Documents as lists of sentences, ten each; a sentence that stands in two is left out of the second."""
    seen: set[str] = set()
    sentences = []
    with gzip.open(data / "text" / f"{script.file}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            if record["language"] == script.language:
                sentences += [" ".join(one.split()) for one in record["text"].split("\n")]
    wanted = [s for s in sentences if len(s) >= 15 and not (s in seen or seen.add(s))]  # type: ignore[func-returns-value]
    return [wanted[i : i + 10] for i in range(0, len(wanted) - 9, 10)]


def units(text: str, size: int) -> list[str]:
    """A text cut into words, or into runs of `size` characters with the marks on them."""
    if not size:
        return text.split(" ")
    found: list[str] = []
    left = 0
    for character in text:
        mark = unicodedata.category(character)[0] == "M"
        if found and (mark or left):
            found[-1] += character
            left -= not mark
        else:
            found.append(character)
            left = size - 1
    return found


def edited(document: list[str], other: list[str], share: float, size: int, draw: random.Random) -> list[str]:
    """The document with a share of its words taken from another; for 0 one of its sentences."""
    if share == 0:
        place = draw.randrange(len(document))
        return [*document[:place], draw.choice(other), *document[place + 1 :]]
    blank = "" if size else " "
    cut = [units(sentence, size) for sentence in document]
    places = [(i, j) for i, some in enumerate(cut) for j in range(len(some))]
    theirs = [unit for sentence in other for unit in units(sentence, size)]
    for i, j in draw.sample(places, max(1, round(share * len(places)))):
        cut[i][j] = draw.choice(theirs)
    return [blank.join(some) for some in cut]


def pointed(text: str, points: str) -> str:
    """The text with a point on every letter, in turn."""
    made = []
    for number, letter in enumerate(text):
        made.append(letter + (points[number % len(points)] if points and letter.isalpha() else ""))
    return "".join(made)


# ---- in the environment of one of the two checkouts --------------------------------------------------------------


def near(script: Script, documents: list[list[str]], **parameters: int) -> dict[str, float]:
    """Share of edited copies that share a band with the original, and of other passages that do."""
    import numpy as np

    from ablate.stages.minhash_dedup import MinhashDedup

    stage, draw = MinhashDedup(**parameters), random.Random(5)
    first = script.points if script.both else ""
    originals = stage.sketch_many([pointed("\n".join(d), first) for d in documents])
    found: dict[str, float] = {}
    for name, share in EDITS.items():
        hits = []
        for _ in range(3):
            copies = []
            for number, document in enumerate(documents):
                other = documents[(number + draw.randrange(1, len(documents))) % len(documents)]
                copy = "\n".join(edited(document, other, share, script.unit, draw))
                copies.append(pointed(copy, script.points))
            hits.append((stage.sketch_many(copies) == originals).any(axis=1).mean())
        found[name] = float(np.mean(hits))
    alike = (originals[:, None, :] == originals[None, :, :]).any(axis=2)
    np.fill_diagonal(alike, False)
    found["others"] = float(alike.sum() / max(1, alike.size - len(alike)))
    return found


def plain(text: str) -> str:
    """What of a short line a reader of its script takes for its letters."""
    made = unicodedata.normalize("NFD", text.lower())
    kept = [c for c in made if c.isalpha() or (unicodedata.category(c)[0] == "M" and not _optional(c))]
    return "".join(kept)


def _optional(mark: str) -> bool:
    return unicodedata.name(mark, "").split()[0] in ("COMBINING", "ARABIC", "HEBREW", "SYRIAC")


def lines(script: Script, documents: list[list[str]]) -> dict[str, float]:
    """Share of lines found again with another end and case, and of short lines taken for another one."""
    import numpy as np

    from ablate.stages.line_dedup import LineDedup

    stage, first = LineDedup(), script.points if script.both else ""
    whole = [sentence for document in documents for sentence in document]
    ours = [s.tolist() for s in stage.sketch_many([pointed(s, first) for s in whole])]
    theirs = [
        s.tolist() for s in stage.sketch_many([pointed(f"- {s.upper()} »", script.points) for s in whole])
    ]
    short: dict[str, str] = {}
    for sentence in whole:
        for unit in units(sentence, script.unit):
            if len(letters := plain(unit)) > 1:
                short.setdefault(letters, unit)
    hashes = np.array([s[0] if s.size else 0 for s in stage.sketch_many([u.strip() for u in short.values()])])
    _, where, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    return {
        "found": float(np.mean([a == b for a, b in zip(ours, theirs, strict=True)])),
        "mistaken": float(np.mean((counts[where] > 1) | (hashes == 0))),
    }


def leaks(script: Script, documents: list[list[str]]) -> dict[str, float]:
    """Method -> share of items found where they stand in another passage, and of clean passages with a hit."""
    from ablate.stages._references import References
    from ablate.stages.decontamination import NGRAM, RATIO, FindItems

    draw, first = random.Random(6), script.points if script.both else ""
    half = len(documents) // 2
    questions = [sentence for document in documents[:half] for sentence in document]
    questions = [q for q in questions if len(units(q, script.unit)) >= 12][:100]
    found: dict[str, float] = {"items": len(questions)}
    clean = [pointed("\n".join(document), script.points) for document in documents[half:]]
    for method in METHODS:
        references = References.of([pointed(q, first) for q in questions], NGRAM[method], 8)
        names = {item: number for number, (_, item) in enumerate(references.names)}
        finder = FindItems(
            references=references, in_order=method == "cosmopedia", ratio=RATIO.get(method, 0.0)
        )
        hits = 0
        for number, question in enumerate(questions):
            around = draw.choice(documents[half:])
            text = pointed("\n".join([*around[:5], f"({question})", *around[5:]]), script.points)
            given = {one.reference for one in finder.found(text) if finder.given_away(one.share)}
            hits += names.get(str(number), -1) in given
        found[method] = hits / max(1, len(questions))
        false = [any(finder.given_away(one.share) for one in finder.found(text)) for text in clean]
        found[f"{method}, clean"] = sum(false) / max(1, len(false))
    return found


def chance(data: Path, script: Script) -> dict[str, float]:
    """Share of passages that have an n-gram of another passage: n = 13 of its words, and of as much text as 13 words."""
    import numpy as np

    from ablate.text.text_norm import gram_hashes, said, words

    texts = [sentence for document in passages(data, script) for sentence in document]
    if script.file == SENTENCES:
        with gzip.open(data / "text" / f"{XQUAD}.jsonl.gz", "rt", encoding="utf-8") as rows:
            texts += [r["text"] for r in map(json.loads, rows) if r["language"] == script.language]
    found = {}
    every = [word for text in texts for word in words(text)]
    for name, n in (("13 pieces", 13), ("13 words' worth", round(13 * len(every) / said(every)))):
        grams = [np.unique(gram_hashes(text, n)) for text in texts]
        values, counts = np.unique(np.concatenate(grams), return_counts=True)
        twice = values[counts > 1]
        long = [some for some in grams if some.size]
        found[name] = float(np.mean([np.isin(some, twice).any() for some in long])) if long else 0.0
    return found


def figures(data: Path) -> dict[str, Any]:
    """Everything of one checkout."""
    found: dict[str, Any] = {}
    for name, script in SCRIPTS.items():
        documents = passages(data, script)
        found[name] = {
            "documents": len(documents),
            "near": near(script, documents),
            "lines": lines(script, documents),
            "leaks": leaks(script, documents),
        }
        try:
            import ablate.text.scripts  # noqa: F401
        except ImportError:
            continue
        found[name]["choices"] = {str(n): near(script, documents, ngram=n) for n in (3, 5, 8, 13)}
        found[name]["chance"] = chance(data, script)
    return found


def speed(data: Path) -> dict[str, float]:
    """Processor seconds for the Latin texts, after one pass over some of them."""
    from ablate.stages.line_dedup import LineDedup
    from ablate.stages.minhash_dedup import MinhashDedup

    texts = []
    for name in SPEED_FILES:
        with gzip.open(data / "text" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as rows:
            some = [json.loads(row)["text"][:100_000] for row in rows]
        texts += some[:: max(1, len(some) // 300)]
    found = {"characters": float(sum(map(len, texts)))}
    stages: dict[str, Callable[[list[str]], Any]] = {
        "MinHash": MinhashDedup().sketch_many,
        "lines": LineDedup().sketch_many,
        "three sentences": LineDedup(unit="three_sentences").sketch_many,
    }
    for name, work in stages.items():
        work(texts[:50])
        begun = time.process_time()
        work(texts)
        found[name] = time.process_time() - begun
    return found


# ---- the page ----------------------------------------------------------------------------------------------------


def under(tree: Path, data: Path, mode: str) -> Any:
    """What this script prints with a checkout first on the path."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [sys.executable, __file__, "--data", str(data), "--figures", mode, "--out", file.name]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(tree.resolve())})
        return json.loads(Path(file.name).read_text())


def percent(value: float) -> str:
    return f"{100 * value:.1f}" if 0 < value < 0.1 else f"{100 * value:.0f}"


def both(before: float, after: float) -> str:
    return f"{percent(before)} → {percent(after)}"


def table(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(header) + " |"
    yield "| :-- |" + " --: |" * (len(header) - 1)
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def page(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    def rows(part: str, columns: list[str]) -> list[list[str]]:
        return [
            [name, *(both(before[name][part][c], after[name][part][c]) for c in columns)] for name in SCRIPTS
        ]

    yield "## Near-duplicates\n"
    yield "Per cent of copies of a passage that share a band of `minhash_dedup` (5-grams, 14 bands of 8) with it; last, of pairs of other passages.\n"
    body = [[r[0], str(after[r[0]]["documents"]), *r[1:]] for r in rows("near", [*EDITS, "others"])]
    yield from table(["script", "passages", *EDITS, "others"], body)
    yield "## Lines\n"
    yield "Per cent of lines found again by `line_dedup` with other marks around and in capitals, and of different short lines (a word, or as many characters) that are taken for another or for empty.\n"
    yield from table(["script", "found", "mistaken"], rows("lines", ["found", "mistaken"]))
    yield "## Planted leaks\n"
    yield "Per cent of items (sentences of 12 words or more) found where they stand in another passage, and of clean passages that are said to give one away.\n"
    columns = [column for method in METHODS for column in (method, f"{method}, clean")]
    body = [[r[0], str(int(after[r[0]]["leaks"]["items"])), *r[1:]] for r in rows("leaks", columns)]
    yield from table(["script", "items", *columns], body)
    yield "## The choice of segments\n"
    yield "Recall of near-duplicates with 5 % of words edited, in per cent, by the length of the n-gram; then per cent of sentences and paragraphs that share an n-gram with another by chance, for 13 pieces (a character in scripts without blanks) and for as many as 13 words say.\n"
    sizes = ["3", "5", "8", "13"]
    chances = ["13 pieces", "13 words' worth"]
    body = [
        [
            name,
            *(percent(after[name]["choices"][n]["5 % of words"]) for n in sizes),
            *(f"{100 * after[name]['chance'][c]:.2f}" for c in chances),
        ]
        for name in SCRIPTS
    ]
    yield from table(["script", *(f"n = {n}" for n in sizes), *chances], body)


def speeds(before: list[dict[str, float]], after: list[dict[str, float]]) -> Iterator[str]:
    yield f"{before[0]['characters'] / 1e6:.1f} million characters of Latin text; processor time, {len(before)} rounds, before and after in turn.\n"
    body = []
    for name in [key for key in before[0] if key != "characters"]:
        ratios = [b[name] / a[name] for a, b in zip(before, after, strict=True)]
        rates = [
            one[0]["characters"] / 1e6 / statistics.median(r[name] for r in one) for one in (before, after)
        ]
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        body.append([name, f"{rates[0]:.1f}", f"{rates[1]:.1f}", spread])
    yield from table(["stage", "before, million characters/s", "after", "time, after / before"], body)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--before", type=Path, help="the other checkout")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--speed", action="store_true", help="time Latin text instead")
    parser.add_argument("--figures", choices=["recall", "speed"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.figures:
        found = figures(options.data) if options.figures == "recall" else speed(options.data)
        options.out.write_text(json.dumps(found))
        return
    if options.before is None:
        parser.error("--before: the checkout to compare with is missing")
    if options.speed:
        pairs = [
            [under(tree, options.data, "speed") for tree in (options.before, ROOT)] for _ in range(ROUNDS)
        ]
        title, body = "Speed on Latin text, before and after", speeds(*map(list, zip(*pairs, strict=True)))
    else:
        title = "Near-duplicates, lines and leaks in many scripts"
        body = page(*(under(tree, options.data, "recall") for tree in (options.before, ROOT)))
    flag = " --speed" if options.speed else ""
    command = f"`python results/benchmarks/scripts.py --data ../shared/data --before ../before{flag}`; before: d76f06e."
    options.out.write_text("\n".join([f"# {title}\n", f"{command}\n", *body]))


if __name__ == "__main__":
    main()
