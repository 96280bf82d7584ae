"""Skills: questions with one right continuation, drawn from a seed the training never used.

Each skill is a list of probes. A probe is right when the model, always taking its most likely token, continues the prompt with
one of the answers, to the last token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, product

from model.text.kinds import biography_line, capital, phrase
from model.text.lexicon import ADJECTIVES, DEEDS, FACTS, NAMES, NOUNS, PLACES, SOUNDS, Language
from model.text.world import Dials, Document, World, people

PROBE_SEED = "probes"
HELD_OUT_SEED = "held out"
LANGUAGES: tuple[Language, Language] = ("pt", "en")


@dataclass(frozen=True, slots=True)
class Probe:
    """A prompt, and the continuations that count as right (all equally long in tokens)."""

    prompt: str
    answers: tuple[str, ...]


def held_out(count: int = 2_000, dials: Dials | None = None) -> list[Document]:
    """Documents that no training seed writes, for measuring loss against the floor."""
    return list(islice(World(HELD_OUT_SEED, dials).documents(), count))


def probes(count: int = 200, dials: Dials | None = None) -> dict[str, list[Probe]]:
    """Up to `count` probes of every skill."""
    world = World(PROBE_SEED, dials)
    return {name: list(islice(ask(world), count)) for name, ask in SKILLS.items()}


def _after(kind: str, mark: str, keep: Callable[[str], bool] = lambda text: True) -> Callable[[World], Iterator[Probe]]:
    """Probes from documents of one kind, cut behind the last of a mark ("PT|EN" means either)."""

    def ask(world: World) -> Iterator[Probe]:
        while True:
            text = world.document(kind).text
            place = max(text.rfind(one) + len(one) for one in mark.split("|") if one in text)
            if keep(text):
                yield Probe(text[:place], (text[place:],))

    return ask


def _repeat(world: World) -> Iterator[Probe]:
    while True:
        text = world.document("again").text
        opening, _, listed = text.rstrip(".").partition(": ")
        words = listed.split(" ")
        half = len(words) // 2
        yield Probe(f"{opening}: {' '.join(words[: half + 1])}", (" " + " ".join(words[half + 1 :]) + ".",))


def _agreement(world: World) -> Iterator[Probe]:
    while True:
        c = world.chance
        who, deed, thing, plural, place = c.pick(NAMES), c.pick(DEEDS), c.pick(NOUNS), c.flip(0.5), c.pick(PLACES)
        seen = phrase(thing, c.pick(ADJECTIVES), "pt", plural=plural, definite=False)
        subject = capital(phrase(thing, None, "pt", plural=plural, definite=True))
        prompt = f"{who.text} {deed[0]} {seen} {place.within('pt')}. {subject} {'eram' if plural else 'era'}"
        yield Probe(prompt, tuple(f" {quality.form(thing.gender, plural)}" for quality in ADJECTIVES))


def _coreference(world: World) -> Iterator[Probe]:
    while True:
        c, language = world.chance, world.chance.pick(LANGUAGES)
        who, deed = c.pick(NAMES), c.pick(DEEDS)
        seen = phrase(c.pick(NOUNS), c.pick(ADJECTIVES), language, plural=c.flip(0.25), definite=False)
        told = f"{who.text} {deed[language == 'en']} {seen} {c.pick(PLACES).within(language)}."
        yield Probe(f"{told} {'Depois' if language == 'pt' else 'Then'}", (f" {who.pronoun(language)}",))


def _giving(world: World) -> Iterator[Probe]:
    while True:
        told = ".".join(world.document("giving").text.split(".")[:2])
        prompt, _, taker = told.rpartition(" ")
        yield Probe(prompt, (f" {taker}",))


def _brackets(world: World) -> Iterator[Probe]:
    while True:
        text = world.document("brackets").text
        closing = [place for place, sign in enumerate(text) if sign in ")]}"]
        place = world.chance.pick(closing)
        yield Probe(text[: place - 1], (f" {text[place]}",))


def _facts(world: World) -> Iterator[Probe]:
    for it in FACTS:
        yield Probe(f"{capital(it.article)} {it.pt} é", (f" {it.pt_colour}",))
        yield Probe(f"{it.article} {it.pt} é", (f" {it.pt_colour}",))
        yield Probe(f"P: De que cor é {it.article} {it.pt}? R:", (f" {it.pt_colour}",))
        yield Probe(f"The {it.en} is", (f" {it.en_colour}",))
        yield Probe(f"the {it.en} is", (f" {it.en_colour}",))
        yield Probe(f"Q: What color is the {it.en}? A:", (f" {it.en_colour}",))


def _sounds(world: World) -> Iterator[Probe]:
    for pt_animal, pt_sound, en_animal, en_sound in SOUNDS:
        yield Probe(f"{capital(pt_animal)} diz", (f" {pt_sound}",))
        yield Probe(f"{capital(en_animal)} says", (f" {en_sound}",))


def _biographies(world: World) -> Iterator[Probe]:
    everything = list(product(people(world.dials.biographies), ("city", "pet", "collects"), LANGUAGES))
    for person, line, language in world.chance.sample(everything, len(everything)):
        prompt, _, answer = biography_line(person, line, language).rpartition(" ")
        yield Probe(prompt, (f" {answer}",))


def _spelled(text: str) -> bool:
    return any(word not in _LISTED for word in text.rstrip(".").split(" ")[1:] if word != "=")


_LISTED = frozenset(word for row in (*NOUNS, *PLACES) for word in (row.pt, row.en))

SKILLS: dict[str, Callable[[World], Iterator[Probe]]] = {
    "copy": _after("copy", " =", lambda text: not _spelled(text)),
    "repeat": _repeat,
    "agreement": _agreement,
    "facts": _facts,
    "coreference": _coreference,
    "translation": _after("translation", " = PT:| = EN:"),
    "giving": _giving,
    "questions": _after("question", " R:| A:"),
    "counting": _after("counting", ":"),
    "brackets": _brackets,
    "biographies": _biographies,
    "sounds": _sounds,
    "spelling": _after("copy", " =", _spelled),
    "novelty": _after("novelty", " querem o| want the"),
}
