"""The right translation of a phrase or a sentence, where the grammar has one that can be looked up.

The micro-world writes a text and its translation from the same choices, so there is exactly one. Read back here are phrases ("the red keys"),
where things are ("… is in the garden"), what somebody did with them ("Ana lost …"), brackets, and every kind with few texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import product

from model.text.kinds import KINDS, phrase
from model.text.lexicon import ADJECTIVES, DEEDS, NAMES, NOUNS, PLACES, Language
from model.text.likelihood import Walk
from model.text.pairs import OTHER
from model.text.world import World

LISTED = ("fact", "sound", "counting", "biography", "job")
"""Kinds with so few texts that all their pairs are written out."""


CLOSE, SIGNS = {"Close": "Feche", "Feche": "Close"}, set("()[]{} ")


def translation(text: str) -> str | None:
    """The one right translation of a text in Portuguese or English; `None` where it cannot be read back."""
    listed = _listed()
    if text in listed:
        return listed[text]
    head, told, signs = text.partition(": ")
    if head in CLOSE and told and set(signs.removesuffix(".")) <= SIGNS:
        return f"{CLOSE[head]}: {signs}"
    found = {said for language in OTHER for said in _read(text, language)}
    return found.pop() if len(found) == 1 else None


def _read(text: str, language: Language) -> Iterator[str]:
    """The translations of a text that is a phrase of this language, or one within a frame."""
    other = OTHER[language]
    phrases = _phrases(language)
    if text in phrases:
        yield phrases[text][0]
    for place in PLACES:
        for plural, (pt, en) in enumerate((("está", "is"), ("estão", "are"))):
            verbs: Mapping[Language, str] = {"pt": pt, "en": en}
            about = text.removesuffix(f" {verbs[language]} {place.within(language)}")
            if about != text and phrases.get(about, ("", None))[1] == bool(plural):
                yield f"{phrases[about][0]} {verbs[other]} {place.within(other)}"
    for name, deed in product(NAMES, DEEDS):
        did: Mapping[Language, str] = {"pt": deed[0], "en": deed[1]}
        what = text.removeprefix(f"{name.text} {did[language]} ")
        if what != text and what in phrases:
            yield f"{name.text} {did[other]} {phrases[what][0]}"


@lru_cache(maxsize=2)
def _phrases(language: Language) -> dict[str, tuple[str, bool]]:
    """Every definite phrase with a quality in this language: its translation, and whether it is plural."""
    told: dict[str, tuple[str, bool]] = {}
    for noun, quality, plural in product(NOUNS, ADJECTIVES, (False, True)):
        said = {tongue: phrase(noun, quality, tongue, plural=plural, definite=True) for tongue in OTHER}
        told[said[language]] = said[OTHER[language]], plural
    return told


@lru_cache(maxsize=1)
def _listed() -> dict[str, str]:
    """The texts of the small kinds, each with its translation; those that have several are left out."""
    told: dict[str, set[str]] = {}
    for kind in LISTED:
        for pt, en in zip(_walked(kind, "pt"), _walked(kind, "en"), strict=True):
            told.setdefault(pt, set()).add(en)
            told.setdefault(en, set()).add(pt)
    return {text: found.pop() for text, found in told.items() if len(found) == 1}


def _walked(kind: str, language: Language) -> Iterator[str]:
    """Every text of a kind, in the order of the choices that lead to it, which are the same in both languages."""
    walk = Walk()
    maker = replace(World(0).maker, chance=walk)
    while True:
        yield KINDS[kind](maker, language)
        if not walk.onward():
            return
