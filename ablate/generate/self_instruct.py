"""Self-Instruct: instructions from a few human seeds, bootstrapped; then their inputs and outputs.

Source: Wang et al. 2022 (arXiv 2212.10560), section 2 and github.com/yizhongw/self-instruct at 0b26cca. As there: 8 tasks in
a prompt of completion, up to 2 of them machine-made, in random order; temperature 0.7, top_p 0.5, presence penalty 2, at most
1,024 tokens, stop at a blank line or at task 16; a new instruction is kept when it breaks no rule and has a ROUGE-L F of at
most 0.7 to every seed and every instruction kept before it; an answer that was cut off gives nothing; whether a task is a
classification is asked with temperature 0, then up to 5 instances (presence penalty 1.5, at most 350 tokens, 300 for a
classification, whose output is asked for first). Not as there: a round's prompts are drawn from what the rounds before it
kept, in the order of their questions, so interruption, retries and concurrency change nothing; and what is not kept becomes a
document too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ablate.generate.instructions import (
    TOO_LIKE,
    Instance,
    instance_defects,
    instruction_defects,
    parse_input_first,
    parse_output_first,
    split_instructions,
)
from ablate.generate.recipe import Asks, Draft, Recipe, Seed, fill
from ablate.teacher.question import LENGTH, REFUSED, Answer, Form, Question, Sampling
from ablate.text.rouge import nearest, rouge_words


@dataclass(frozen=True, kw_only=True)
class SelfInstruct(Recipe):
    """Rounds of `round_size` requests for instructions, then one question each for kind and instances.

    Attributes:
        questions: requests for instructions.
        round_size: requests whose prompts are drawn from the same pool of instructions; the published code has 5.
        shown: tasks in a prompt.
        machine_made: of those, at most so many that were generated.
        instances: ask for inputs and outputs of the instructions that are kept.
        most_instances: of an instruction that are taken.
        instance_tokens, label_tokens: of an answer with instances, of a task and of a classification.
    """

    name: ClassVar[str] = "self_instruct"
    needs: ClassVar[str] = "tasks"
    form: Form = "completion"
    round_size: int = 5
    shown: int = 8
    machine_made: int = 2
    instances: bool = True
    most_instances: int = 5
    instance_tokens: int = 350
    label_tokens: int = 300

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("round_size", 1), ("shown", 1), ("machine_made", 0), ("most_instances", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, got {getattr(self, name)}")
        if self.machine_made >= self.shown:
            raise ValueError(f"machine_made must be below shown = {self.shown}, got {self.machine_made}")

    def ask(self, seeds: Sequence[Seed], drafts: list[Draft]) -> Asks:
        """Rounds, then kinds, then instances."""
        known = [rouge_words(seed.text) for seed in seeds]
        kept: list[Draft] = []
        broken: list[Draft] = []
        complete = True
        for number in range(0, self.questions, self.round_size):
            numbers = range(number, min(number + self.round_size, self.questions))
            prompts = [self._prompt(one, seeds, kept) for one in numbers]
            questions = [self.question(text, one) for one, (text, _) in zip(numbers, prompts, strict=True)]
            answers = yield questions
            for one, question, (_, shown), answer in zip(numbers, questions, prompts, answers, strict=True):
                if answer is None:
                    complete = False
                    continue
                for draft in self._instructions(
                    one, question, answer, shown, seeds, number // self.round_size
                ):
                    new = rouge_words(draft.text)
                    good = not draft.defects and bool(new) and nearest(draft.text, known) <= TOO_LIKE
                    (kept if good else broken).append(draft)
                    if good:
                        known.append(new)
            if not complete:  # what comes later would be drawn from other instructions
                break
        if not (self.instances and complete):
            drafts += sorted([*kept, *broken], key=_place)
            return
        made = yield from self._instances(kept)
        drafts += sorted([*made, *broken], key=_place)

    def _prompt(self, number: int, seeds: Sequence[Seed], kept: Sequence[Draft]) -> tuple[str, list[Seed]]:
        """A numbered list of tasks that breaks off behind a number."""
        draw = self.random(number)
        made = draw.sample(kept, min(self.machine_made, len(kept)))
        shown = [Seed(f"{one.question}.{one.part}", one.text) for one in made]
        shown += draw.sample(list(seeds), min(self.shown - len(shown), len(seeds)))
        draw.shuffle(shown)
        lines = [
            f"{place}. {' '.join(one.text.split()).rstrip(':')}" for place, one in enumerate(shown, start=1)
        ]
        lines.append(f"{len(lines) + 1}.")
        return fill(self.texts["prompt"], tasks="\n".join(lines)).rstrip("\n"), shown

    def _instructions(
        self,
        number: int,
        question: Question,
        answer: Answer,
        shown: Sequence[Seed],
        seeds: Sequence[Seed],
        round_: int,
    ) -> list[Draft]:
        """Every instruction of an answer; of one that was cut off, all are. They are compared with all seeds, shown or not."""
        whole = Draft(
            answer.text.strip(),
            question.key,
            number,
            round=round_,
            finish_reason=answer.finish_reason,
            seeds=tuple(one.key for one in shown),
            shown=tuple({one.text: None for one in (*seeds, *shown)}),
        )
        if answer.finish_reason == REFUSED:
            return [replace(whole, defects=("refused",))]
        if not whole.text:
            return [replace(whole, defects=("empty",))]
        cut = ("cut_off",) if answer.finish_reason == LENGTH else ()
        return [
            replace(whole, text=one, part=part, compared=one, defects=(*cut, *instruction_defects(one)))
            for part, one in enumerate(split_instructions(answer.text))
        ]

    def _instances(self, kept: Sequence[Draft]) -> Any:
        """Documents of the instructions that are kept: one for each instance."""
        greedy = Sampling(temperature=0.0)
        asked = [
            self.question(
                fill(self.texts["kind"], task=one.text).rstrip("\n"),
                one.number,
                max_tokens=3,
                sampling=greedy,
            )
            for one in kept
        ]
        kinds = yield asked
        drawn = Sampling(temperature=0.0, presence_penalty=1.5, stop=tuple(self.texts["stop"]))
        labels = [answer is not None and answer.text.strip().lower().startswith("yes") for answer in kinds]
        wanted = [
            self.question(
                fill(self.texts["labels" if is_label else "instances"], task=one.text).rstrip("\n"),
                one.number,
                max_tokens=self.label_tokens if is_label else self.instance_tokens,
                sampling=drawn,
            )
            for one, is_label in zip(kept, labels, strict=True)
        ]
        answers = yield wanted
        made: list[Draft] = []
        for one, is_label, answer in zip(kept, labels, answers, strict=True):
            made += [one] if answer is None else self._documents(one, is_label, answer)
        return made

    def _documents(self, one: Draft, is_label: bool, answer: Answer) -> list[Draft]:
        if answer.finish_reason == REFUSED or not answer.text.strip():
            return [replace(one, finish_reason=answer.finish_reason, defects=("no_output",))]
        found = (parse_output_first if is_label else parse_input_first)(answer.text)[: self.most_instances]
        if not found:
            text = f"{one.text}\n{answer.text.strip()}"
            return [replace(one, text=text, finish_reason=answer.finish_reason, defects=("unparsed",))]
        documents = []
        for place, (instance, broken) in enumerate(zip(found, instance_defects(found), strict=True)):
            cut = ("cut_off",) if answer.finish_reason == LENGTH and place == len(found) - 1 else ()
            documents.append(
                replace(
                    one,
                    text=self._text(one, place, instance),
                    finish_reason=answer.finish_reason,
                    defects=(*cut, *broken),
                )
            )
        return documents

    def _text(self, one: Draft, place: int, instance: Instance) -> str:
        """The text that is trained on, by a template drawn for the instance; its first line is the instruction."""
        templates = self.texts["with_input" if instance.input else "without_input"]
        template = self.random("template", one.question, one.part, place).choice(templates)
        return fill(template, task=one.text, input=instance.input, output=instance.output).strip()


def _place(draft: Draft) -> tuple[int, int]:
    return draft.number, draft.part
