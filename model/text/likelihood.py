"""The grammar read backwards: how probable a given text is, and with it how well any guess at a hidden word can do.

Kinds with few texts are written out whole. The others are taken apart by the frames of their sentences, and every choice found there is
given the probability it had. Not read: `novelty` and copies of invented words, whose vocabulary is open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from model.errors import Refusal
from model.text.chance import Chance, T
from model.text.kinds import ANY_WORDS, DEEPEST, FOLLOWING, INSIDE, KINDS, PLURAL, THINGS, Maker, Person, capital, follow, phrase
from model.text.lexicon import ADJECTIVES, BRACKETS, DEEDS, NAMES, NOUNS, PLACES, Adjective, Language, Name, Noun
from model.text.world import Dials, World

Score = Callable[[str, Language], float]
"""The probability of a text among those of one kind and language; 0 of one that the kind cannot write."""

NAMED = {name.text: name for name in NAMES}
PLACED: dict[Language, dict[str, str]] = {tongue: {place.within(tongue): place.pt for place in PLACES} for tongue in ("pt", "en")}
TOWARDS: dict[Language, frozenset[str]] = {tongue: frozenset(place.towards(tongue) for place in PLACES) for tongue in ("pt", "en")}
THE: dict[Language, frozenset[str]] = {
    tongue: frozenset(phrase(noun, None, tongue, plural=False, definite=True) for noun in NOUNS) for tongue in ("pt", "en")
}
SOME: dict[Language, dict[str, tuple[Noun, Adjective, bool]]] = {
    tongue: {
        phrase(noun, quality, tongue, plural=plural, definite=False): (noun, quality, plural)
        for noun in NOUNS
        for quality in ADJECTIVES
        for plural in (False, True)
    }
    for tongue in ("pt", "en")
}
DID: dict[Language, frozenset[str]] = {"pt": frozenset(deed[0] for deed in DEEDS), "en": frozenset(deed[1] for deed in DEEDS)}


class Walk(Chance):
    """Chance that throws no dice but follows a path, to walk through everything a grammar can write."""

    def __init__(self) -> None:
        super().__init__(0)
        self.path: list[int] = []
        self.sizes: list[int] = []
        self.at = 0

    def pick(self, options: Sequence[T]) -> T:
        """The option on the path, all being equally likely."""
        choice = self._turn(len(options))
        self.nats += math.log(len(options))
        return options[choice]

    def weigh(self, options: Sequence[T], weights: Sequence[float]) -> T:
        """The option on the path, as likely as its share of the weights."""
        usable = [(option, weight) for option, weight in zip(options, weights, strict=True) if weight > 0]
        option, weight = usable[self._turn(len(usable))]
        self.nats -= math.log(weight / sum(weights))
        return option

    def onward(self) -> bool:
        """Stand at the beginning of the next path; False when all were walked."""
        self.at, self.nats = 0, 0.0
        while self.path and self.path[-1] + 1 == self.sizes[-1]:
            self.path.pop()
            self.sizes.pop()
        if not self.path:
            return False
        self.path[-1] += 1
        return True

    def _turn(self, size: int) -> int:
        if self.at == len(self.path):
            self.path.append(0)
            self.sizes.append(size)
        self.at += 1
        return self.path[self.at - 1]


def everything(write: Callable[[Maker], str], maker: Maker) -> dict[str, float]:
    """All texts that `write` can write, with their probabilities; it must make a bounded number of choices."""
    walk, found = Walk(), {}
    walking = replace(maker, chance=walk)
    while True:
        text = write(walking)
        found[text] = found.get(text, 0.0) + math.exp(-walk.nats)
        if not walk.onward():
            return found


# ---------------------------------------------------------------- one kind each


def _listed(kind: str, maker: Maker) -> Score:
    """A kind that is written out whole, when it is first asked for."""
    texts = lru_cache(maxsize=2)(lambda language: _texts(kind, language, maker.people, maker.bias))
    return lambda text, language: texts(language).get(text, 0.0)


@lru_cache(maxsize=32)
def _texts(kind: str, language: Language, people: tuple[Person, ...], bias: float) -> Mapping[str, float]:
    """Written out once for all worlds of these people and this bias: translations are many."""
    maker = replace(_storyteller(), people=people, bias=bias)
    return everything(lambda walking: KINDS[kind](walking, language), maker)


def _story(text: str, language: Language) -> float:
    first, *rest = re.findall(r"[^.!]+[.!]", text) or [""]
    place = next((place for place in PLACED[language] if first.endswith(f" {place}.")), None)
    words = first.removesuffix(f" {place}.").split(" ", 2)
    if place is None or len(words) < 3 or "".join([first, *rest]) != text or len(rest) not in FOLLOWING[0]:
        return 0.0
    name, deed, what = words
    if name not in NAMED or deed not in DID[language] or what not in SOME[language]:
        return 0.0
    thing, quality, plural = SOME[language][what]
    following = _follows(language, NAMED[name], thing, quality, plural)
    opening = (PLURAL if plural else 1 - PLURAL) / (len(NAMES) * len(DEEDS) * len(NOUNS) * len(ADJECTIVES) * len(PLACES))
    return opening * _share(FOLLOWING, len(rest)) * math.prod(following.get(sentence.removeprefix(" "), 0.0) for sentence in rest)


@lru_cache(maxsize=4_096)
def _follows(language: Language, hero: Name, thing: Noun, quality: Adjective, plural: bool) -> Mapping[str, float]:
    return everything(lambda walking: follow(walking, language, hero, thing, quality, plural), _storyteller())


@lru_cache(maxsize=1)
def _storyteller() -> Maker:
    return World().maker


GAVE: dict[Language, re.Pattern[str]] = {
    "pt": re.compile(r"(\w+) e (\w+) foram ([^.]+)\. (\w+) deu ([^.]+) a (\w+)\.(?: (\w+) agradeceu a (\w+)\.)?"),
    "en": re.compile(r"(\w+) and (\w+) went ([^.]+)\. (\w+) gave ([^.]+) to (\w+)\.(?: (\w+) thanked (\w+)\.)?"),
}


def _giving(text: str, language: Language) -> float:
    found = GAVE[language].fullmatch(text)
    if found is None:
        return 0.0
    one, two, where, giver, thing, taker, thankful, thanked = found.groups()
    named = one in NAMED and two in NAMED and one != two and {giver, taker} == {one, two}
    told = where in TOWARDS[language] and thing in THE[language] and (thankful, thanked) in ((None, None), (taker, giver))
    return named * told / (len(NAMES) * (len(NAMES) - 1) * len(PLACES) * len(NOUNS) * 2 * 2)


ASKED: dict[Language, re.Pattern[str]] = {
    "pt": re.compile(r"(.+\.) P: (?:Onde está ([^?.]+)\? R: ([^?.]+)|O que está ([^?.]+)\? R: ([^?.]+))\."),
    "en": re.compile(r"(.+\.) Q: (?:Where is ([^?.]+)\? A: ([^?.]+)|What is ([^?.]+)\? A: ([^?.]+))\."),
}


@lru_cache(maxsize=2)
def _standing(language: Language) -> dict[str, tuple[str, str]]:
    """Sentences that say where a thing is: the thing and the place."""
    verb = "está" if language == "pt" else "is"
    return {f"{capital(thing)} {verb} {place}.": (thing, place) for thing in THE[language] for place in PLACED[language]}


def _question(text: str, language: Language) -> float:
    found = ASKED[language].fullmatch(text)
    if found is None:
        return 0.0
    told = [_standing(language).get(f"{sentence}.") for sentence in found[1].removesuffix(".").split(". ")]
    asked = (found[2], found[3]) if found[2] else (found[5], found[4])
    listed = [one for one in told if one is not None]
    count = len(told)
    different = all(len(set(column)) == count for column in zip(*listed, strict=True))
    if len(listed) < count or count > 3 or not different or asked not in listed:
        return 0.0
    return 1 / (3 * math.perm(len(NOUNS), count) * math.perm(len(PLACES), count) * count * 2)


def _copy(text: str, language: Language) -> float:
    listed = text.removeprefix("Repita: " if language == "pt" else "Repeat: ").removesuffix(".").split(" ")
    half = len(listed) // 2
    words = listed[:half]
    whole = text == f"{'Repita' if language == 'pt' else 'Repeat'}: {' '.join(words)} = {' '.join(words)}."
    known = 3 <= half <= 8 and all(word in THINGS[language] for word in words)
    return whole * known * 0.75 / (6 * len(THINGS[language]) ** half)


def _again(text: str, language: Language) -> float:
    opening = "De novo: " if language == "pt" else "Again: "
    listed = text.removeprefix(opening).removesuffix(".").split(" ")
    half = len(listed) // 2
    words = listed[:half]
    whole = text == f"{opening}{' '.join(words)} {' '.join(words)}."
    known = 3 <= half <= 9 and len(set(words)) == half and all(word in ANY_WORDS for word in words)
    return whole * known / (7 * math.perm(len(ANY_WORDS), half))


def _brackets(text: str, language: Language) -> float:
    opening = "Feche: " if language == "pt" else "Close: "
    if not (text.startswith(opening) and text.endswith(".")):
        return 0.0
    signs = iter(text.removeprefix(opening).removesuffix(".").split(" "))
    groups, probability = _groups(signs, None, 0)
    return probability / 3 if groups in (1, 2, 3) else 0.0


def _groups(signs: Iterator[str], closing: str | None, depth: int) -> tuple[int, float]:
    """How many groups stand here until the bracket that closes, and the probability of what is in them; 0 where it does not."""
    count, probability = 0, 1.0
    for sign in signs:
        if sign == closing:
            return count, probability
        right = dict(BRACKETS).get(sign)
        if right is None or depth == DEEPEST:
            return count, 0.0
        inside, inner = _groups(signs, right, depth + 1)
        probability *= inner / len(BRACKETS) * (_share(INSIDE, inside) if depth + 1 < DEEPEST else inside == 0)
        count += 1
    return count, probability if closing is None else 0.0


def _share(choice: tuple[tuple[int, ...], tuple[int, ...]], chosen: int) -> float:
    options, weights = choice
    return weights[options.index(chosen)] / sum(weights) if chosen in options else 0.0


# ---------------------------------------------------------------- all of them


LISTED = ("fact", "sound", "counting", "biography", "job", "translation")
"""Kinds written out whole: 96, 16, 108, 360, 160 and 96,640 texts, in a world of 60 people."""
TAKEN_APART = ("story", "giving", "question", "copy", "again", "brackets")
READ = LISTED + TAKEN_APART
"""The kinds whose texts this module can read; of copies, those of known words."""


class Likelihood:
    """The exact probability of texts in a world turned to these dials."""

    def __init__(self, dials: Dials | None = None) -> None:
        world = World(0, dials)
        self.portuguese = world.dials.portuguese
        self.scores: dict[str, Score] = {kind: _listed(kind, world.maker) for kind in LISTED}
        self.scores |= {"story": _story, "giving": _giving, "question": _question, "copy": _copy, "again": _again, "brackets": _brackets}

    def of(self, text: str, kind: str) -> float:
        """The probability of a text among those of its kind, in either language; 0 of one that the kind cannot write.

        Raises `Refusal` for a kind that is not read.
        """
        if kind not in self.scores:
            raise Refusal(
                "likelihood.kind", "the probability of {known} can be read from the text, not that of {given}", known=", ".join(READ), given=kind
            )
        score = self.scores[kind]
        return self.portuguese * score(text, "pt") + (1 - self.portuguese) * score(text, "en")
