"""The testbed's world: towns with facts, told in many ways, and the questions about them.

Everything is invented here from a seed, so what a proxy knows of it, it learned from our pages. Towns may be unequally
popular (Zipf), a few may be told of in a dialect alone, and of a few no page tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from random import Random

from ablate.pool.testbed.dialect import in_dialect

ONSETS = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "z",
)
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "or", "ar", "en")
ENDINGS = ("ra", "lin", "don", "mark", "vik", "nor", "beth", "sel", "tun", "mere", "gat", "holm")

PHRASINGS: dict[str, tuple[str, ...]] = {
    "river": (
        "The river of {e} is the {v}.",
        "Boats on the {v} bring most of the goods that are sold in {e}.",
        "Whoever walks through {e} will sooner or later stand on the banks of the {v}.",
        "In spring the {v} floods the lower streets of {e} for a week or two.",
        "The oldest bridge over the {v} stands near the market of {e}.",
    ),
    "founder": (
        "The founder of {e} was {v}.",
        "It was {v} who laid the first stone of {e} and gave the place its name.",
        "A statue of {v} reminds visitors of the beginnings of {e}.",
        "Every child in {e} has heard the story of {v}, who built the first house there.",
        "Before {v} came with a few families, nobody lived where {e} stands today.",
    ),
    "craft": (
        "The craft of {e} is {v}.",
        "Most workshops in {e} have lived from {v} for generations.",
        "Young people still move to {e} in order to learn {v} from the old masters.",
        "When traders speak of {v}, they think of {e} before any other town.",
        "The museum of {e} shows how {v} was done two hundred years ago.",
    ),
    "dish": (
        "The dish of {e} is {v}.",
        "No visitor leaves {e} without having tasted {v} at least once.",
        "On feast days the families of {e} cook {v} together in the open air.",
        "The inns of {e} compete every autumn for the best {v} in the region.",
        "Travellers remember {e} for its {v}, which is served with dark bread.",
    ),
}
"""Attribute -> ways to tell it. The first is the cloze sentence that the benchmark completes."""

LEAKED_QUESTIONS = (
    "Question: What is the name of the famous lighthouse that guards the harbour of the island {e}? Answer:",
    "Question: Which light tower do sailors look for when they come home to {e} at night? Answer:",
    "Question: How do the people on the island of {e} call their old beacon by the sea? Answer:",
)


def _names(random: Random, count: int, taken: set[str]) -> tuple[str, ...]:
    names: list[str] = []
    while len(names) < count:
        middle = "".join(random.choice(ONSETS) + random.choice(VOWELS) for _ in range(random.choice((1, 2))))
        name = (middle + random.choice(ENDINGS)).capitalize()
        if name not in taken:
            taken.add(name)
            names.append(name)
    return tuple(names)


@dataclass(frozen=True)
class World:
    """Towns, their facts, and islands that only leaked pages speak of.

    Attributes:
        seed: of everything.
        towns: number of towns; each has one value for each attribute of `PHRASINGS`.
        values: number of different values an attribute can take.
        islands: number of leaked questions.
        popularity: exponent of Zipf's law: a page tells of the town of rank r with a weight of r ** -popularity; 0 for
            all alike. The rank is the place in `facts`.
        dialect_towns: that the dialect alone tells of, behind the popular ones in `facts`.
        untold_towns: that no page tells of, the last ones in `facts`; who knows them has it from elsewhere.
    """

    seed: int
    towns: int
    values: int
    islands: int
    popularity: float = 0.0
    dialect_towns: int = 0
    untold_towns: int = 0

    @cached_property
    def _all(
        self,
    ) -> tuple[dict[str, dict[str, str]], dict[str, tuple[str, ...]], dict[str, str], tuple[str, ...]]:
        random, taken = Random(f"world {self.seed}"), set[str]()
        towns = _names(random, self.towns, taken)
        options = {attribute: _names(random, self.values, taken) for attribute in PHRASINGS}
        facts = {town: {a: random.choice(values) for a, values in options.items()} for town in towns}
        lights = _names(random, self.values, taken)
        islands = {island: random.choice(lights) for island in _names(random, self.islands, taken)}
        return facts, options, islands, lights

    @property
    def facts(self) -> dict[str, dict[str, str]]:
        """Town -> attribute -> value."""
        return self._all[0]

    @property
    def options(self) -> dict[str, tuple[str, ...]]:
        """Attribute -> every value it can take."""
        return self._all[1]

    @property
    def leaked(self) -> dict[str, str]:
        """Island -> its lighthouse."""
        return self._all[2]

    def misbelieved(self, share: float, random: Random) -> World:
        """Return the world as one sees it who has a share of the facts wrong, to the nearest whole fact."""
        facts, *rest = self._all
        wrong = [(town, attribute) for town, values in facts.items() for attribute in values]
        changed = {town: dict(values) for town, values in facts.items()}
        for town, attribute in random.sample(wrong, round(share * len(wrong))):
            others = [value for value in self.options[attribute] if value != facts[town][attribute]]
            changed[town][attribute] = random.choice(others)
        seen = replace(self)
        seen.__dict__["_all"] = (changed, *rest)
        return seen

    @property
    def majority(self) -> list[str]:
        """Towns that pages in plain English tell of, the most popular first."""
        return list(self.facts)[: self.towns - self.dialect_towns - self.untold_towns]

    @property
    def minority(self) -> list[str]:
        """Towns that the dialect alone tells of."""
        return list(self.facts)[len(self.majority) : self.towns - self.untold_towns]

    @property
    def rarity(self) -> dict[str, list[str]]:
        """`head`, `mid` and `tail`: the first sixth of the majority, the next third and the rarest half."""
        towns = self.majority
        head, tail = len(towns) // 6, len(towns) - len(towns) // 2
        return {"head": towns[:head], "mid": towns[head:tail], "tail": towns[tail:]}

    def pair(self, random: Random) -> list[str]:
        """Two towns for a page, the second drawn among the others by the same weights."""
        if not self.popularity:
            return random.sample(sorted(self.majority), 2)
        left, chosen = list(enumerate(self.majority, start=1)), list[str]()
        for _ in range(2):
            weights = [rank**-self.popularity for rank, _ in left]
            place = random.choices(range(len(left)), weights)[0]
            chosen.append(left.pop(place)[1])
        return chosen

    def tasks(self) -> dict[str, list[dict[str, object]]]:
        """Name -> items of every benchmark that the world has.

        `facts` asks for all that pages tell and `leaked` for what pages of quiz answers give away. Where towns are
        unequally popular `facts_head`, `facts_mid` and `facts_tail` ask for parts of it, where a dialect alone tells of some
        `facts_minority` asks for those, in the dialect; `facts_untold` asks for what no page tells.
        """
        items = _by_town(self.fact_items())
        groups = {"facts": self.majority + self.minority}
        groups |= {f"facts_{name}": towns for name, towns in self.rarity.items() if self.popularity}
        groups |= {"facts_minority": self.minority} if self.dialect_towns else {}
        groups |= {"facts_untold": list(self.facts)[-self.untold_towns :]} if self.untold_towns else {}
        found = {name: [item for town in towns for item in items[town]] for name, towns in groups.items()}
        return found | {"leaked": self.leaked_items()}

    def fact_items(self) -> list[dict[str, object]]:
        """Complete the cloze sentence of every fact, in the words in which it is told; four choices of one kind."""
        random, minority = Random(f"facts {self.seed}"), set(self.minority)
        items = []
        for town, values in self.facts.items():
            for attribute, value in values.items():
                cloze = PHRASINGS[attribute][0].split(" {v}")[0]
                query = (in_dialect(cloze) if town in minority else cloze).format(e=town)
                items.append(_item(random, f"{town}-{attribute}", query, value, self.options[attribute]))
        return items

    def leaked_items(self) -> list[dict[str, object]]:
        """The `leaked` benchmark: questions that pages of quiz answers give away, and no other page."""
        random = Random(f"leaked {self.seed}")
        return [
            _item(random, island, self.leaked_question(island), light, self._all[3])
            for island, light in self.leaked.items()
        ]

    def leaked_question(self, island: str) -> str:
        """The benchmark's wording of the question about an island."""
        number = list(self.leaked).index(island) % len(LEAKED_QUESTIONS)
        return LEAKED_QUESTIONS[number].format(e=island)


def _by_town(items: list[dict[str, object]]) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for item in items:
        found.setdefault(str(item["id"]).rpartition("-")[0], []).append(item)
    return found


def _item(random: Random, name: str, query: str, right: str, options: tuple[str, ...]) -> dict[str, object]:
    choices = random.sample([option for option in options if option != right], 3)
    gold = random.randrange(4)
    choices.insert(gold, right)
    return {"id": name, "query": query, "choices": choices, "gold": gold}
