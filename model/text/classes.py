"""The classes of the micro-world's words: what a word is, and in which language."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Literal, get_args

from model.text.lexicon import ADJECTIVES, DEEDS, NAMES, NOUNS, NUMBERS, Gender

Class = Literal["name", "noun_pt", "noun_en", "adjective_pt", "adjective_en", "verb_pt", "verb_en", "number_pt", "number_en"]
CLASSES: tuple[Class, ...] = get_args(Class)


def class_of(piece: str) -> Class | None:
    """What a token is, by how it is written; `None` for one that is nothing of this, or that both languages write alike."""
    return _classes().get(piece.strip())


@cache
def _classes() -> dict[str, Class | None]:
    found: dict[str, Class | None] = {}
    for word, kind in _listed():
        found[word] = kind if found.get(word, kind) == kind else None
    return found


def _listed() -> list[tuple[str, Class]]:
    genders: tuple[Gender, ...] = get_args(Gender)
    listed: list[tuple[str, Class]] = [(name.text, "name") for name in NAMES]
    for noun, plural in product(NOUNS, (False, True)):
        listed += _as("noun_pt", noun.form("pt", plural)) + _as("noun_en", noun.form("en", plural))
    for adjective in ADJECTIVES:
        forms = (adjective.form(gender, plural) for gender, plural in product(genders, (False, True)))
        listed += _as("adjective_pt", *forms) + _as("adjective_en", adjective.en)
    for pt, en in DEEDS:
        listed += _as("verb_pt", pt) + _as("verb_en", en)
    return listed + _as("number_pt", *NUMBERS["pt"]) + _as("number_en", *NUMBERS["en"])


def _as(kind: Class, *written: str) -> list[tuple[str, Class]]:
    return [(word, kind) for word in written]
