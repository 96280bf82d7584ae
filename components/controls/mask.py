"""The mask on the screen: a specification in the link, patterns with a number each, and one painted by hand.

The specification is the truth; a pattern of the gallery is a specification that is recognised, its slider rewrites it, and
the word `painted` in it stands for the mask made by hand. Each place of attention has a mask, and patterns, of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
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
from model.layers.masks import Bidirectional, Causal, Mask, Painted, parse

LIMIT = 20_000
OWN = "own"
WAYS = ("and", "or", "without")
WORD = Painted(1, "80")
"""Stands for the mask made by hand in a specification that is only written anew."""
NATURAL: dict[str, Callable[[int], tuple[int, ...]]] = {
    "left": lambda length: (max(length // 5, 1),),
    "right": lambda length: (max(length // 5, 1),),
    "prefix": lambda length: (max(length // 3, 2),),
    "window": lambda length: (2,),
    "packed": lambda length: (max(length // 2, 1),),
}
"""Numbers of a pattern that show something in a text of so many tokens."""


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
    """What a place of attention keeps: its patterns by name in groups, how each is written, the specification, the mask made by hand, and
    what stands in the field, readable or not (which is in no link)."""

    groups: tuple[tuple[str, tuple[str, ...]], ...]
    templates: Mapping[str, str]
    spec: Field[str]
    paint: Field[Any]
    draft: Field[str]

    @property
    def names(self) -> tuple[str, ...]:
        """Its patterns in their order, the one made by hand last."""
        return tuple(name for _, names in self.groups for name in names)

    @property
    def fields(self) -> tuple[Field[Any], ...]:
        """Those that live in a link."""
        return self.spec, self.paint


def _sheet(prefix: str, first: str, **groups: Mapping[str, str]) -> Sheet:
    """`groups`: the patterns of each by name, with {} where a number stands."""
    named = (*((group, tuple(templates)) for group, templates in groups.items()), ("hand", ("hand",)))
    written = {name: text for templates in groups.values() for name, text in templates.items()}
    fields = _specification(f"{prefix}.spec", first), _painting(f"{prefix}.paint"), state.text(f"{prefix}.draft", "", LIMIT)
    return Sheet(named, written, *fields)


SHEETS = {
    "decoder": _sheet(
        "m",
        "causal & window(2)",
        whole={"causal": "causal", "bidirectional": "bidirectional", "prefix": "causal | prefix({})"},
        padding={"left": "causal & pad_left({})", "right": "causal & pad_right({})"},
        local={"window": "causal & window({})"},
        documents={"packed": "causal & packed({})"},
    ),
    "encoder": _sheet(
        "m.e",
        "causal",
        whole={"bidirectional": "bidirectional", "causal": "causal"},
        padding={"left": "pad_left({})", "right": "pad_right({})"},
        local={"window": "window({})"},
        documents={"packed": "packed({})"},
    ),
    "cross": _sheet(
        "m.x",
        "wait(1)",
        whole={"bidirectional": "bidirectional", "wait": "wait({})", "window": "window({})"},
        padding={"left": "pad_left({})", "right": "pad_right({})"},
    ),
}


def _numbers(name: str, *more: str) -> tuple[Field[int], ...]:
    return tuple(state.integer(f"m.{name}{part}", 0, 0, 1_024) for part in ("", *(f".{other}" for other in more)))  # 0: follows the text


NUMBERS = {name: _numbers(name) for name in ("left", "right", "prefix", "window", "packed", "wait")}
"""The numbers of a pattern, in the order in which it is written."""
OTHER = state.text("m.other", "", 40)
"""What the mask on the screen would be combined with; in no link."""
FIELDS = (*(field for sheet in SHEETS.values() for field in sheet.fields), *(field for fields in NUMBERS.values() for field in fields))


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

    def made(self, name: str, numbers: tuple[int, ...]) -> Mask:
        """A pattern of the gallery with its numbers."""
        return self.by_hand if name == "hand" else made(self.where, name, numbers)

    def numbers(self, name: str) -> tuple[int, ...]:
        """A pattern's numbers: the reader's, or ones that show something in a text of this length."""
        natural = NATURAL.get(name, lambda length: (1,))(self.keys)
        fields = NUMBERS.get(name, ())
        return tuple(min(state.get(field) or at, self.keys) for field, at in zip(fields, natural, strict=False))

    @property
    def other(self) -> str:
        """The pattern that the mask on the screen would be combined with."""
        chosen = state.get(OTHER)
        return chosen if chosen in self.sheet.names else "prefix" if "prefix" in self.sheet.names else "window"

    # ------------------------------------------------------------ what changes it

    def note_numbers(self, name: str, numbers: tuple[int, ...]) -> None:
        """Let a pattern's sliders stand where the specification says, also when another pattern is chosen, here or from a link."""
        for field, number, shown in zip(NUMBERS.get(name, ()), numbers, self.numbers(name), strict=False):
            if 0 < number <= 1_024 and min(number, self.keys) != shown:
                state.put(field, number)

    def choose(self, name: str) -> None:
        """Take a pattern of the gallery; by hand one goes on from the mask on the screen."""
        if name != "hand":
            self._put(str(self.made(name, self.numbers(name))))
        elif state.get(self.sheet.paint) is not None:
            self._put("painted")
        else:
            self.paint(self.build(self.current))

    def combine(self, name: str, how: str) -> None:
        """Join the mask on the screen with a pattern of the gallery: `and`, `or`, or `without` it."""
        here = parse(state.get(self.sheet.spec), {"painted": WORD})
        other = WORD if name == "hand" else self.made(name, self.numbers(name))
        joined = {"and": here & other, "or": here | other, "without": here & ~other}[how]
        self._put(str(joined).replace(str(WORD), "painted"))

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


def made(where: Where, name: str, numbers: tuple[int, ...] = ()) -> Mask:
    """A pattern of the gallery with its numbers; in a decoder it is laid over the causal mask."""
    return parse(SHEETS[where.name].templates[name].format(*numbers))


def recognised(where: Where, mask: Mask) -> tuple[str, tuple[int, ...]]:
    """Which pattern of the gallery a mask is, and its numbers; `OWN` for any other combination."""
    if isinstance(mask, Painted):
        return "hand", ()
    written = str(mask)
    for name, template in SHEETS[where.name].templates.items():
        if found := re.fullmatch(re.escape(template).replace(r"\{\}", "([0-9]+)"), written):
            return name, tuple(map(int, found.groups()))
    return OWN, ()
