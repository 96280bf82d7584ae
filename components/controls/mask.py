"""The mask on the screen: a specification in the link, patterns with a number each, and one painted by hand.

The specification is the truth; a pattern of the gallery is a specification that is recognised, its slider rewrites it, and
the word `painted` in it stands for the mask made by hand. Each place of attention has a mask, and patterns, of its own.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import state
from components.canvas.painter import WIDEST
from components.state import Field
from model.analysis.places import Where, built
from model.errors import Refusal
from model.layers.masks import And, Bidirectional, Causal, Mask, Or, Packed, PadLeft, PadRight, Painted, Prefix, Wait, Window, parse

LIMIT = 20_000
OWN = "own"


# ---------------------------------------------------------------- the fields


def _specification(name: str, default: str) -> Field[str]:
    text = state.text(name, default, LIMIT)

    def readable(given: str) -> str:
        parse(text.read(given), {"painted": Causal()})
        return text.read(given)

    return Field(name, default, readable, text.write)


def _painted(given: str) -> Painted:
    length, _, bits = given.partition(".")
    if not (length.isascii() and length.isdigit() and 0 < int(length[:4]) <= WIDEST):
        raise Refusal("link.painted", "a painted mask begins with its length, 1 to {widest}; got {given!r}", widest=WIDEST, given=given[:40])
    return Painted(int(length), state.unpack(bits, WIDEST**2 // 8).hex())


def _painting(name: str) -> Field[Any]:
    return Field(name, None, _painted, lambda mask: f"{mask.length}.{state.pack(bytes.fromhex(mask.bits))}")


@dataclass(frozen=True)
class Sheet:
    """What a place of attention keeps: its patterns by name, the specification, the mask made by hand, and what stands in the field,
    readable or not (which is in no link)."""

    names: tuple[str, ...]
    spec: Field[str]
    paint: Field[Any]
    draft: Field[str]

    @property
    def fields(self) -> tuple[Field[Any], ...]:
        """Those that live in a link."""
        return self.spec, self.paint


def _sheet(prefix: str, names: tuple[str, ...], first: str) -> Sheet:
    return Sheet(names, _specification(f"{prefix}.spec", first), _painting(f"{prefix}.paint"), state.text(f"{prefix}.draft", "", LIMIT))


SHEETS = {
    "decoder": _sheet("m", ("causal", "bidirectional", "left", "right", "prefix", "window", "packed", "hand"), "causal & window(2)"),
    "encoder": _sheet("m.e", ("bidirectional", "causal", "left", "right", "window", "packed", "hand"), "causal"),
    "cross": _sheet("m.x", ("bidirectional", "wait", "window", "left", "right", "hand"), "wait(1)"),
}
NUMBERS = {name: state.integer(f"m.{name}", 0, 0, 1_024) for name in ("left", "right", "prefix", "window", "packed", "wait")}  # 0: follows the text
FIELDS = (*(field for sheet in SHEETS.values() for field in sheet.fields), *NUMBERS.values())


# ---------------------------------------------------------------- what is on the screen


@dataclass(frozen=True)
class Desk:
    """A mask at hand: the place it stands in, how many tokens ask there and how many are asked."""

    where: Where
    queries: int
    keys: int

    @property
    def sheet(self) -> Sheet:
        """What this place keeps."""
        return SHEETS[self.where.name]

    @property
    def current(self) -> Mask:
        """The mask on the screen."""
        return parse(state.get(self.sheet.spec), {"painted": self.by_hand})

    @property
    def by_hand(self) -> Mask:
        """The one made by hand, or the place's usual one while nothing is painted."""
        return state.get(self.sheet.paint) or usual(self.where)

    @property
    def draft(self) -> tuple[str, Refusal | None]:
        """What stands in the specification's field, and why it is not what the picture shows, if it is not."""
        text, spec = state.get(self.sheet.draft) or state.get(self.sheet.spec), self.sheet.spec
        try:
            spec.read(spec.write(text))
        except Refusal as refused:
            return text, refused
        return text, None

    def build(self, mask: Mask) -> NDArray[np.bool_]:
        """A mask as booleans, (queries, keys)."""
        return built(mask, self.where, self.queries, self.keys).numpy()

    def made(self, name: str, number: int) -> Mask:
        """A pattern of the gallery with its number."""
        return self.by_hand if name == "hand" else made(self.where, name, number)

    def number_for(self, name: str) -> int:
        """A pattern's number: the reader's, or one that shows something in a text of this length; 0 where it has none."""
        length = self.keys
        natural = {"left": max(length // 5, 1), "right": max(length // 5, 1), "prefix": max(length // 3, 2), "packed": max(length // 2, 1)}
        return min(state.get(NUMBERS[name]) or natural.get(name, 2 if name == "window" else 1), length) if name in NUMBERS else 0

    # ------------------------------------------------------------ what changes it

    def note_number(self, name: str, number: int) -> None:
        """Let a pattern's slider stand where the specification says, also when another pattern is chosen, here or from a link."""
        if name in NUMBERS and 0 < number <= 1_024 and min(number, self.keys) != self.number_for(name):
            state.put(NUMBERS[name], number)

    def choose(self, name: str) -> None:
        """Take a pattern of the gallery; by hand one goes on from the mask on the screen."""
        if name != "hand":
            self._put(str(self.made(name, self.number_for(name))))
        elif state.get(self.sheet.paint) is not None:
            self._put("painted")
        else:
            self.paint(self.build(self.current))

    def paint(self, allowed: NDArray[np.bool_]) -> None:
        """Take a mask made by hand; one of more than `WIDEST` tokens is left alone. A wide or a high one is kept as the square it lies in."""
        side = max(allowed.shape)
        if side > WIDEST:
            return
        square = np.ones((side, side), bool)
        square[: allowed.shape[0], : allowed.shape[1]] = allowed
        state.put(self.sheet.paint, Painted.of(square))
        self._put("painted")

    def adopt(self) -> None:
        """Take what stands in the specification's field, if it can be read."""
        with suppress(Refusal):
            state.put(self.sheet.spec, state.get(self.sheet.draft) or self.sheet.spec.default)

    def _put(self, spec: str) -> None:
        state.put(self.sheet.spec, spec)
        state.put(self.sheet.draft, spec)


# ---------------------------------------------------------------- patterns


def usual(where: Where) -> Mask:
    """The mask of a place in most models: a decoder's tokens see those before them, any others see everything."""
    return Causal() if where == Where("decoder") else Bidirectional()


def made(where: Where, name: str, number: int) -> Mask:
    """A pattern of the gallery with its number; in a decoder it is laid over the causal mask."""
    match name:
        case "causal":
            return Causal()
        case "prefix":
            return Causal() | Prefix(number)
        case "bidirectional":
            return Bidirectional()
        case _:
            part = {"left": PadLeft, "right": PadRight, "window": Window, "wait": Wait, "packed": lambda first: Packed((first,))}[name](number)
            return Causal() & part if where == Where("decoder") else part


def recognised(where: Where, mask: Mask) -> tuple[str, int]:
    """Which pattern of the gallery a mask is, and its number (0 where it has none); `OWN` for any other combination."""
    if isinstance(mask, Painted):
        return "hand", 0
    number = _number(mask)
    for name in SHEETS[where.name].names[:-1]:
        if (number > 0 or name not in NUMBERS) and made(where, name, number) == mask:
            return name, number if name in NUMBERS else 0
    return OWN, 0


def _number(mask: Mask) -> int:
    part = mask.parts[-1] if isinstance(mask, And | Or) else mask
    match part:
        case PadLeft(number) | PadRight(number) | Prefix(number) | Window(number) | Wait(number) | Packed((number,)):
            return number
        case _:
            return 0
