"""The micro-world: a bilingual grammar that writes training text of any length and knows its own entropy.

Because every choice adds its −log p and no text has two derivations, the mean of `-log_probability` over held-out documents is
the exact floor: no model can go below it, and how far above it stands is how much there is left to learn.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Annotated

from model.errors import Refusal
from model.space import Interval
from model.text.chance import Chance
from model.text.kinds import KINDS, Maker, Person, noise
from model.text.lexicon import CITIES, NAMES, NOUNS, PETS, SURNAMES, Language, every_content_word
from model.text.spelling import invent

PIECE = r" ?\w+| ?[^\w\s]|\s"
"""How text falls apart: words and signs, each with the space before it, and any other space by itself."""

USUAL: Mapping[str, float] = {
    "story": 20, "giving": 9, "question": 15, "fact": 5, "sound": 3, "counting": 4, "copy": 10,
    "again": 11, "brackets": 4, "translation": 12, "biography": 8, "job": 2, "novelty": 3,
}  # fmt: skip
"""How often each kind is written, in parts of their sum."""

PEOPLE_SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Dials:
    """What a world may be turned to. `forget` lists the biographies (by number) that are never written."""

    portuguese: Annotated[float, Interval(0.0, 1.0, step=0.05)] = 0.5
    noise: Annotated[float, Interval(0.0, 0.5, step=0.05)] = 0.0
    bias: Annotated[float, Interval(0.0, 1.0, step=0.05)] = 0.5
    biographies: Annotated[int, Interval(0, 200, step=10)] = 60
    forget: tuple[int, ...] = ()
    weights: tuple[tuple[str, float], ...] = field(default_factory=lambda: tuple(USUAL.items()))

    def __post_init__(self) -> None:
        for name in ("portuguese", "noise", "bias"):
            if not 0 <= getattr(self, name) <= 1:
                raise Refusal("world.share", "{name} is a share from 0 to 1, got {given}", name=name, given=getattr(self, name))
        most = len(NAMES) * len(SURNAMES)
        if not 0 <= self.biographies <= most:
            raise Refusal("world.people", "this world has names for {most} people, got {given}", most=most, given=self.biographies)
        strangers = [number for number in self.forget if number not in range(self.biographies)]
        if strangers:
            raise Refusal("world.forget", "people are numbered from 0 to {last}, got {given}", last=self.biographies - 1, given=strangers[0])
        self._refuse_weights()

    def _refuse_weights(self) -> None:
        names = [name for name, _ in self.weights]
        wrong = [name for name, weight in self.weights if name not in KINDS or names.count(name) > 1 or not 0 <= weight < math.inf]
        if wrong or not self.usable():
            raise Refusal(
                "world.weights",
                "weights say once for each of {known} how often it is written, and something must be; got {given}",
                known=", ".join(KINDS),
                given=", ".join(wrong) or "nothing to write",
            )

    def usable(self) -> list[tuple[str, float]]:
        """The kinds that can be written, with their weights: without people there are no biographies."""
        nobody = len(set(self.forget)) == self.biographies
        return [(kind, weight) for kind, weight in self.weights if weight > 0 and not (kind == "biography" and nobody)]

    def emphasise(self, kinds: tuple[str, ...], share: float) -> Dials:
        """The same world with `kinds` making up `share` of its documents: a curriculum's early lessons."""
        own = sum(weight for name, weight in self.weights if name in kinds)
        rest = sum(weight for name, weight in self.weights if name not in kinds)
        if not own or not rest or not 0 < share < 1:
            raise Refusal(
                "world.emphasis",
                "a share between 0 and 1 can go to some of {known}, not to none or all; got {share} for {given}",
                known=", ".join(name for name, _ in self.weights),
                share=share,
                given=", ".join(kinds) or "nothing",
            )
        scale = {True: share / own, False: (1 - share) / rest}
        return replace(self, weights=tuple((name, weight * scale[name in kinds]) for name, weight in self.weights))


@dataclass(frozen=True, slots=True)
class Document:
    """One text, how it came about, and its exact log-probability (nats, at most 0)."""

    text: str
    kind: str
    language: Language
    log_probability: float


class World:
    """An endless supply of documents: the same seed and dials, the same documents, on any machine."""

    def __init__(self, seed: int | str = 0, dials: Dials | None = None) -> None:
        self.dials = dials or Dials()
        self.chance = Chance(seed)
        everyone = people(self.dials.biographies)
        remembered = tuple(person for number, person in enumerate(everyone) if number not in self.dials.forget)
        self.maker = Maker(self.chance, remembered, self.dials.bias, partial(invent, known=known_words()))
        self.kinds, self.parts = zip(*self.dials.usable(), strict=True)

    def document(self, kind: str | None = None) -> Document:
        """The next document; of the given kind, its probability is that of the text among its kind and language.

        Raises `Refusal` for a kind this world has not.
        """
        if kind is not None and (kind not in KINDS or (kind == "biography" and not self.maker.people)):
            raise Refusal("world.kind", "this world writes {known}, not {given}", known=", ".join(self.kinds), given=kind)
        c = self.chance
        c.nats = 0.0
        noisy = kind is None and self.dials.noise > 0 and c.flip(self.dials.noise)
        written: str = "noise" if noisy else kind or c.weigh(self.kinds, self.parts)
        language: Language = "pt" if c.flip(self.dials.portuguese) else "en"
        text = noise(self.maker, language) if noisy else KINDS[written](self.maker, language)
        return Document(text, written, language, -c.nats)

    def documents(self) -> Iterator[Document]:
        """Documents without end."""
        while True:
            yield self.document()


@lru_cache(maxsize=8)
def people(count: int) -> tuple[Person, ...]:
    """The first `count` people of the world, always the same ones."""
    draw = random.Random(PEOPLE_SEED)
    pairs = [(name, surname) for name in NAMES for surname in SURNAMES]
    draw.shuffle(pairs)
    return tuple(
        Person(f"{name.text} {surname}", name.gender, draw.choice(CITIES), draw.choice(PETS), draw.choice(NOUNS)) for name, surname in pairs[:count]
    )


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """Every word the grammar can write without inventing, bare of spaces."""
    return frozenset(piece.strip() for piece in known_pieces())


@lru_cache(maxsize=1)
def known_pieces() -> frozenset[str]:
    """Every word and sign as it stands in a text, most with a space before: the tables' words, and the frames' found by writing some of each kind."""
    maker = Maker(Chance(0), people(60), 0.5, lambda chance: NOUNS[0].pt)
    texts = [" " + write(maker, language) for write in (*KINDS.values(), noise) for language in ("pt", "en") for _ in range(120)]
    return frozenset(" " + word for word in every_content_word()).union(*(re.findall(PIECE, text) for text in texts))
