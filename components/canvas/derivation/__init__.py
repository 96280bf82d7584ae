"""A derivation: one number, its formula, and what it was made from, each operand a way further back.

`Sheet` is laid out in Python with its words and numbers already written; `view.js` draws it. What comes back is a step: an operand to
follow or a place on the trail to return to.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.canvas.derivation import notation
from components.canvas.derivation.telling import Teller
from components.i18n import Words
from model.analysis.derivation import Activated, Constant, Derivation, Factor, Number, Share, Statistics, Term, Weight
from model.errors import Refusal

HERE = Path(__file__).parent
LISTED = 10
"""How many terms have a row of their own."""


@dataclass(frozen=True, slots=True)
class Operand:
    """One factor: its letter, its number as it is written, where it comes from in words, its address; `follow` counts those that can be
    followed, and is `None` for weights and constants."""

    letter: str
    value: str
    words: str
    address: str
    follow: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """A term: its factors, and what it contributes, as a number and as it is written; `None` for what only multiplies the rest."""

    operands: tuple[Operand, ...]
    amount: float | None
    written: str
    own: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that is drawn; `ways` are the numbers that `follow` counts, `trail` those passed on the way here."""

    revision: str
    place: str
    address: str
    value: str
    symbols: str
    worked: tuple[str, ...]
    legend: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    rest: Row | None
    most: float
    signed: bool
    trail: tuple[str, ...]
    here: str
    column: str
    ways: tuple[Number, ...]
    steps: int
    arrived: float


def sheet(teller: Teller, derivation: Derivation, trail: tuple[Number, ...], arrived: float = 0.0) -> Sheet:
    """Lay a derivation out; `arrived` says when the reader came to it from elsewhere, 0 if not just now."""
    writer = Writer(teller)
    listed = derivation.listed(LISTED)
    rows = tuple(writer.row(derivation, term) for term in listed)
    if isinstance(derivation.closing, Activated) and derivation.closing.gate is not None:
        rows = (*rows, Row((writer.operand(derivation.closing.gate),), None, ""))
    amounts = [abs(term.amount) for term in listed if abs(term.amount) != float("inf")]
    return Sheet(
        revision="/".join(map(str, (*trail, derivation.number))),
        place=teller.place(derivation.number),
        address=str(derivation.number),
        value=teller.words.number(derivation.value),
        symbols=notation.symbols(teller.config, derivation),
        worked=notation.worked(teller.words, derivation),
        legend=legend(teller, derivation),
        rows=rows,
        rest=_rest(teller.words, derivation, listed),
        most=max(amounts, default=0.0) or 1.0,
        signed=not isinstance(derivation.closing, Share),
        trail=tuple(map(teller.short, trail)),
        here=teller.short(derivation.number),
        column=teller.words("derivation.column.share" if isinstance(derivation.closing, Share) else "derivation.column.adds"),
        ways=tuple(writer.ways),
        steps=len(trail),
        arrived=arrived,
    )


def legend(teller: Teller, derivation: Derivation) -> tuple[tuple[str, str], ...]:
    """What each letter stands for: a site, a parameter or a constant."""
    found: dict[str, str] = {}
    for factor in derivation.operands:
        found.setdefault(notation.letter(teller.config, factor).partition(" ")[0], _meant(teller, factor, derivation.statistics))
    return tuple(found.items())


def _meant(teller: Teller, factor: Factor, row: Statistics | None) -> str:
    match factor.source:
        case Number(site):
            return teller.site(site)
        case Weight(name):
            return name
        case Constant(name):
            return teller.words(f"derivation.constant.{name}", size="" if row is None else teller.words.number(row.size, 0))


def _rest(words: Words, derivation: Derivation, listed: tuple[Term, ...]) -> Row | None:
    count = len(derivation.terms) - len(listed)
    if not count:
        return None
    others = Operand(words("derivation.others", count=words.number(count, 0)), "", "", "", None)
    return Row((others,), None, words.number(derivation.rest(listed)))


class Writer:
    """Writes operands, and counts those that can be followed."""

    def __init__(self, teller: Teller) -> None:
        self.teller, self.words = teller, teller.words
        self.ways: list[Number] = []

    def row(self, derivation: Derivation, term: Term) -> Row:
        """A term."""
        written = self.words.number(term.amount)
        own = isinstance(derivation.closing, Share) and self._own(derivation, term)
        return Row(tuple(self.operand(factor, derivation.statistics) for factor in term.factors), _finite(term.amount), written, own)

    def operand(self, factor: Factor, row: Statistics | None = None) -> Operand:
        """A factor."""
        letter, value, follow = notation.letter(self.teller.config, factor), self.words.number(factor.value), None
        match factor.source:
            case Number() as number:
                follow = len(self.ways)
                self.ways.append(number)
                return Operand(f"{letter}{self.teller.subscript(number)}", value, self.teller.place(number), str(number), follow)
            case Weight() as weight:
                index = ",".join(map(str, weight.index))
                return Operand(f"{letter}[{index}]", value, self.words("derivation.weight"), str(weight), None)
            case Constant():
                return Operand(letter, value, _meant(self.teller, factor, row), "", None)

    def _own(self, derivation: Derivation, term: Term) -> bool:
        source = term.factors[0].source
        return isinstance(source, Number) and source.index[-1] == derivation.number.index[-1]


def _finite(amount: float) -> float | None:
    return None if abs(amount) == float("inf") else amount


def header(words: Words, sheet: Sheet) -> dict[str, Any]:
    """What the view draws, in plain JSON values."""
    drawn = {name: value for name, value in plate.plain(sheet).items() if name != "ways"}
    return drawn | {"words": {name: words(f"derivation.view.{name}") for name in ("back", "trail", "operands", "keys", "follow")}}


def pack(words: Words, sheet: Sheet) -> bytes:
    """The sheet as the browser receives it; its numbers are few and travel as they are written."""
    return plate.envelope(header(words, sheet))


_view = component(
    "vitrine.derivation",
    html='<section class="derivation plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def derivation(words: Words, key: str, sheet: Sheet, follow: Callable[[Number], None], back: Callable[[int], None]) -> None:
    """Mount the sheet; `follow` is given the operand that was chosen, `back` the step of the trail to return to."""

    def gone() -> None:
        sent = state.sent(key, "go")
        if not isinstance(sent, dict) or sent.get("revision") != sheet.revision:
            return
        with suppress(Refusal):
            if "follow" in sent:
                follow(sheet.ways[plate.index(sent, "follow", len(sheet.ways))])
            else:
                back(plate.index(sent, "back", sheet.steps))

    _view(key=key, data=pack(words, sheet), on_go_change=gone)
