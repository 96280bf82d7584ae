"""The mask on the screen: a specification in the link, patterns with a number each, and one painted by hand.

The specification is the truth; a pattern of the gallery is a specification that is recognised, its slider rewrites it, and
the word `painted` in it stands for the mask made by hand.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components import state
from components.canvas.painter import WIDEST
from model.errors import Refusal
from model.layers.masks import And, Bidirectional, Causal, Mask, Or, Packed, PadLeft, PadRight, Painted, Prefix, Window, parse

LIMIT = 20_000
NAMES = ("causal", "bidirectional", "left", "right", "prefix", "window", "packed", "hand")
OWN = "own"
_TEXT = state.text("m.spec", "causal & window(2)", LIMIT)


# ---------------------------------------------------------------- the fields


def _readable(given: str) -> str:
    text = _TEXT.read(given)
    parse(text, {"painted": Causal()})
    return text


def _painted(given: str) -> Painted:
    length, _, bits = given.partition(".")
    if not (length.isascii() and length.isdigit() and 0 < int(length[:4]) <= WIDEST):
        raise Refusal("link.painted", "a painted mask begins with its length, 1 to {widest}; got {given!r}", widest=WIDEST, given=given[:40])
    return Painted(int(length), state.unpack(bits, WIDEST**2 // 8).hex())


SPEC = state.Field("m.spec", _TEXT.default, _readable, _TEXT.write)
PAINT: state.Field[Any] = state.Field("m.paint", None, _painted, lambda mask: f"{mask.length}.{state.pack(bytes.fromhex(mask.bits))}")
DRAFT = state.text("m.draft", "", LIMIT)  # what stands in the field, readable or not; in no link
NUMBERS = {name: state.integer(f"m.{name}", 0, 0, 1_024) for name in ("left", "right", "prefix", "window", "packed")}  # 0: follows the text


# ---------------------------------------------------------------- what is on the screen


def current() -> Mask:
    """The mask on the screen."""
    return parse(state.get(SPEC), {"painted": state.get(PAINT) or Causal()})


def draft() -> tuple[str, Refusal | None]:
    """What stands in the specification's field, and why it is not what the picture shows, if it is not."""
    text = state.get(DRAFT) or state.get(SPEC)
    try:
        SPEC.read(SPEC.write(text))
    except Refusal as refused:
        return text, refused
    return text, None


def made(name: str, number: int) -> Mask:
    """A pattern of the gallery with its number; the hand-made one is the state's, or causal while nothing is painted."""
    match name:
        case "bidirectional":
            return Bidirectional()
        case "left":
            return Causal() & PadLeft(number)
        case "right":
            return Causal() & PadRight(number)
        case "prefix":
            return Causal() | Prefix(number)
        case "window":
            return Causal() & Window(number)
        case "packed":
            return Causal() & Packed((number,))
        case "hand":
            return state.get(PAINT) or Causal()
        case _:
            return Causal()


def recognised(mask: Mask) -> tuple[str, int]:
    """Which pattern of the gallery a mask is, and its number (0 where it has none); `OWN` for any other combination."""
    match mask:
        case Causal():
            return "causal", 0
        case Bidirectional():
            return "bidirectional", 0
        case And((Causal(), PadLeft(number))):
            return "left", number
        case And((Causal(), PadRight(number))):
            return "right", number
        case Or((Causal(), Prefix(number))):
            return "prefix", number
        case And((Causal(), Window(number))):
            return "window", number
        case And((Causal(), Packed((number,)))):
            return "packed", number
        case Painted():
            return "hand", 0
        case _:
            return OWN, 0


def number_for(name: str, length: int) -> int:
    """A pattern's number: the reader's, or one that shows something in a text of this length; 0 where it has none."""
    fifth, third, half = max(length // 5, 1), max(length // 3, 2), max(length // 2, 1)
    natural = {"left": fifth, "right": fifth, "prefix": third, "window": 2, "packed": half}
    return min(state.get(NUMBERS[name]) or natural[name], length) if name in NUMBERS else 0


# ---------------------------------------------------------------- what changes it


def note_number(name: str, number: int, length: int) -> None:
    """Let a pattern's slider stand where the specification says, also when another pattern is chosen, here or from a link."""
    if name in NUMBERS and 0 < number <= 1_024 and min(number, length) != number_for(name, length):
        state.put(NUMBERS[name], number)


def choose(length: int, name: str) -> None:
    """Take a pattern of the gallery for a text of this length; by hand one goes on from the mask on the screen."""
    if name != "hand":
        _put(str(made(name, number_for(name, length))))
    elif state.get(PAINT) is not None:
        _put("painted")
    else:
        paint(current().build(length).numpy())


def paint(allowed: NDArray[np.bool_]) -> None:
    """Take a mask made by hand; one of more than `WIDEST` tokens is left alone."""
    if len(allowed) <= WIDEST:
        state.put(PAINT, Painted.of(allowed))
        _put("painted")


def adopt() -> None:
    """Take what stands in the specification's field, if it can be read."""
    with suppress(Refusal):
        state.put(SPEC, state.get(DRAFT) or SPEC.default)


def _put(spec: str) -> None:
    state.put(SPEC, spec)
    state.put(DRAFT, spec)
