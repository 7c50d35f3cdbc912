"""A task's requests, rendered and tokenised once and kept: what does not depend on the model.

lm-eval builds the requests; this module keeps their tokens and all that its metrics need of the
documents (right answers, lengths), so that a checkpoint costs forward passes and arithmetic. Tasks with
code of their own (`process_results`, generation, filters, several right answers) keep lm-eval's task
object instead, and are built anew in each process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.metadata import version
from typing import Any, NotRequired, TypedDict

import numpy as np

from ablate.evaluate.building import Built, build
from ablate.evaluate.task_source import TaskSource
from ablate.fingerprint import digest
from ablate.plain import Plain
from ablate.store import Store, atomic, once, read_json, write_json
from ablate.text.encoder import encode_texts

REQUESTS_FORMAT = 3
PLAIN = {
    "multiple_choice": {"acc", "acc_norm", "acc_bytes"},
    "loglikelihood": {"acc", "perplexity"},
    "loglikelihood_rolling": {"word_perplexity", "byte_perplexity", "bits_per_byte"},
}
"""Kinds of task and lm-eval's metrics of them that `metrics.py` computes from the arrays alone."""


class TaskInfo(TypedDict):
    """What records say of a task.

    Attributes:
        chance: metric -> score of a guess, where that is known.
        n_items: how many are scored.
        examples: in every prompt; absent where nothing is asked.
        digest: of what is asked and how it is scored.
        higher_is_better: metric -> direction.
        cut, no_answer: items that lost the beginning of their prompt, and that name no right answer.
    """

    chance: dict[str, float]
    n_items: int
    examples: NotRequired[int]
    digest: str
    higher_is_better: dict[str, bool]
    cut: NotRequired[int]
    no_answer: NotRequired[int]


@dataclass(frozen=True, eq=False)
class Sequences:
    """Token sequences of which an ending is scored.

    Attributes:
        tokens: all of them, one after another, int32.
        bounds: shape (n + 1,): where each begins.
        start: shape (n,): the first token of each that is scored, 1 or more.
    """

    tokens: np.ndarray
    bounds: np.ndarray
    start: np.ndarray

    def __len__(self) -> int:
        return self.start.size

    @classmethod
    def of(cls, pairs: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Sequences:
        """From context and ending of each."""
        whole, starts = [], []
        for before, after in pairs:
            whole.append(np.asarray([*before, *after], dtype=np.int32))
            starts.append(len(before))
        sizes = [part.size for part in whole]
        tokens = np.concatenate(whole) if whole else np.empty(0, dtype=np.int32)
        return cls(
            tokens,
            np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]),
            np.asarray(starts, dtype=np.int64),
        )

    @classmethod
    def joined(cls, parts: Sequence[Sequences]) -> Sequences:
        """One after another."""
        offsets = np.cumsum([0, *(part.bounds[-1] for part in parts)])
        bounds = [part.bounds[:-1] + offset for part, offset in zip(parts, offsets, strict=False)]
        return cls(
            np.concatenate([part.tokens for part in parts]),
            np.concatenate([*bounds, offsets[-1:]]),
            np.concatenate([part.start for part in parts]),
        )

    def too_long(self, context: int) -> np.ndarray:
        """Shape (n,), bool: which of them `cut` shortens."""
        return np.diff(self.bounds) > context + 1

    def cut(self, context: int) -> Sequences:
        """The last `context` + 1 tokens of each, as lm-eval cuts what a model cannot read."""
        sizes = np.diff(self.bounds)
        keep = np.minimum(sizes, context + 1)
        bounds = np.concatenate([[0], np.cumsum(keep)])
        shift = np.repeat(self.bounds[1:] - bounds[1:], keep)
        return Sequences(
            self.tokens[np.arange(bounds[-1]) + shift], bounds, np.maximum(self.start - (sizes - keep), 1)
        )


@dataclass(frozen=True, eq=False)
class TaskRequests:
    """One task, ready to be scored.

    Attributes:
        name, kind: kind is lm-eval's output type.
        info: what records say of a task: chance, n_items, examples, digest, higher_is_better.
        aggregations: lm-eval's metric -> the name of lm-eval's aggregation.
        ids: shape (n_docs,): the items' names.
        gold: shape (n_docs,): the right choice; -1 where the task names none among them.
        sequences: of all requests, choices of a document together, in order; for a rolling task of whole
            texts, windows of which are made for each model's context.
        doc: shape (n_requests,): whose each is.
        n_chars, n_bytes: shape (n_requests,): length of each choice as lm-eval's normalised accuracies use it.
        ending_bytes: shape (n_requests,): UTF-8 bytes scored, the leading blank included.
        n_words: shape (n_docs,): of a rolling task's text.
    """

    name: str
    kind: str
    info: TaskInfo
    aggregations: dict[str, str]
    ids: np.ndarray
    gold: np.ndarray
    sequences: Sequences
    doc: np.ndarray
    n_chars: np.ndarray
    n_bytes: np.ndarray
    ending_bytes: np.ndarray
    n_words: np.ndarray

    @property
    def no_answer(self) -> int:
        """Items that name no right answer among their choices."""
        return int((self.gold < 0).sum()) if self.kind == "multiple_choice" else 0

    def cut_items(self, context: int) -> int:
        """Items of which a prompt is longer than a model of this context reads."""
        return np.unique(self.doc[self.sequences.too_long(context)]).size


ARRAYS = ("gold", "doc", "n_chars", "n_bytes", "ending_bytes", "n_words")


def requests_of(source: TaskSource, tokenizer: Any, store: Store | None) -> TaskRequests | None:
    """A task's requests, from the store when they are there; None for a task with code of its own."""
    return _stored({"task": source.digest}, source.name, lambda: _build(source, tokenizer), tokenizer, store)


def heldout_digest(texts: Sequence[str]) -> str:
    """Names the texts."""
    return digest([1, list(texts)])


def heldout_requests(name: str, texts: Sequence[str], tokenizer: Any, store: Store | None) -> TaskRequests:
    """Whole texts, scored by bits per byte: total bits over total bytes."""
    key = heldout_digest(texts)

    def build() -> TaskRequests:
        sizes = np.asarray([len(text.encode()) for text in texts], dtype=np.int64)
        info: TaskInfo = {
            "chance": {},
            "n_items": len(texts),
            "digest": key,
            "higher_is_better": {"bpb": False},
        }
        count = np.arange(len(texts))
        return TaskRequests(
            name,
            "heldout",
            info,
            {},
            count.astype(str).astype(object),
            np.full(len(texts), -1),
            Sequences.of([([], ids) for ids in encode_texts(tokenizer, texts)]),
            count,
            sizes,
            sizes,
            sizes,
            np.zeros(len(texts), dtype=np.int64),
        )

    made = _stored({"heldout": key}, name, build, tokenizer, store)
    assert made is not None
    return made


def _stored(
    of: dict[str, Plain],
    name: str,
    build: Callable[[], TaskRequests | None],
    tokenizer: Any,
    store: Store | None,
) -> TaskRequests | None:
    if store is None:
        return build()
    identity: dict[str, Plain] = {
        "format": REQUESTS_FORMAT,
        **of,
        "tokenizer": tokenizer_digest(tokenizer),
        "lm_eval": version("lm_eval"),
    }
    folder = store.folder("requests", digest(identity), identity)
    about, arrays = folder / "task.json", folder / "requests.npz"

    def make() -> None:
        made = build()
        with atomic(arrays, seal=True) as part, part.open("wb") as file:
            if made is not None:
                sequences = {field.name: getattr(made.sequences, field.name) for field in fields(Sequences)}
                np.savez(file, **sequences, **{array: getattr(made, array) for array in ARRAYS})
        # Not the name: two tasks may have the same items.
        described = (
            None
            if made is None
            else {
                "kind": made.kind,
                "info": made.info,
                "aggregations": made.aggregations,
                "ids": made.ids.tolist(),
            }
        )
        write_json(about, described, seal=True)

    once(f"rendering the requests of {name}", make, arrays, about)
    described: dict[str, Any] | None = read_json(about)
    if described is None:
        return None
    with np.load(arrays) as stored:
        kept = dict(stored)
    sequences = Sequences(*(kept.pop(field.name) for field in fields(Sequences)))
    ids = np.asarray(described.pop("ids"), dtype=object)
    return TaskRequests(name=name, ids=ids, sequences=sequences, **described, **kept)


def _build(source: TaskSource, tokenizer: Any) -> TaskRequests | None:
    task = source.task
    aggregations = aggregations_of(task)
    if aggregations is None:
        return None
    built = build(source)
    instances, docs = built.instances, [own[0].doc for own in built.documents]
    sizes = [len(own) for own in built.documents]
    doc = np.repeat(np.arange(len(docs)), sizes)
    kind = task.OUTPUT_TYPE
    n_words = np.zeros(len(docs), dtype=np.int64)
    gold = np.full(len(docs), -1, dtype=np.int64)
    if kind == "loglikelihood_rolling":
        endings = [instance.args[0] for instance in instances]
        sequences = Sequences.of([([], ids) for ids in encode_texts(tokenizer, endings)])
        texts = [task.doc_to_target(d) for d in docs]
        n_bytes = np.asarray([task.count_bytes(text) for text in texts], dtype=np.int64)
        n_words = np.asarray([task.count_words(text) for text in texts], dtype=np.int64)
        n_chars = np.asarray([len(text) for text in texts], dtype=np.int64)
    else:
        endings = [instance.args[1] for instance in instances]
        sequences = Sequences.of(encode_pairs(tokenizer, [tuple(i.args[:2]) for i in instances]))
        choices = endings
        if kind == "multiple_choice":
            choices = [choice for d in docs for choice in task.doc_to_choice(d)]
            gold = np.asarray([_gold(task, d) for d in docs], dtype=np.int64)
        n_chars = np.asarray([len(choice) for choice in choices], dtype=np.int64)
        n_bytes = np.asarray([len(choice.encode()) for choice in choices], dtype=np.int64)
    return TaskRequests(
        name=source.name,
        kind=kind,
        info=info_of(source, built),
        aggregations=aggregations,
        ids=np.asarray(built.ids, dtype=object),
        gold=gold,
        sequences=sequences,
        doc=doc,
        n_chars=n_chars,
        n_bytes=n_bytes,
        n_words=n_words,
        ending_bytes=np.asarray([len(ending.encode()) for ending in endings], dtype=np.int64),
    )


def info_of(source: TaskSource, built: Built) -> TaskInfo:
    """What records say of a task; items and examples as its requests have them."""
    task = source.task
    better = {metric: bool(task.higher_is_better()[metric]) for metric in task.aggregation()}
    chance: dict[str, float] = {}
    if task.OUTPUT_TYPE == "multiple_choice":
        better |= {"prob": True, "bpb": False}
        asked_twice = 2 if "acc_mutual_info" in better else 1  # each choice also without the question
        level = float(np.mean([asked_twice / len(own) for own in built.documents]))
        chance = {name: level for name in ("acc", "acc_norm", "acc_bytes", "prob") if name in better}
    elif task.OUTPUT_TYPE == "loglikelihood":
        better |= {"bpb": False}
        chance = {"acc": 0.0} if "acc" in better else {}
    elif task.OUTPUT_TYPE == "generate_until":
        chance = {name: 0.0 for name in ("exact_match", "acc", "f1", "em", "contains") if name in better}
    return {
        "chance": chance,
        "n_items": len(built.documents),
        "examples": built.examples,
        "digest": source.digest,
        "higher_is_better": better,
    }


def aggregations_of(task: Any) -> dict[str, str] | None:
    """lm-eval's aggregation of each metric by name; None unless the arrays tell all that is needed."""
    from lm_eval.api.registry import AGGREGATION_REGISTRY
    from lm_eval.api.task import ConfigurableTask

    own = callable(task.config.process_results) or task.config.filter_list or task.config.repeats != 1
    if own or type(task).process_results is not ConfigurableTask.process_results:
        return None
    found = task.aggregation()
    if task.multiple_target or not set(found) <= PLAIN.get(task.OUTPUT_TYPE, set()):
        return None
    names = {}
    for metric, function in found.items():
        known = [name for name, entry in AGGREGATION_REGISTRY.items() if entry is function]
        if not known:
            return None
        names[metric] = known[0]
    return names


def lacks_answer(task: Any, doc: Any) -> bool:
    """Whether an item of multiple choice names nothing among its choices as right."""
    gold = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    choices = task.doc_to_choice(doc)
    named = [gold] if isinstance(gold, str) or not isinstance(gold, Iterable) else list(gold)
    return not any(one in choices if isinstance(one, str) else 0 <= int(one) < len(choices) for one in named)


def _gold(task: Any, doc: Any) -> int:
    gold = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    choices = task.doc_to_choice(doc)
    if isinstance(gold, str):
        return choices.index(gold) if gold in choices else -1
    return int(gold) if 0 <= int(gold) < len(choices) else -1


def encode_pairs(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
    """Token ids of context and ending, as lm-eval's `TemplateLM` makes them.

    Blanks at the end of the context belong to the ending. The ending is what the whole has beyond the
    context's own number of tokens; the context is encoded alone, which may differ from the whole's
    beginning. Before an ending without context, or with blanks for one, stands the end-of-text token.
    """
    whole = encode_texts(tokenizer, [context + ending for context, ending in pairs])
    starts = [context.rstrip() for context, _ in pairs]
    distinct = list(dict.fromkeys(starts))
    contexts = dict(zip(distinct, encode_texts(tokenizer, distinct), strict=True))
    prefix = int(tokenizer.eos_token_id)
    out = []
    for start, ids in zip(starts, whole, strict=True):
        if start:
            out.append((contexts[start], ids[len(contexts[start]) :]))
        else:
            out.append(([prefix], ids))
    return out


def rolling_windows(sequences: Sequences, context: int, prefix: int) -> tuple[Sequences, np.ndarray]:
    """Windows that score whole texts, as lm-eval makes them, and the text each belongs to."""
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    pairs, owner = [], []
    for number, (begin, end) in enumerate(zip(sequences.bounds[:-1], sequences.bounds[1:], strict=True)):
        windows = get_rolling_token_windows(
            token_list=sequences.tokens[begin:end].tolist(),
            prefix_token=prefix,
            max_seq_len=context,
            context_len=1,
        )
        for window in map(make_disjoint_window, windows):
            pairs.append(window)
            owner.append(number)
    return Sequences.of(pairs), np.asarray(owner, dtype=np.int64)


@lru_cache(maxsize=4)
def tokenizer_digest(tokenizer: Any) -> str:
    """What of a tokenizer changes the tokens."""
    return digest([tokenizer.backend_tokenizer.to_str(), int(tokenizer.eos_token_id)])
