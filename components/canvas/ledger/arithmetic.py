"""The arithmetic of one attention cell, written as a ledger: q · k, ÷ √d, mask, softmax, × v, and the residual stream it joins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from components.canvas.ledger import Ledger, Line, Strip
from components.canvas.plate import visible
from components.i18n import Words
from model.analysis.attention import CellArithmetic


def of_cell(words: Words, cell: CellArithmetic, query: str, keys: tuple[str, ...], heads: int, revision: str) -> Ledger:
    """Every step of one cell with the trace's own numbers: `query` asks, one of the `keys` is asked; `heads` is how many write together."""
    say = Sayer(words, cell, query, keys)
    title = words("attention.arithmetic.title", query=say.query, key=say.key, layer=cell.cell.layer + 1, head=cell.cell.head + 1)
    return Ledger(revision, title, words("attention.arithmetic.legend"), tuple(say.lines(heads)))


class Sayer:
    """One cell in one language."""

    def __init__(self, words: Words, cell: CellArithmetic, query: str, keys: tuple[str, ...]) -> None:
        self.words, self.cell, self.keys = words, cell, keys
        self.query, self.key = visible(query), visible(keys[cell.cell.key])

    def lines(self, heads: int) -> Iterator[Line]:
        """The steps in the order they are computed."""
        yield self.match()
        if self.cell.root is not None:
            yield self.scale()
        if self.cell.slope is not None:
            yield self.penalty(self.cell.slope)
        elif self.cell.bias:
            yield self.distance()
        yield self.mask()
        yield self.softmax()
        yield self.value()
        yield self.mixed()
        yield self.output()
        yield self.residual(heads)

    # ------------------------------------------------------------ from two vectors to a score

    def match(self) -> Line:
        """q · k, dimension by dimension."""
        cell = self.cell
        most = _most(cell.q, cell.k)
        strips = Strip("q", cell.q, most=most), Strip("k", cell.k, most=most), Strip("q × k", cell.products, "bars", _most(cell.products))
        return Line("q · k", self._say("query", query=self.query, key=self.key, size=len(cell.q)), (f"q · k = {self._number(cell.dot)}",), strips)

    def scale(self) -> Line:
        """÷ √size."""
        size = len(self.cell.q)
        equation = f"{self._number(self.cell.dot)} ÷ √{size} = {self._number(self.cell.scaled)}"
        return Line("÷ √d", self._say("scale", size=size), (equation,))

    def penalty(self, slope: float) -> Line:
        """ALiBi's penalty for the distance."""
        at = self.cell.cell
        equation = f"{self._number(self.cell.scaled)} − {self._number(-self.cell.bias)} = {self._number(self.cell.score)}"
        return Line("ALiBi", self._say("bias", distance=abs(at.query - at.key), slope=self._number(slope)), (equation,))

    def distance(self) -> Line:
        """The trained number for the distance."""
        equation = f"{self._number(self.cell.scaled)} + {self._bracketed(self.cell.bias)} = {self._number(self.cell.score)}"
        return Line(self._term("distance"), self._say("distance", distance=abs(self.cell.cell.query - self.cell.cell.key)), (equation,))

    def mask(self) -> Line:
        """What the mask leaves of the row's scores."""
        cell = self.cell
        score = f"{self._term('score')} = {self._number(cell.score)}"
        most = _most(cell.scores)
        strip = Strip(self._term("scores"), cell.scores, most=most, names=self.keys, chosen=cell.cell.key, blocked=~cell.allowed)
        name, equation = ("allowed", score) if cell.may_look else ("forbidden", f"{score} → −∞")
        return Line(self._term("mask"), self._say(name, key=self.key), (equation,), (strip,))

    def softmax(self) -> Line:
        """The exponentials of the row and the cell's share of their sum."""
        cell = self.cell
        if not cell.denominator:
            return Line(self._term("softmax"), self._say("blind"), (self.words.percent(0),))
        own, peak = float(cell.exponentials[cell.cell.key]), self._number(cell.peak)
        raised = f"e^({self._number(cell.score)} − {self._bracketed(cell.peak)}) = {self._number(own)}" if cell.may_look else "e^(−∞) = 0"
        shared = f"{self._number(own)} ÷ {self._number(cell.denominator)} = {self.words.percent(cell.weight)}"
        strip = Strip("exp", cell.exponentials, "bars", 1.0, self.keys, cell.cell.key)
        return Line(self._term("softmax"), self._say("softmax", peak=peak), (raised, shared), (strip,))

    # ------------------------------------------------------------ from a weight to the residual stream

    def value(self) -> Line:
        """The share of this key's value."""
        cell = self.cell
        strips = Strip("v", cell.v, most=_most(cell.v)), Strip(f"{self.words.percent(cell.weight)} × v", cell.weighted, most=_most(cell.v))
        return Line(self._term("value"), self._say("value", query=self.query, key=self.key), (self._length(cell.weighted),), strips)

    def mixed(self) -> Line:
        """What all keys hand over together."""
        strip = Strip(self._term("head_output"), self.cell.mixed, most=_most(self.cell.mixed))
        return Line(self._term("mixed"), self._say("mixed"), (self._length(self.cell.mixed),), (strip,))

    def output(self) -> Line:
        """The head's output in the width of the residual stream."""
        strip = Strip(self._term("written"), self.cell.contribution, most=_most(self.cell.contribution))
        return Line(self._term("output"), self._say("output"), (self._length(self.cell.contribution),), (strip,))

    def residual(self, heads: int) -> Line:
        """Before + attention = after."""
        cell = self.cell
        most = _most(cell.before, cell.after)
        vectors = {"before": cell.before, "attention": cell.attention, "after": cell.after}
        strips = tuple(Strip(self._term(name), vector, most=most) for name, vector in vectors.items())
        lengths = {name: self._number(float(np.linalg.norm(vector))) for name, vector in vectors.items()}
        return Line(self._term("residual"), self._say("residual", heads=heads), (self._say("lengths", **lengths),), strips)

    # ------------------------------------------------------------ words

    def _say(self, name: str, **values: object) -> str:
        return self.words(f"attention.arithmetic.{name}", **values)

    def _term(self, name: str) -> str:
        return self.words(f"attention.term.{name}")

    def _number(self, value: float) -> str:
        return self.words.number(value)

    def _bracketed(self, value: float) -> str:
        return f"({self._number(value)})" if value < 0 else self._number(value)

    def _length(self, vector: NDArray[np.float32]) -> str:
        return self._say("length", length=self._number(float(np.linalg.norm(vector))))


def _most(*vectors: NDArray[np.float32]) -> float:
    return max(float(np.abs(vector).max()) for vector in vectors)
