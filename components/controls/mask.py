"""The mask on the screen: a plan in the link, patterns with their numbers, and masks painted by hand.

The plan's specification is the truth: a mask for all layers, and others for some layers and heads. A pattern of the gallery is a mask that
is recognised, its sliders rewrite it, and the word `painted` stands for the mask made by hand for that layer or head. Each place of
attention has a plan, and patterns, of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components import state
from components.canvas.painter import WIDEST
from components.state import Field
from model.analysis.places import Where, built
from model.errors import Refusal
from model.layers.masks import PLACES, Bidirectional, Causal, Mask, Painted, Plan, Shaded, Spot, parse_plan

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
    "dilated": lambda length: (3, 2),
    "strided": lambda length: (max(round(length**0.5), 2),),
    "blocks": lambda length: (max(length // 4, 2),),
    "longformer": lambda length: (2, 1),
    "bigbird": lambda length: (2, 1, 1),
    "streaming": lambda length: (1, 2),
    "relative": lambda length: (3,),
}
"""Numbers of a pattern that show something in a text of so many tokens."""


# ---------------------------------------------------------------- the fields


def _specification(name: str, default: str) -> Field[str]:
    text = state.text(name, default, LIMIT)

    def readable(given: str) -> str:
        parse_plan(text.read(given), {"painted": WORD})
        return text.read(given)

    return Field(name, default, readable, text.write)


Paintings = tuple[tuple[Spot | None, Painted], ...]
"""Masks made by hand: for all layers (`None`), for a layer, for a head."""


def _paintings(given: str) -> Paintings:
    return tuple(_painting(part) for part in given.split("~")[: PLACES + 1])


def _painting(given: str) -> tuple[Spot | None, Painted]:
    place, colon, rest = given.rpartition(":")
    length, _, bits = rest.partition(".")
    if not (length.isascii() and length.isdigit() and 0 < int(length[:4]) <= WIDEST):
        raise Refusal("link.painted", "a painted mask begins with its length, 1 to {widest}; got {given!r}", widest=WIDEST, given=given[:40])
    return spot(place) if colon else None, Painted(int(length), state.unpack(bits, WIDEST**2 // 8).hex())


def _painted(paintings: Paintings) -> str:
    written = (("" if at is None else f"{at}:", mask.length, state.pack(bytes.fromhex(mask.bits))) for at, mask in paintings)
    return "~".join(f"{place}{length}.{bits}" for place, length, bits in written)


def spot(given: str) -> Spot | None:
    """A layer or a head as a link and a browser write it, `L2` or `L2.H5`; empty for all layers. Raises `Refusal` for anything else."""
    found = re.fullmatch(r"L([0-9]{1,3})(?:\.H([0-9]{1,3}))?", given)
    if given and not found:
        raise Refusal("link.spot", "a layer is written L2, a head in it L2.H5; got {given!r}", given=given[:40])
    return Spot(int(found[1]), None if found[2] is None else int(found[2])) if found else None


@dataclass(frozen=True)
class Sheet:
    """What a place of attention keeps: its patterns by name in groups, how each is written, the specification, the masks made by hand, and
    what stands in the field, readable or not (which is in no link)."""

    groups: tuple[tuple[str, tuple[str, ...]], ...]
    templates: Mapping[str, str]
    spec: Field[str]
    paint: Field[Paintings]
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
    paint: Field[Paintings] = Field(f"{prefix}.paint", (), _paintings, _painted)
    return Sheet(named, written, _specification(f"{prefix}.spec", first), paint, state.text(f"{prefix}.draft", "", LIMIT))


SHEETS = {
    "decoder": _sheet(
        "m",
        "causal & window(2)",
        whole={"causal": "causal", "bidirectional": "bidirectional", "prefix": "causal | prefix({})"},
        padding={"left": "causal & pad_left({})", "right": "causal & pad_right({})"},
        local={
            "window": "causal & window({})",
            "dilated": "causal & dilated({},{})",
            "strided": "causal & strided({})",
            "blocks": "causal & blocks({})",
        },
        sparse={
            "longformer": "causal & (window({}) | global({}))",
            "bigbird": "causal & (window({}) | global({}) | random({},0))",
            "streaming": "causal & (prefix({}) | window({}))",
        },
        documents={"packed": "causal & packed({})"},
        soft={"alibi": "causal + alibi({})", "relative": "causal + relative(0,{},0)"},
    ),
    "encoder": _sheet(
        "m.e",
        "causal",
        whole={"bidirectional": "bidirectional", "causal": "causal"},
        padding={"left": "pad_left({})", "right": "pad_right({})"},
        local={"window": "window({})", "dilated": "dilated({},{})", "strided": "strided({})", "blocks": "blocks({})"},
        sparse={"longformer": "window({}) | global({})", "bigbird": "window({}) | global({}) | random({},0)"},
        documents={"packed": "packed({})"},
        soft={"alibi": "bidirectional + alibi({})", "relative": "bidirectional + relative(0,{},0)"},
    ),
    "cross": _sheet(
        "m.x",
        "wait(1)",
        whole={"bidirectional": "bidirectional", "wait": "wait({})"},
        padding={"left": "pad_left({})", "right": "pad_right({})"},
        local={"window": "window({})", "dilated": "dilated({},{})", "blocks": "blocks({})"},
        soft={"alibi": "bidirectional + alibi({})"},
    ),
}


def _numbers(name: str, *more: str) -> tuple[Field[int], ...]:
    return tuple(state.integer(f"m.{name}{part}", 0, 0, 1_024) for part in ("", *(f".{other}" for other in more)))  # 0: follows the text


NUMBERS = {name: _numbers(name) for name in ("left", "right", "prefix", "window", "packed", "wait", "strided", "blocks", "alibi", "relative")} | {
    "dilated": _numbers("dilated", "step"),
    "longformer": _numbers("longformer", "global"),
    "bigbird": _numbers("bigbird", "global", "random"),
    "streaming": _numbers("streaming", "window"),
}
"""The numbers of a pattern, in the order in which it is written."""
STRONGEST = 8
"""The largest number of a pattern that adds to the scores; of any other it is the text's length."""
SCOPE: Field[Spot | None] = Field("m.at", None, spot, lambda at: "" if at is None else str(at))
"""The layer or the head whose mask is on the screen; `None` for that of all layers."""
OTHER = state.text("m.other", "", 40)
"""What the mask on the screen would be combined with; in no link."""
FIELDS = (SCOPE, *(field for sheet in SHEETS.values() for field in sheet.fields), *(field for fields in NUMBERS.values() for field in fields))


# ---------------------------------------------------------------- what is on the screen


@dataclass(frozen=True)
class Desk:
    """A plan at hand: the place it stands in, how many tokens ask there and how many are asked, and how many layers and heads there are."""

    where: Where
    queries: int
    keys: int
    layers: int = 1
    heads: int = 1

    @property
    def sheet(self) -> Sheet:
        """What this place keeps."""
        return SHEETS[self.where.name]

    @property
    def plan(self) -> Plan:
        """The masks of all layers and heads; those of layers or heads that this model has not are left out."""
        written = self._written
        own = tuple((at, self._by_hand(shaded, at)) for at, shaded in written.own if self.has(at))
        return Plan(self._by_hand(written.everywhere, None), own)

    @property
    def beyond(self) -> tuple[Spot, ...]:
        """The layers and heads of the plan that this model has not."""
        return tuple(at for at, _ in self._written.own if not self.has(at))

    def has(self, at: Spot) -> bool:
        """Whether there is such a layer or head."""
        return at.layer < self.layers and (at.head or 0) < self.heads

    @property
    def scope(self) -> Spot | None:
        """The layer or head whose mask is on the screen."""
        at = state.get(SCOPE)
        return at if at is not None and self.has(at) else None

    @property
    def current(self) -> Shaded:
        """The mask on the screen."""
        return self.plan.everywhere if self.scope is None else self.plan.at(self.scope.layer, self.scope.head)

    @property
    def draft(self) -> tuple[str, Refusal | None]:
        """What stands in the specification's field, and why it is not what the picture shows, if it is not."""
        text, spec = state.get(self.sheet.draft) or state.get(self.sheet.spec), self.sheet.spec
        try:
            spec.read(spec.write(text))
        except Refusal as refused:
            return text, refused
        return text, None

    def build(self, shaded: Shaded) -> NDArray[np.bool_]:
        """Who may look at whom under a mask, (queries, keys)."""
        return built(shaded.mask, self.where, self.queries, self.keys).numpy()

    def weight(self, shaded: Shaded) -> NDArray[np.float32] | None:
        """What a soft mask leaves of each pair, (queries, keys), 1 for what it favours most, on average over the heads; `None` where nothing
        is soft. With equal scores the weights of a row would stand in this proportion."""
        if not shaded.soft:
            return None
        sight = shaded.sight(torch.arange(self.queries)[:, None], torch.arange(self.keys)[None, :], self.heads)
        added = torch.zeros(1) if sight.added is None else sight.added
        return (added - added.max()).exp().mean(0).expand(self.queries, self.keys).float().numpy()

    def made(self, name: str, numbers: tuple[int, ...]) -> Shaded:
        """A pattern of the gallery with its numbers."""
        return Shaded(self.by_hand(self.scope)) if name == "hand" else made(self.where, name, numbers)

    def by_hand(self, at: Spot | None) -> Mask:
        """The one made by hand for a layer or a head, else for all layers, else the place's usual one."""
        painted = dict(state.get(self.sheet.paint))
        return painted.get(at) or painted.get(None) or usual(self.where)

    def numbers(self, name: str) -> tuple[int, ...]:
        """A pattern's numbers: the reader's, or ones that show something in a text of this length."""
        natural = NATURAL.get(name, lambda length: (1,))(self.keys)
        fields = NUMBERS.get(name, ())
        return tuple(min(state.get(field) or at, self.most(name)) for field, at in zip(fields, natural, strict=True)) if fields else ()

    def most(self, name: str) -> int:
        """The largest number of a pattern."""
        return STRONGEST if name in ("alibi", "relative") else self.keys

    @property
    def other(self) -> str:
        """The pattern that the mask on the screen would be combined with."""
        chosen = state.get(OTHER)
        return chosen if chosen in self.sheet.names else "prefix" if "prefix" in self.sheet.names else "window"

    @property
    def _written(self) -> Plan:
        """The plan with `WORD` where the masks made by hand belong."""
        return parse_plan(state.get(self.sheet.spec), {"painted": WORD})

    def _by_hand(self, shaded: Shaded, at: Spot | None) -> Shaded:
        text = str(shaded)
        return parse_plan(text.replace(str(WORD), "painted"), {"painted": self.by_hand(at)}).everywhere if str(WORD) in text else shaded

    # ------------------------------------------------------------ what changes it

    def note_numbers(self, name: str, numbers: tuple[int, ...]) -> None:
        """Let a pattern's sliders stand where the specification says, also when another pattern is chosen, here or from a link."""
        for field, number, shown in zip(NUMBERS.get(name, ()), numbers, self.numbers(name), strict=False):
            if 0 < number <= 1_024 and min(number, self.most(name)) != shown:
                state.put(field, number)

    def go(self, at: Spot | None) -> None:
        """Let the gallery and the painter speak of a layer, of a head, or of all layers."""
        state.put(SCOPE, at)

    def drop(self, at: Spot) -> None:
        """Let a layer or a head be like the others again."""
        self._write(self._written.drop(at))
        if state.get(SCOPE) == at:
            state.put(SCOPE, None)

    def choose(self, name: str) -> None:
        """Take a pattern of the gallery; by hand one goes on from the mask on the screen."""
        if name != "hand":
            self._put(self.made(name, self.numbers(name)))
        elif self.scope in dict(state.get(self.sheet.paint)):
            self._put(Shaded(WORD))
        else:
            self.paint(self.build(self.current))

    def combine(self, name: str, how: str) -> None:
        """Join the mask on the screen with a pattern of the gallery: `and`, `or`, or `without` it. What either adds to the scores stays."""
        written = self._written
        here = written.everywhere if self.scope is None else written.at(self.scope.layer, self.scope.head)
        other = Shaded(WORD) if name == "hand" else self.made(name, self.numbers(name))
        joined = {"and": here.mask & other.mask, "or": here.mask | other.mask, "without": here.mask & ~other.mask}[how]
        added = () if how == "without" else tuple(soft for soft in other.soft if soft not in here.soft)
        self._put(Shaded(joined, here.soft + added))

    def paint(self, allowed: NDArray[np.bool_]) -> None:
        """Take a mask made by hand; one of more than `WIDEST` tokens is left alone. A wide or a high one is kept as the square it lies in.
        What the mask on the screen adds to the scores stays."""
        side = max(allowed.shape)
        if side > WIDEST:
            return
        square = np.ones((side, side), bool)
        square[: allowed.shape[0], : allowed.shape[1]] = allowed
        self.paint_square(square)

    def paint_square(self, square: NDArray[np.bool_]) -> None:
        """Take a mask made by hand, (length, length), whatever the text's length."""
        soft, kept = self.current.soft, dict(state.get(self.sheet.paint)) | {self.scope: Painted.of(square)}
        state.put(self.sheet.paint, tuple(sorted(kept.items(), key=lambda item: str(item[0] or ""))))
        self._put(Shaded(WORD, soft))

    def take(self, written: str) -> None:
        """Take a mask as it is written."""
        self._put(parse_plan(written).everywhere)

    def adopt(self) -> None:
        """Take what stands in the specification's field, if it can be read."""
        with suppress(Refusal):
            state.put(self.sheet.spec, state.get(self.sheet.draft) or self.sheet.spec.default)

    def _put(self, shaded: Shaded) -> None:
        with suppress(Refusal):
            self._write(self._written.put(self.scope, shaded))

    def _write(self, plan: Plan) -> None:
        spec = str(plan).replace(str(WORD), "painted")
        state.put(self.sheet.spec, spec)
        state.put(self.sheet.draft, spec)


# ---------------------------------------------------------------- patterns


def usual(where: Where) -> Mask:
    """The mask of a place in most models: a decoder's tokens see those before them, any others see everything."""
    return Causal() if where == Where("decoder") else Bidirectional()


def made(where: Where, name: str, numbers: tuple[int, ...] = ()) -> Shaded:
    """A pattern of the gallery with its numbers; in a decoder it is laid over the causal mask."""
    return parse_plan(SHEETS[where.name].templates[name].format(*numbers)).everywhere


def recognised(where: Where, shaded: Shaded) -> tuple[str, tuple[int, ...]]:
    """Which pattern of the gallery a mask is, and its numbers; `OWN` for any other combination."""
    if isinstance(shaded.mask, Painted):
        return "hand", ()
    written = str(shaded)
    for name, template in SHEETS[where.name].templates.items():
        if found := re.fullmatch(re.escape(template).replace(r"\{\}", "([0-9]+)"), written):
            return name, tuple(map(int, found.groups()))
    return OWN, ()
