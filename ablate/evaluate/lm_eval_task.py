"""Tasks with code of their own: lm-eval's task object turns answers into scores, and models generate."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ablate.errors import ConfigError
from ablate.evaluate.metrics import SMOOTH, TaskScores
from ablate.evaluate.requests import Sequences, build_instances, encode_pairs, info_of
from ablate.evaluate.tasks import TaskSource
from ablate.text.encoder import encode_texts

logging.getLogger("lm_eval").setLevel(logging.ERROR)

GENERATED_TOKENS = 256
"""Tokens that are generated where a task does not say: lm-eval's own default."""
ROWS_AT_ONCE = 64
"""Prompts that are continued together."""


class LmEvalTask:
    """A task that only lm-eval can score, with its requests built once in this process.

    Attributes:
        name, info, ids, sequences: see `TaskRequests`; the sequences are those of the requests whose
            log-likelihood is wanted.
    """

    kind = "own"

    def __init__(self, source: TaskSource, tokenizer: Any) -> None:
        self.name, self.task, self.tokenizer = source.name, source.task, tokenizer
        instances = build_instances(source)
        self.by_doc: dict[int, list[Any]] = defaultdict(list)
        for instance in instances:
            self.by_doc[instance.doc_id].append(instance)
        for own in self.by_doc.values():
            own.sort(key=lambda instance: instance.idx)
        kinds = {instance.request_type for instance in instances}
        if not kinds <= {"loglikelihood", "generate_until"}:
            raise ConfigError(
                f"evaluate.tasks: {self.name!r} asks for {', '.join(sorted(kinds))} with code of its own, which "
                "is not supported; log-likelihoods and greedy generation are"
            )
        self.likelihoods = [i for i in instances if i.request_type == "loglikelihood"]
        self.generations = [i for i in instances if i.request_type == "generate_until"]
        self.sequences = Sequences.of(encode_pairs(tokenizer, [tuple(i.args[:2]) for i in self.likelihoods]))
        names = source.ids
        self.ids = np.asarray([names[n] if names else str(n) for n in self.by_doc], dtype=object)
        self.info = info_of(source, [len(own) for own in self.by_doc.values()])
        if self.task.OUTPUT_TYPE in ("multiple_choice", "loglikelihood"):
            self.info["higher_is_better"] = {
                metric: better
                for metric, better in self.info["higher_is_better"].items()
                if metric not in SMOOTH
            }
            self.info["chance"].pop("prob", None)

    def score(self, model: Any, values: np.ndarray, greedy: np.ndarray, context: int) -> TaskScores:
        """Hand lm-eval the answers; its task computes and aggregates the metrics."""
        for instance, value, best in zip(self.likelihoods, values.tolist(), greedy.tolist(), strict=True):
            instance.resps, instance.filtered_resps = [(value, best)], {}
        if self.generations:
            texts = generate(model, self.tokenizer, [tuple(i.args[:2]) for i in self.generations], context)
            for instance, text in zip(self.generations, texts, strict=True):
                instance.resps, instance.filtered_resps = [text] * instance.repeats, {}
        self.task.apply_filters()
        collected: dict[str, list[Any]] = defaultdict(list)
        items: dict[str, np.ndarray] = {}
        for number, instances in enumerate(self.by_doc.values()):
            key = next(iter(instances[0].filtered_resps))
            answers = [instance.filtered_resps[key] for instance in instances]
            for metric, value in dict(self.task.process_results(instances[0].doc, answers)).items():
                collected[metric].append(value)
                if isinstance(value, (bool, int, float, np.number)):
                    column = items.setdefault(metric, np.full(len(self.by_doc), np.nan))
                    column[number] = float(value)
        aggregate = self.task.aggregation()
        summary = {m: float(aggregate[m](entries)) for m, entries in collected.items() if m in aggregate}
        return TaskScores(summary, items)


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
    Raises:
        ConfigError: for sampling.
    """
    from lm_eval.models.utils import normalize_gen_kwargs

    eos = int(tokenizer.eos_token_id)
    asked = [normalize_gen_kwargs(options, GENERATED_TOKENS) for _, options in requests]
    if any(options.get("do_sample") for options in asked):
        raise ConfigError("evaluate.tasks: a task asks for sampled generation; only greedy is supported")
    lengths = [min(int(options["max_gen_toks"]), context - 1) for options in asked]
    prompts = encode_texts(tokenizer, [prompt for prompt, _ in requests])
    prompts = [ids[-(context - length) :] or [eos] for ids, length in zip(prompts, lengths, strict=True)]
    stops = [[stop for stop in options["until"] if stop] for options in asked]
    texts = [""] * len(requests)
    order = sorted(range(len(requests)), key=lambda i: -len(prompts[i]))
    for first in range(0, len(order), ROWS_AT_ONCE):
        rows = order[first : first + ROWS_AT_ONCE]
        made = _continue(model, tokenizer, [prompts[i] for i in rows], [lengths[i] for i in rows],
                         [stops[i] for i in rows], eos)  # fmt: skip
        for row, text in zip(rows, made, strict=True):
            texts[row] = text
    return texts


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
