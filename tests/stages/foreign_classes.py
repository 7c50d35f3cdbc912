"""Classes with datatrove's interface, as a user would write them; run in a process of their own by the tests."""

import os
import random
import time


class LongWords:
    """Keeps texts whose longest word has at least so many letters."""

    def __init__(self, least: int = 4) -> None:
        self.least = least

    def filter(self, doc):  # type: ignore[no-untyped-def]
        words = doc.text.split()
        if not words:
            return False, "no_words"
        return (True, None) if max(map(len, words)) >= self.least else (False, "short_words")


class Plain:
    """Gives true or false without a reason, and prints, which is no answer."""

    def filter(self, doc):  # type: ignore[no-untyped-def]
        print("judging")
        os.write(1, b"from C\n")
        return "x" in doc.text


class Lines:
    """Rewrites what it keeps, as C4's filter does."""

    def filter(self, doc):  # type: ignore[no-untyped-def]
        lines = [line for line in doc.text.splitlines() if line.endswith(".")]
        if not lines:
            return False, "no_lines"
        doc.text = "\n".join(lines)
        return True


class Empties:
    """Leaves nothing of what it drops, as datatrove's fastText filter does."""

    def filter(self, doc):  # type: ignore[no-untyped-def]
        if "good" in doc.text:
            return True
        doc.text = ""
        return False


class Upper:
    """A formatter."""

    def format(self, text):  # type: ignore[no-untyped-def]
        return text.upper()


class Bad:
    """Does what it is told to, by the text."""

    def filter(self, doc):  # type: ignore[no-untyped-def]
        if "raise" in doc.text:
            return 1 / 0
        if "die" in doc.text:
            os.kill(os.getpid(), 9)
        if "hang" in doc.text:
            time.sleep(3600)
        return "draw" not in doc.text or random.random()


class Draws:
    """Is a matter of chance."""

    def filter(self, doc):  # type: ignore[no-untyped-def]
        return False, f"{random.random()}"


class Counts:
    """Remembers."""

    def __init__(self) -> None:
        self.seen = 0

    def format(self, text):  # type: ignore[no-untyped-def]
        self.seen += "rare" in text
        return f"{text}{self.seen}"


class Hosts:
    """Reads the address."""

    def __init__(self, bad: "tuple[str, ...]" = ()) -> None:
        self.bad = bad

    def filter(self, doc):  # type: ignore[no-untyped-def]
        return not doc.metadata["url"].endswith(self.bad), "bad_host"


class Reads:
    """Takes its words from a file."""

    def __init__(self, path: str) -> None:
        with open(path) as file:
            self.words = file.read().split()

    def filter(self, doc):  # type: ignore[no-untyped-def]
        return any(word in doc.text for word in self.words)


class JuicerLength:
    """A filter as Data-Juicer has them."""

    text_key = "text"

    def __init__(self, least: int = 4) -> None:
        self.least = least

    def compute_stats_batched(self, samples):  # type: ignore[no-untyped-def]
        for text, stats in zip(samples["text"], samples["__dj__stats__"], strict=True):
            stats["length"] = len("".join(text.split()))
        return samples

    def process_batched(self, samples):  # type: ignore[no-untyped-def]
        return map(lambda stats: stats["length"] >= self.least, samples["__dj__stats__"])


class JuicerStrip:
    """A mapper as Data-Juicer has them; one that augments gives more texts than it got."""

    text_key = "text"

    def __init__(self, copies: int = 1) -> None:
        self.copies = copies

    def process_batched(self, samples):  # type: ignore[no-untyped-def]
        return {"text": [text.strip() for text in samples["text"]] * self.copies}


class Neither:
    """Neither a filter nor a formatter."""
