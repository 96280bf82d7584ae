"""Reading a specification: a mask, soft masks laid over it, and a plan of several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from model.errors import Refusal
from model.layers.masks.combining import And, Mask, Not, Or
from model.layers.masks.patterns import PATTERNS, WIDEST, Bidirectional, Packed, Painted, Random
from model.layers.masks.plan import Plan, Spot
from model.layers.masks.soft import SOFT, Relative, Shaded, Soft

LONGEST = 2_000
"""Characters of a specification, not counting the bits of hand-made masks."""
DEEPEST = 64
"""Brackets and ~ within one another."""
DRAWN = 32
"""Patterns that are drawn by lot in a specification: each takes a hundred times as long to build as any other."""


def parse(specification: str, named: Mapping[str, Mask] | None = None) -> Mask:
    """The mask a specification describes: the patterns by name, joined by `~`, `&`, `|` (binding in that order) and brackets.

    `named` are masks that may stand in it under a name of their own (in lower case), without brackets.
    Raises `Refusal` with what was given, where, and what would work."""
    reader = _Reader(_words(specification), named or {})
    mask = reader.either(0)
    if reader.next.text:
        _refuse("mask.operator", "two patterns are joined by & or |", reader.next)
    return mask


def parse_plan(specification: str, named: Mapping[str, Mask] | None = None) -> Plan:
    """The plan a specification describes: the mask of all layers, soft masks joined to it by `+`, then layers and heads with masks of
    their own, parted by `;`. Soft masks alone hide nothing: they stand for `bidirectional +` them.

    `named` and what is raised are as in `parse`."""
    reader = _Reader(_words(specification), named or {})
    plan = reader.plan()
    if reader.next.text:
        _refuse("mask.operator", "two patterns are joined by & or |", reader.next)
    return plan


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    place: int  # characters from the beginning, from 1


def _words(specification: str) -> list[_Word]:
    length = len(re.sub(r",\s*[0-9a-fA-F]{9,}", "", specification))
    if length > LONGEST or len(specification) > LONGEST + WIDEST**2:
        raise Refusal("mask.long", "a mask specification is up to {longest} characters; got {length}", longest=LONGEST, length=len(specification))
    words = [_Word(found[0].lower(), found.start() + 1) for found in re.finditer(r"-?[0-9]+\.[0-9]+|-?\w+|[^\w\s]", specification)]
    if sum(word.text == Random.name for word in words) > DRAWN:
        raise Refusal("mask.drawn", "random stands in a specification up to {most} times; join fewer of them", most=DRAWN)
    if not words:
        raise Refusal("mask.empty", "a mask specification names a pattern, such as causal or causal & window(8); got nothing")
    return [*words, _Word("", len(specification) + 1)]


@dataclass(slots=True)
class _Reader:
    """Recursive descent: plan = shaded (";" place ":" shaded)*, shaded = (either | soft) ("+" soft)*, either = both ("|" both)*,
    both = one ("&" one)*, one = "~" one | "(" either ")" | pattern."""

    words: list[_Word]
    named: Mapping[str, Mask]
    at: int = 0

    @property
    def next(self) -> _Word:
        return self.words[self.at]

    def take(self) -> _Word:
        word = self.next
        self.at += bool(word.text)
        return word

    def took(self, text: str) -> bool:
        found = self.next.text == text
        self.at += found
        return found

    def plan(self) -> Plan:
        everywhere, own = self.shaded(), []
        while self.took(";"):
            spot = self.spot()
            if not self.took(":"):
                _refuse("mask.colon", "a layer or head and its mask are parted by :, as in L2: causal", self.next)
            own.append((spot, self.shaded()))
        return Plan(everywhere, tuple(own))

    def spot(self) -> Spot:
        layer = self.counted("L")
        return Spot(layer, self.counted("H") if self.took(".") else None)

    def counted(self, letter: str) -> int:
        word = self.take()
        if not re.fullmatch(letter.lower() + r"[0-9]{1,4}", word.text):
            _refuse("mask.place", "a layer or head with a mask of its own is written like L2: or L2.H5:", word)
        return int(word.text[1:])

    def shaded(self) -> Shaded:
        mask, soft = (Bidirectional(), [self.soft()]) if self.next.text in SOFT else (self.either(0), [])
        while self.took("+"):
            soft.append(self.soft())
        return Shaded(mask, tuple(soft))

    def soft(self) -> Soft:
        word = self.take()
        if word.text not in SOFT:
            _refuse("mask.soft", "after + stands what is added to the scores: {soft}", word)
        kind, values = SOFT[word.text], [_decimal(value) for value in (self.arguments() if self.took("(") else [])]
        if kind is Relative:
            return Relative(tuple(values))
        _refuse_count(word, kind.example, len(values))
        return kind(*values)

    def either(self, depth: int) -> Mask:
        parts = [self.both(depth)]
        while self.took("|"):
            parts.append(self.both(depth))
        return Or(tuple(parts)) if len(parts) > 1 else parts[0]

    def both(self, depth: int) -> Mask:
        parts = [self.one(depth)]
        while self.took("&"):
            parts.append(self.one(depth))
        return And(tuple(parts)) if len(parts) > 1 else parts[0]

    def one(self, depth: int) -> Mask:
        word = self.take()
        if depth >= DEEPEST:
            raise Refusal("mask.deep", "brackets and ~ go up to {deepest} deep; character {place} goes deeper", deepest=DEEPEST, place=word.place)
        if word.text == "~":
            return Not(self.one(depth + 1))
        if word.text != "(":
            return self.pattern(word)
        mask = self.either(depth + 1)
        if not self.took(")"):
            _refuse("mask.close", "a bracket is closed by )", self.next)
        return mask

    def pattern(self, word: _Word) -> Mask:
        if word.text in self.named and self.next.text != "(":
            return self.named[word.text]
        if word.text not in PATTERNS:
            _refuse("mask.unknown", "a pattern is one of {patterns}", word)
        arguments = self.arguments() if self.took("(") else []
        if word.text == Packed.name:
            return Packed(tuple(map(_number, arguments)))
        _refuse_count(word, PATTERNS[word.text].example, len(arguments))
        if word.text == Painted.name:
            return Painted(_number(arguments[0]), arguments[1].text)
        return PATTERNS[word.text](*map(_number, arguments))

    def arguments(self) -> list[_Word]:
        found: list[_Word] = []
        while not self.took(")"):
            if found and not self.took(","):
                _refuse("mask.comma", "numbers between brackets are parted by commas", self.next)
            found.append(self.take())
        return found


def _refuse_count(word: _Word, example: str, got: int) -> None:
    """Raise `Refusal` unless as many values were given as the example has."""
    wanted = len(re.findall(r"\(|,", example))
    if got != wanted:
        sentence = "{name} takes {wanted} values, as in {example}; got {got} at character {place}"
        raise Refusal("mask.arguments", sentence, name=word.text, wanted=wanted, example=example, got=got, place=word.place)


def _decimal(word: _Word) -> float:
    if not re.fullmatch(r"-?[0-9]{1,7}(\.[0-9]{1,6})?", word.text):
        _refuse("mask.decimal", "a soft mask's brackets hold numbers such as 1, 0.5 or -2", word)
    return float(word.text)


def _number(word: _Word) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", word.text):
        _refuse("mask.digits", "between brackets stand whole numbers from 0 to 999999", word)
    return int(word.text)


def _refuse(code: str, sentence: str, word: _Word) -> NoReturn:
    if not word.text:
        raise Refusal(
            "mask.unfinished", "the specification stops at character {place}, before a pattern, a number or a closing bracket", place=word.place
        )
    known = {"patterns": ", ".join(PATTERNS), "soft": ", ".join(kind.example for kind in SOFT.values())}
    raise Refusal(code, sentence + "; got {given} at character {place}", given=word.text[:40], place=word.place, **known)
