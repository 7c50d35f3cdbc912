"""Tasks with code of their own: lm-eval's task object turns answers into scores, and models generate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from ablate.errors import ConfigError, DataError
from ablate.evaluate.building import Built, build
from ablate.evaluate.metrics import SMOOTH, TaskScores, finite
from ablate.evaluate.requests import Sequences, encode_pairs, info_of, lacks_answer
from ablate.evaluate.task_source import TaskSource
from ablate.text.encoder import encode_texts

GENERATED_TOKENS = 256
"""Tokens that are generated where a task does not say: lm-eval's own default."""
ROWS_AT_ONCE = 64
"""Prompts that are continued together."""
HAIR = 1e-9
"""What makes one of several equal log-likelihoods the highest: far less than two that differ are apart."""


class LmEvalTask:
    """A task that only lm-eval can score, with its requests built once in this process.

    Attributes:
        name, info, ids, sequences: see `TaskRequests`; the sequences are those of the requests whose
            log-likelihood is wanted, of whole texts for a rolling task.
        kind: "own", or "own_rolling" where log-likelihoods of whole texts are wanted.
    """

    def __init__(self, source: TaskSource, tokenizer: Any) -> None:
        self.name, self.task, self.tokenizer = source.name, source.task, tokenizer
        built = build(source)
        self.documents, self.kind = built.documents, _kind(self.name, built)
        self.likelihoods = [i for i in built.instances if i.request_type != "generate_until"]
        self.generations = [i for i in built.instances if i.request_type == "generate_until"]
        if self.kind == "own_rolling":
            texts = encode_texts(tokenizer, [i.args[0] for i in self.likelihoods])
            self.sequences = Sequences.of([([], ids) for ids in texts])
        else:
            pairs = [tuple(i.args[:2]) for i in self.likelihoods]
            self.sequences = Sequences.of(encode_pairs(tokenizer, pairs))
        self.ids = np.asarray(built.ids, dtype=object)
        self.info = info_of(source, built)
        if self.task.OUTPUT_TYPE in ("multiple_choice", "loglikelihood"):
            self.info["higher_is_better"] = {
                metric: better
                for metric, better in self.info["higher_is_better"].items()
                if metric not in SMOOTH
            }
            self.info["chance"].pop("prob", None)

    @property
    def no_answer(self) -> int:
        """Items that name no right answer among their choices."""
        if self.task.OUTPUT_TYPE != "multiple_choice":
            return 0
        return sum(lacks_answer(self.task, own[0].doc) for own in self.documents)

    def cut_items(self, context: int) -> int:
        """Items of which a prompt is longer than a model of this context reads."""
        likelihood = iter(self.sequences.too_long(context).tolist())
        asked = [tuple(i.args[:2]) for i in self.generations]
        generation = iter(
            [
                len(ids) > room
                for ids, room in zip(
                    encode_texts(self.tokenizer, [prompt for prompt, _ in asked]),
                    [context - length for length in generated_lengths(asked, context)],
                    strict=True,
                )
            ]
        )
        long = [
            [next(generation if i.request_type == "generate_until" else likelihood) for i in own]
            for own in self.documents
        ]
        return sum(map(any, long))

    def score(self, model: Any, values: np.ndarray, greedy: np.ndarray, context: int) -> TaskScores:
        """Hand lm-eval the answers; its task computes and aggregates the metrics."""
        texts = generate(model, self.tokenizer, [tuple(i.args[:2]) for i in self.generations], context)
        answers: list[Any] = values.tolist()
        if self.kind == "own":
            answers = list(zip(answers, greedy.tolist(), strict=True))
        for instance, answer in zip(self.likelihoods, answers, strict=True):
            instance.resps, instance.filtered_resps = [answer], {}
        for instance, text in zip(self.generations, texts, strict=True):
            instance.resps, instance.filtered_resps = [text] * instance.repeats, {}
        return scores_of(self.task, self.documents)


def rehearse(name: str, task: Any, built: Built) -> None:
    """Score a task with made-up answers, so that what cannot be scored is known before anything is trained.

    Raises:
        ConfigError, DataError: when it cannot.
    """
    kind = _kind(name, built)
    for number, instance in enumerate(built.instances):
        if instance.request_type == "generate_until":
            check_greedy(name, instance.args[1])
            instance.resps = [""] * instance.repeats
        else:
            value = -1.0 - number % 7
            instance.resps = [value if kind == "own_rolling" else (value, False)]
        instance.filtered_resps = {}
    try:
        scores_of(task, built.documents)
    except Exception as error:
        raise DataError(
            f"evaluate.tasks: {name!r} cannot be scored ({type(error).__name__}: {' '.join(str(error).split())[:300]}); "
            "mend its data or definition, or leave it out"
        ) from error


def _kind(name: str, built: Built) -> str:
    kinds = {instance.request_type for instance in built.instances}
    if kinds == {"loglikelihood_rolling"}:
        return "own_rolling"
    if not kinds <= {"loglikelihood", "generate_until"}:
        raise ConfigError(
            f"evaluate.tasks: {name!r} asks for {', '.join(sorted(kinds))} with code of its own, which is not "
            "supported; log-likelihoods of endings or of whole texts, and greedy generation, are"
        )
    return "own"


def scores_of(task: Any, documents: Sequence[Sequence[Any]]) -> TaskScores:
    """What lm-eval's own code makes of the answers that the instances hold.

    Where several choices are likeliest, its accuracies take the first of them; here they are the mean over
    all of these, each made the likeliest by a hair in its turn.
    """
    task.apply_filters()
    collected: dict[str, list[Any]] = defaultdict(list)
    items: dict[str, np.ndarray] = {}
    for number, instances in enumerate(documents):
        key = next(iter(instances[0].filtered_resps))
        doc, answers = instances[0].doc, [instance.filtered_resps[key] for instance in instances]
        found = dict(task.process_results(doc, answers))
        if task.OUTPUT_TYPE == "multiple_choice":
            found |= _ties_shared(task, doc, answers, set(found))
        for metric, value in found.items():
            collected[metric].append(value)
            if isinstance(value, (bool, int, float, np.number)):
                column = items.setdefault(metric, np.full(len(documents), np.nan))
                column[number] = float(value)
    aggregate = task.aggregation()
    summary: dict[str, float] = {}
    missing: dict[str, str] = {}
    for metric, entries in collected.items():
        if metric in aggregate:
            finite(metric, partial(aggregate[metric], entries), summary, missing)
    return TaskScores(summary, items, missing)


def _ties_shared(task: Any, doc: Any, answers: list[Any], metrics: set[str]) -> dict[str, float]:
    """Accuracies of an item whose highest score several choices have; empty where none is tied."""
    wanted = metrics & {"acc", "acc_norm", "acc_bytes"}
    choices = list(task.doc_to_choice(doc)) if wanted else []
    if len(choices) != len(answers):
        return {}
    values = np.asarray([value for value, _ in answers], dtype=np.float64)
    sizes = {
        "acc": np.ones(len(choices)),
        "acc_norm": np.asarray([len(choice) for choice in choices], dtype=np.float64),
        "acc_bytes": np.asarray([len(choice.encode()) for choice in choices], dtype=np.float64),
    }
    shared = {}
    for metric in sorted(wanted):
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = values / sizes[metric]
        if (tied := np.flatnonzero(scores == scores.max())).size < 2:
            continue
        found = []
        for choice in tied:
            raised = values.copy()
            raised[choice] += max(abs(raised[choice]) * HAIR, HAIR)
            nudged = [(value, greedy) for value, (_, greedy) in zip(raised.tolist(), answers, strict=True)]
            found.append(float(dict(task.process_results(doc, nudged))[metric]))
        shared[metric] = float(np.mean(found))
    return shared


@torch.inference_mode()
def generate(
    model: Any, tokenizer: Any, requests: Sequence[tuple[str, dict[str, Any]]], context: int
) -> list[str]:
    """Greedy continuations up to a stop text, as lm-eval's HFLM makes them.

    Prompts of like length are continued together. They stand at the left with nothing before them, and
    a causal model sees no padding to the right, so no mask is needed. A continuation ends with the end-of-text
    token, not with text that spells it.

    Args:
        requests: prompt, and lm-eval's generation arguments (`until`, `max_gen_toks`).
        context: longest input of the model; a longer prompt loses its beginning.
    """
    from lm_eval.models.utils import normalize_gen_kwargs

    eos = int(tokenizer.eos_token_id)
    asked = [normalize_gen_kwargs(options, GENERATED_TOKENS) for _, options in requests]
    lengths = generated_lengths(requests, context)
    prompts = encode_texts(tokenizer, [prompt for prompt, _ in requests])
    prompts = [ids[-(context - length) :] or [eos] for ids, length in zip(prompts, lengths, strict=True)]
    stops = [[stop for stop in options["until"] if stop] for options in asked]
    texts = [""] * len(requests)
    order = sorted(range(len(requests)), key=lambda i: -len(prompts[i]))
    for first in range(0, len(order), ROWS_AT_ONCE):
        rows = order[first : first + ROWS_AT_ONCE]
        made = _continue(
            model,
            tokenizer,
            [prompts[i] for i in rows],
            [lengths[i] for i in rows],
            [stops[i] for i in rows],
            eos,
        )
        for row, text in zip(rows, made, strict=True):
            texts[row] = text
    return texts


def generated_lengths(requests: Sequence[tuple[str, dict[str, Any]]], context: int) -> list[int]:
    """Tokens that each request may generate; the rest of the model's context is for its prompt."""
    from lm_eval.models.utils import normalize_gen_kwargs

    asked = [normalize_gen_kwargs(options, GENERATED_TOKENS) for _, options in requests]
    return [min(int(options["max_gen_toks"]), context - 1) for options in asked]


def check_greedy(name: str, options: dict[str, Any]) -> None:
    """Refuse a request for sampled generation.

    Raises:
        ConfigError: names the task.
    """
    from lm_eval.models.utils import normalize_gen_kwargs

    if normalize_gen_kwargs(options, GENERATED_TOKENS).get("do_sample"):
        raise ConfigError(
            f"evaluate.tasks: {name!r} asks for sampled generation; only greedy is supported. Leave it out"
        )


def _continue(
    model: Any, tokenizer: Any, prompts: list[list[int]], lengths: list[int], stops: list[list[str]], eos: int
) -> list[str]:
    device = next(model.parameters()).device
    sizes = torch.tensor([len(ids) for ids in prompts], device=device)
    begin = sizes.clone()
    tokens = torch.full((len(prompts), int(sizes.max()) + max(lengths)), eos, device=device)
    for row, ids in enumerate(prompts):
        tokens[row, : len(ids)] = torch.tensor(ids, device=device)
    texts = [""] * len(prompts)
    open_rows = torch.arange(len(prompts), device=device)
    while open_rows.numel():
        longest = int(sizes[open_rows].max())
        logits = model(input_ids=tokens[open_rows, :longest]).logits
        last = logits[torch.arange(open_rows.numel(), device=device), sizes[open_rows] - 1]
        tokens[open_rows, sizes[open_rows]] = last.argmax(-1)
        sizes[open_rows] += 1
        still = []
        for row in open_rows.tolist():
            made = tokens[row, begin[row] : sizes[row]].tolist()
            written = made[:-1] if made[-1] == eos else made
            texts[row] = str(tokenizer.decode(written, skip_special_tokens=False))
            ends = [place for stop in stops[row] if (place := texts[row].find(stop)) >= 0]
            if ends or made[-1] == eos or len(made) >= lengths[row]:
                texts[row] = texts[row][: min(ends)] if ends else texts[row]
            else:
                still.append(row)
        open_rows = torch.tensor(still, dtype=torch.long, device=device)
    return texts
