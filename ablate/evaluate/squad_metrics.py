"""SQuAD's exact match and F1, where lm-eval expects to find them.

lm-eval's CoQA imports them from `transformers`, which has them no longer since version 5. Source: the evaluation
script of SQuAD 2.0 (Rajpurkar et al. 2018, arXiv 1806.03822): lower case, without punctuation, articles and
superfluous blanks; F1 of the words that prediction and answer share.
"""

from __future__ import annotations

import re
import string
import sys
from collections import Counter
from importlib.util import find_spec
from types import ModuleType

HOME = "transformers.data.metrics"
ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalize_answer(text: str) -> str:
    """An answer as it is compared."""
    kept = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(ARTICLES.sub(" ", kept).split())


def compute_exact(a_gold: str, a_pred: str) -> int:
    """1 for the same answer, else 0."""
    return int(normalize_answer(a_gold) == normalize_answer(a_pred))


def compute_f1(a_gold: str, a_pred: str) -> float:
    """Harmonic mean of the shares of words in common; 1 where both have none, 0 where one has none."""
    gold, predicted = normalize_answer(a_gold).split(), normalize_answer(a_pred).split()
    if not gold or not predicted:
        return float(gold == predicted)
    common = sum((Counter(gold) & Counter(predicted)).values())
    return 2 * common / (len(gold) + len(predicted))


def stand_in() -> None:
    """Put this module where lm-eval looks, unless there is one."""
    name = f"{HOME}.squad_metrics"
    if HOME in sys.modules or find_spec(HOME) is not None:
        return
    parent = ModuleType(HOME)
    parent.__path__ = []
    setattr(parent, "squad_metrics", sys.modules[__name__])  # noqa: B010
    sys.modules[HOME], sys.modules[name] = parent, sys.modules[__name__]
