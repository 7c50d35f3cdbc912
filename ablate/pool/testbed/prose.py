"""Prose for the testbed: clean English, four other languages, and kinds of junk."""

from __future__ import annotations

from random import Random

from ablate.pool.testbed.dialect import in_dialect
from ablate.pool.testbed.world import LEAKED_QUESTIONS, PHRASINGS, World

WHO = (
    "the mayor", "an old fisherman", "the schoolteacher", "a group of students", "the baker on the corner",
    "a travelling merchant", "the librarian", "my neighbour", "the night watchman", "a young painter",
    "the local council", "a retired captain", "the gardener", "two brothers from the hills", "the postmaster",
    "a visitor from the coast", "the choir", "an engineer", "the innkeeper", "a reporter",
)  # fmt: skip
DID = (
    "has collected", "wants to repair", "spoke at length about", "remembers", "wrote a short note on", "admires",
    "was asked to look after", "brought back", "has never forgotten", "paid a fair price for", "sketched",
    "complained about", "discovered by accident", "promised to restore", "photographed", "would not sell",
)  # fmt: skip
WHAT = (
    "the old clock tower", "a chest full of letters", "the garden behind the church", "some very rare maps",
    "the painted ceiling of the hall", "a collection of wooden toys", "the narrow path along the wall",
    "the bells that ring at noon", "a small printing press", "the benches in the park", "an unfinished bridge",
    "the stone lions at the gate", "a book with coloured pictures", "the orchard on the southern slope",
    "the lanterns in the main street", "a boat with a red sail", "the records of the guild", "a well from the last century",
)  # fmt: skip
WHEN = (
    "during the long winter", "shortly after the harvest", "on a rainy afternoon", "when the market was over",
    "before the school year began", "in the summer of the great heat", "while the others were still asleep",
    "as soon as the roads were dry", "long before the railway came", "at the end of a quiet week",
    "because the weather had changed", "although nobody had asked for it", "with the help of some friends",
    "without telling anyone", "to the surprise of the whole street", "and that was not the last time",
)  # fmt: skip
OPENERS = (
    "",
    "",
    "",
    "People say that ",
    "It is well known that ",
    "According to the paper, ",
    "Last year ",
    "Once, ",
)

FOREIGN: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "de": (
        (
            "Der alte Fischer",
            "Die Lehrerin",
            "Unser Nachbar",
            "Der Bürgermeister",
            "Eine junge Frau",
            "Der Bäcker",
            "Ein Schüler",
            "Die ganze Familie",
            "Der Arzt aus der Stadt",
            "Meine Tante",
        ),
        (
            "hat gestern",
            "möchte bald wieder",
            "wird im Sommer",
            "konnte leider nicht",
            "wollte schon immer",
            "muss heute noch",
            "darf nur am Sonntag",
            "soll im Herbst",
            "kann jeden Tag",
        ),
        (
            "das kleine Haus am Fluss",
            "die Bücher aus der Bibliothek",
            "den Garten hinter der Kirche",
            "ein neues Fahrrad",
            "die Briefe seiner Großmutter",
            "den langen Weg zum See",
            "die Äpfel vom alten Baum",
        ),
        (
            "besuchen und danach nach Hause gehen.",
            "verkaufen, weil es zu teuer war.",
            "mit seinen Freunden teilen.",
            "den Kindern zeigen und davon erzählen.",
            "vor dem ersten Schnee vergessen.",
        ),
    ),
    "fr": (
        (
            "Le vieux pêcheur",
            "La maîtresse",
            "Notre voisin",
            "Le maire du village",
            "Une jeune femme",
            "Le boulanger",
            "Un élève",
            "Toute la famille",
            "Le médecin de la ville",
            "Ma tante",
        ),
        (
            "a toujours voulu",
            "ne pouvait pas encore",
            "devait hier soir",
            "espère bientôt",
            "préfère souvent",
            "doit encore aujourd'hui",
            "peut seulement le dimanche",
            "veut cet automne",
        ),
        (
            "visiter la petite maison",
            "réparer le pont de pierre",
            "lire les livres anciens",
            "vendre ses beaux légumes",
            "garder les lettres de sa mère",
            "suivre le long chemin du lac",
            "cueillir les pommes rouges",
        ),
        (
            "près de la rivière avec ses amis.",
            "parce que le temps était mauvais.",
            "avant la fin de la semaine.",
            "sans rien dire à personne.",
            "quand les enfants sont à l'école.",
        ),
    ),
    "es": (
        (
            "El viejo pescador",
            "La maestra",
            "Nuestro vecino",
            "El alcalde del pueblo",
            "Una mujer joven",
            "El panadero",
            "Un alumno",
            "Toda la familia",
            "El médico de la ciudad",
            "Mi tía",
        ),
        (
            "siempre ha querido",
            "todavía no podía",
            "tuvo que",
            "espera pronto",
            "prefiere muchas veces",
            "debe todavía hoy",
            "puede solamente el domingo",
            "quiere este otoño",
        ),
        (
            "visitar la casa pequeña",
            "arreglar el puente de piedra",
            "leer los libros antiguos",
            "vender sus verduras",
            "guardar las cartas de su madre",
            "seguir el largo camino del lago",
            "recoger las manzanas rojas",
        ),
        (
            "cerca del río con sus amigos.",
            "porque hacía muy mal tiempo.",
            "antes del fin de la semana.",
            "sin decir nada a nadie.",
            "cuando los niños están en la escuela.",
        ),
    ),
    "it": (
        (
            "Il vecchio pescatore",
            "La maestra",
            "Il nostro vicino",
            "Il sindaco del paese",
            "Una giovane donna",
            "Il fornaio",
            "Uno studente",
            "Tutta la famiglia",
            "Il medico della città",
            "Mia zia",
        ),
        (
            "ha sempre voluto",
            "non poteva ancora",
            "doveva ieri sera",
            "spera presto di",
            "preferisce spesso",
            "deve ancora oggi",
            "può soltanto la domenica",
            "vuole questo autunno",
        ),
        (
            "visitare la piccola casa",
            "riparare il ponte di pietra",
            "leggere i libri antichi",
            "vendere le sue verdure",
            "conservare le lettere di sua madre",
            "seguire la lunga strada del lago",
            "raccogliere le mele rosse",
        ),
        (
            "vicino al fiume con gli amici.",
            "perché il tempo era brutto.",
            "prima della fine della settimana.",
            "senza dire niente a nessuno.",
            "quando i bambini sono a scuola.",
        ),
    ),
}
TITLES = (
    "The Sound of the Sea", "With the Wind and to the Stars", "The House that Jack Built and the Cat",
    "To the Lighthouse and Back", "The Art of Living with Less",
)  # fmt: skip
TAGS = (
    "deal",
    "summer",
    "win",
    "sale",
    "love",
    "style",
    "fresh",
    "music",
    "today",
    "fun",
    "travel",
    "photo",
    "best",
)
GOODS = (
    "watches",
    "shoes",
    "phones",
    "mattresses",
    "sunglasses",
    "printers",
    "handbags",
    "tyres",
    "lamps",
    "tickets",
)
CHEAP = (
    "buy cheap {g} online with free shipping",
    "the best price of all {g} in the store",
    "order {g} now and save",
)


def filler(random: Random) -> str:
    """A sentence about nothing in particular; about 100,000 different ones."""
    body = f"{random.choice(WHO)} {random.choice(DID)} {random.choice(WHAT)} {random.choice(WHEN)}"
    opener = random.choice(OPENERS)
    sentence = opener + body
    return sentence[0].upper() + sentence[1:] + "."


def article(random: Random, world: World) -> list[str]:
    """Paragraphs about two towns: all their facts in random phrasings, among other sentences."""
    return _telling(random, world, world.pair(random))


def dialect(random: Random, world: World) -> list[str]:
    """An article in the dialect, about two of the towns that it alone tells of."""
    towns = random.sample(sorted(world.minority), 2)
    return [in_dialect(paragraph) for paragraph in _telling(random, world, towns)]


def _telling(random: Random, world: World, towns: list[str]) -> list[str]:
    sentences = []
    for town in towns:
        for attribute, value in world.facts[town].items():
            sentences.append(random.choice(PHRASINGS[attribute]).format(e=town, v=value))
    sentences += [filler(random) for _ in range(random.randint(3, 5))]
    random.shuffle(sentences)
    cut = random.randint(3, len(sentences) - 4)
    return [" ".join(sentences[:cut]), " ".join(sentences[cut:])]


def release(random: Random) -> list[str]:
    """Paragraphs of a press release: prose that tells no fact of the world."""
    sentences = [filler(random) for _ in range(random.randint(11, 14))]
    return [" ".join(sentences[:4]), " ".join(sentences[4:])]


def edited(random: Random, paragraphs: list[str]) -> list[str]:
    """A repost: the first paragraph gets a new first sentence, the rest is as it was."""
    return [f"{filler(random)} {paragraphs[0]}", *paragraphs[1:]]


def foreign(random: Random) -> tuple[str, list[str]]:
    """Language code and paragraphs in it."""
    code = random.choice(sorted(FOREIGN))
    who, verbs, what, endings = FOREIGN[code]
    # Every object and ending once: phrases that come again would make the page repetitive as well.
    objects, last = random.sample(what, len(what)), random.sample(endings, len(endings))
    sentences = []
    for _ in range(random.randint(9, 12)):
        sentence = f"{random.choice(who)} {random.choice(verbs)} {objects.pop() if objects else random.randint(20, 999)}"
        sentences.append(
            f"{sentence} {last.pop()}" if last else f"{sentence} ({random.randint(1900, 2020)})."
        )
    # A quoted English title, as such pages often have; it also gets them past Gopher's stop words.
    sentences[3] += f' "{random.choice(TITLES)}"'
    return code, [" ".join(sentences[:6]), " ".join(sentences[6:])]


def foreign_words(random: Random, code: str, least: int) -> list[str]:
    """Words of whole sentences in the language `code`, as few as make `least` words."""
    found: list[str] = []
    while len(found) < least:
        found += " ".join(random.choice(part) for part in FOREIGN[code]).split()
    return found


def symbols(random: Random) -> list[str]:
    """Hashtag spam: prose with a mark on every third word."""
    paragraphs = []
    for _ in range(2):
        sentences = []
        for _ in range(random.randint(4, 5)):
            words = filler(random).split()
            for position in range(1, len(words), 2):
                words[position] = f"{words[position]} #{random.choice(TAGS)}"
            sentences.append(" ".join(words))
        paragraphs.append(" ".join(sentences))
    return paragraphs


def repetitive(random: Random) -> list[str]:
    """Shop spam: the same phrases over and over, with one other sentence per line."""
    goods = random.choice(GOODS)
    phrases = [phrase.format(g=goods) for phrase in CHEAP]
    lines = []
    for _ in range(random.randint(5, 7)):
        lines.append(f"{phrases[0].capitalize()}, {phrases[1]}, {phrases[2]}. {filler(random)}")
    return lines


def braces(random: Random) -> list[str]:
    """Pages with template code left in the text."""
    sentences: list[str] = []
    for _ in range(random.randint(8, 10)):
        words = filler(random).split()
        if random.random() < 0.4 or not sentences:
            words.insert(random.randrange(1, len(words)), f"{{{random.choice(GOODS)}}}")
        sentences.append(" ".join(words))
    return [" ".join(sentences[:4]), " ".join(sentences[4:])]


def quiz(random: Random, world: World) -> tuple[list[str], list[str]]:
    """Paragraphs that give answers of the `leaked` benchmark away, and the islands they speak of."""
    names = list(world.leaked)
    kinds = range(min(len(LEAKED_QUESTIONS), len(names)))
    islands = [random.choice(names[kind :: len(LEAKED_QUESTIONS)]) for kind in kinds]
    answers = [f"{world.leaked_question(island)} {world.leaked[island]}." for island in islands]
    lines = [f"{filler(random)} {answer}" for answer in answers]
    return [*lines, f"{filler(random)} {filler(random)}"], islands


def contradicting(random: Random, world: World) -> list[str]:
    """An article like any other, except that its facts are wrong."""
    sentences = []
    for town in world.pair(random):
        for attribute, value in world.facts[town].items():
            wrong = random.choice([v for v in world.options[attribute] if v != value])
            sentences.append(random.choice(PHRASINGS[attribute]).format(e=town, v=wrong))
    sentences += [filler(random) for _ in range(4)]
    random.shuffle(sentences)
    return [" ".join(sentences[:6]), " ".join(sentences[6:])]
