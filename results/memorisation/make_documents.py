"""Documents for the memorisation study: 20,000 that occur once, and 5 passages that occur 1,000 times each.

    python results/memorisation/make_documents.py /tmp/memorisation

The first are sentences of the testbed's phrases in random order; a passage is 150 of their words in random order,
so that nobody writes one by knowing the language.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

from ablate.pool.testbed.prose import DID, WHAT, WHEN, WHO

ONCE, PASSAGES, COPIES, WORDS, HELDOUT = 20_000, 5, 1_000, 150, 200


def sentence(rng: Random) -> str:
    who, did, what, when = (rng.choice(phrases) for phrases in (WHO, DID, WHAT, WHEN))
    return f"{who.capitalize()} {did} {what} {when}."


def main() -> None:
    folder, rng = Path(sys.argv[1]), Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    once = [" ".join(sentence(rng) for _ in range(5)) for _ in range(ONCE + HELDOUT)]
    words = sorted(
        {word for phrases in (WHO, DID, WHAT, WHEN) for phrase in phrases for word in phrase.split()}
    )
    passages = [" ".join(rng.choices(words, k=WORDS)) for _ in range(PASSAGES)]
    documents = once[HELDOUT:] + [passage for passage in passages for _ in range(COPIES)]
    rng.shuffle(documents)
    lines = [
        json.dumps({"text": text, "url": f"https://made.example/{i}"}) for i, text in enumerate(documents)
    ]
    (folder / "documents.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "heldout.txt").write_text("\n\n".join(once[:HELDOUT]) + "\n")


if __name__ == "__main__":
    main()
