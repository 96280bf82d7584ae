"""The edits of this session, as the reader sees them: a chip each, on or off, in order; what came before can be had back.

Chips live in the link: each edit as `model.interventions` spells it, after `off ` where it is switched off.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from components import state
from components.canvas.plate import visible
from components.i18n import Words
from model.config import Kind
from model.errors import Refusal
from model.interventions import (
    LONGEST,
    Another,
    Cell,
    Edit,
    First,
    Head,
    Layer,
    Mean,
    Output,
    PaintPattern,
    PaintRule,
    Part,
    Patch,
    Previous,
    Prompt,
    Replace,
    Residual,
    Rule,
    Scale,
    Silence,
    Spread,
    Steer,
    Uniform,
    parse,
)
from model.transformer import Transformer

MOST = 64
"""Chips, at most."""
STEPS = 50
"""How far back undo reaches."""
PAUSE = 1.5
"""Seconds within which further moves of one slider are one step."""
OFF = "off "
NAMED = 3
"""Tokens that a chip names."""


# ---------------------------------------------------------------- chips


@dataclass(frozen=True, slots=True)
class Chip:
    """An edit that can be switched off."""

    edit: Edit
    on: bool = True

    def __str__(self) -> str:
        return f"{'' if self.on else OFF}{self.edit}"


Chips = tuple[Chip, ...]


def write(chips: Chips) -> str:
    """Chips as they stand in a link, short or compressed. Raises `Refusal` for more than a link may hold."""
    return _TEXT.write(spell(chips))


def spell(chips: Iterable[Chip]) -> str:
    """Chips in plain letters."""
    return "; ".join(map(str, chips))


def read(given: str) -> Chips:
    """The chips that `write` wrote. Raises `Refusal` for anything else."""
    text = _TEXT.read(given)
    found = tuple(_chip(one.strip()) for one in text.split(";")) if text.strip() else ()
    if len(found) > MOST:
        raise Refusal("edit.many", "a link holds up to {most} edits; got {given}", most=MOST, given=len(found))
    return found


def _chip(text: str) -> Chip:
    return Chip(parse(text.removeprefix(OFF)), not text.startswith(OFF))


_TEXT = state.text("c.edits", "", LONGEST)
EDITS: state.Field[Chips] = state.Field("c.edits", (), read, write)
CHIP = state.integer("c.chip", 0, 0, MOST)
"""The chip in hand, counted from 1; 0 for none."""


def unfit(edit: Edit, model: Transformer, prompt: Prompt) -> Refusal | None:
    """Why a pass of this prompt through this model has no place for an edit; `None` where it has."""
    try:
        edit.refuse_unfit(model, prompt.lengths(model))
    except Refusal as refused:
        return refused
    return None


def effective(chips: Chips, model: Transformer, prompt: Prompt) -> tuple[Edit, ...]:
    """The edits that are on and that have a place."""
    return tuple(chip.edit for chip in chips if chip.on and unfit(chip.edit, model, prompt) is None)


# ---------------------------------------------------------------- the desk they lie on


@dataclass(slots=True)
class History:
    """What the chips were, and what was undone; `label` and `when` tell one slider's moves from another step."""

    past: list[Chips] = field(default_factory=list)
    future: list[Chips] = field(default_factory=list)
    label: str = ""
    when: float = 0.0
    refused: Refusal | None = None

    def step(self, before: Chips, label: str) -> None:
        """Remember what the chips were before a change; a slider that goes on moving makes one step."""
        now = time.monotonic()
        if not label or label != self.label or now - self.when > PAUSE:
            self.past = [*self.past, before][-STEPS:]
        self.future, self.label, self.when = [], label, now


def history() -> History:
    """This session's."""
    return state.remember("changes.history", History)


def chips() -> Chips:
    """This session's chips."""
    return state.get(EDITS)


def put(new: Chips, chosen: int = 0, label: str = "") -> None:
    """Make these the chips, the one in hand counted from 1; where they are too many for a link, nothing changes and `History.refused` says why."""
    past, before = history(), chips()
    past.refused = None
    if new != before:
        try:
            state.put(EDITS, new)
        except Refusal as refused:
            past.refused = refused
            return
        past.step(before, label)
    state.put(CHIP, chosen if chosen <= len(new) else 0)


def add(*edits: Edit) -> None:
    """Put edits after the others, the last of them in hand."""
    new = (*chips(), *map(Chip, edits))
    put(new, len(new))


def rewrite(at: int, edit: Edit, label: str = "") -> None:
    """Another edit in the place of one, counted from 0; what was switched off is on again."""
    new = chips()
    if at < len(new):
        put((*new[:at], Chip(edit), *new[at + 1 :]), at + 1, label)


def undo() -> None:
    """One step back."""
    _travel(history().past, history().future)


def redo() -> None:
    """One step forward again."""
    _travel(history().future, history().past)


def _travel(source: list[Chips], target: list[Chips]) -> None:
    if source:
        target.append(chips())
        state.put(EDITS, source.pop())
        state.put(CHIP, min(state.get(CHIP), len(chips())))
        history().label = ""


def act(name: str, at: int) -> None:
    """What a chip's buttons do: toggle, remove, choose, earlier, later; and undo, redo, clear."""
    new, held = list(chips()), state.get(CHIP)
    match name:
        case "undo":
            undo()
        case "redo":
            redo()
        case "clear":
            put(())
        case "choose":
            state.put(CHIP, 0 if held == at + 1 else at + 1)
        case "toggle":
            new[at] = replace(new[at], on=not new[at].on)
            put(tuple(new), held)
        case "remove":
            del new[at]
            put(tuple(new), 0 if held == at + 1 else held - (held > at + 1))
        case "earlier" | "later":
            other = at + (1 if name == "later" else -1)
            if 0 <= other < len(new):
                new[at], new[other] = new[other], new[at]
                put(tuple(new), other + 1)


# ---------------------------------------------------------------- in words


@dataclass(frozen=True, slots=True)
class Teller:
    """How edits are told: in a language, about a model of one stack or two, and about tokens it knows the look of."""

    words: Words
    two: bool
    pieces: dict[Kind, tuple[str, ...]]
    spelled: dict[Prompt, str] = field(default_factory=dict)

    def edit(self, edit: Edit) -> str:
        """A chip's sentence: "layer 2, head 4: silenced"."""
        return self.words("change.chip.told", part=self.part(edit.part), change=self._change(edit))

    def part(self, part: Part) -> str:
        """A part by its name: "layer 2, head 4, at token 5 “key”"."""
        stack = self.words(f"change.stack.{part.stack}") + " · " if self.two else ""
        positions = part.positions if isinstance(part, Spread) else ()
        return stack + self._name(part) + (f", {self._tokens(part, positions)}" if positions else "")

    def _name(self, part: Part) -> str:
        say, layer = self.words, part.layer + 1
        match part:
            case Head(head=head, branch=branch):
                return say(f"change.part.head_{branch}", layer=layer, head=head + 1)
            case Cell(head=head, query=query, key=key, branch=branch, renormalised=whole):
                named = say(f"change.part.head_{branch}", layer=layer, head=head + 1)
                return say("change.part.cell_whole" if whole else "change.part.cell", head=named, query=query + 1, key=key + 1)
            case Output(writer=writer):
                return say(f"change.part.{writer}", layer=layer)
            case Residual(point=point):
                return say(f"change.part.{point}", layer=layer)
            case Layer():
                return say("change.part.layer", layer=layer)
        raise TypeError(part)

    def _tokens(self, part: Part, positions: tuple[int, ...]) -> str:
        pieces, more = self.pieces.get(part.stack, ()), " …" if len(positions) > NAMED else ""
        named = ", ".join(f"{at + 1} “{visible(pieces[at])}”" if at < len(pieces) else str(at + 1) for at in positions[:NAMED]) + more
        return self.words("change.part.at_one" if len(positions) == 1 else "change.part.at_many", tokens=named)

    def _change(self, edit: Edit) -> str:
        words = self.words
        match edit:
            case Silence():
                return words("change.done.silence")
            case Scale(factor=factor):
                return words("change.done.scale", factor=words.number(factor))
            case Replace(by=Another(head)):
                return words("change.done.another", head=head + 1)
            case Replace(by=by):
                return words("change.done.mean" if isinstance(by, Mean) else "change.done.zeros")
            case PaintPattern(rows=rows):
                return words("change.done.paint_one" if len(rows) == 1 else "change.done.paint_many", rows=len(rows), row=rows[0][0] + 1)
            case PaintRule(rule=rule):
                return self.rule(rule)
            case Patch(prompt=prompt):
                return words("change.done.patch", text=self.prompt(prompt))
            case Steer(strength=strength, toward=toward, away=away):
                names = {"toward": self.prompt(toward[0]), "away": self.prompt(away[0])}
                return words("change.done.steer", strength=words.number(strength), **names)

    def rule(self, rule: Rule) -> str:
        """What a head does by a rule."""
        match rule:
            case Previous():
                return self.words("change.done.previous")
            case First():
                return self.words("change.done.first")
            case Uniform():
                return self.words("change.done.uniform")
            case Another(head):
                return self.words("change.done.as_head", head=head + 1)

    def prompt(self, prompt: Prompt) -> str:
        """Another text, shortly: its words, or its tokens' numbers where they are not known."""
        told = self.spelled.get(prompt, str(prompt))
        return told if len(told) <= 40 else f"{told[:39]}…"
