"""The beams: time runs from left to right, a text is a path, the higher the more probable so far; one that died fades where it died.

Under the drawing stand the texts that were found, and beside them what greedy decoding and a draw wrote; one of them is lit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any, Literal

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.canvas.beams.growth import Node, grown, path
from components.i18n import Words
from model.errors import Refusal
from model.generation import BeamStep, Text

HERE = Path(__file__).parent
Kind = Literal["found", "greedy", "drawn"]
SAID = ("keys", "node", "alive", "dies", "crowded", "late", "ended", "outdone", "cut", "leaves", "legend")
COLUMNS = ("text", "nats", "length", "score", "perplexity", "times")


@dataclass(frozen=True, slots=True)
class Row:
    """A text under the drawing: `text` with its `score`, written as the reader reads it, and how it came to be."""

    kind: Kind
    text: Text
    score: float
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What is shown: the `steps` of a search, the `rows` under them and which of these is `chosen`, the last token of the prompt, and how
    a token is written."""

    revision: str
    title: str
    before: str
    steps: Sequence[BeamStep]
    rows: Sequence[Row]
    chosen: int
    piece: Callable[[int], str]


def header(words: Words, scene: Scene) -> dict[str, Any]:
    """The whole scene: it is small."""
    nodes = grown(scene.steps)
    greedy = next((row.text.log_probability for row in scene.rows if row.kind == "greedy"), 0.0)
    return {
        "revision": scene.revision,
        "title": scene.title,
        "before": plate.visible(scene.before),
        "steps": len(scene.steps),
        "nodes": [_drawn(node, scene.piece) for node in nodes],
        "rows": [_written(words, row, path(nodes, row.text.ids), number, greedy) for number, row in enumerate(scene.rows)],
        "chosen": scene.chosen,
        "language": words.language,
        "words": {name: words(f"strategies.canvas.{name}") for name in SAID}
        | {"columns": {name: words(f"strategies.canvas.column.{name}") for name in COLUMNS}},
    }


def _drawn(node: Node, piece: Callable[[int], str]) -> dict[str, Any]:
    death = node.death and {"piece": plate.visible(piece(node.death.id)), "total": node.death.total, "bar": node.death.bar}
    told = {"step": node.step, "lane": node.lane, "parent": node.parent, "piece": plate.visible(piece(node.id)), "fate": node.fate}
    return told | {"share": float(f"{node.share:.6g}"), "total": round(node.total, 6), "death": death}


def _written(words: Words, row: Row, through: tuple[int, ...], number: int, greedy: float) -> dict[str, Any]:
    nats = row.text.log_probability
    name = words("strategies.canvas.found", place=number + 1) if row.kind == "found" else words(f"strategies.canvas.{row.kind}")
    told = {
        "text": row.shown,
        "nats": words.number(nats, 2),
        "length": words.number(len(row.text.ids)),
        "score": words.number(row.score, 3),
        "perplexity": words.number(row.text.perplexity),
        "times": times(words, nats - greedy),
    }
    return {"kind": row.kind, "name": name, "path": through, "whole": len(through) == len(row.text.ids), "told": told}


def times(words: Words, nats: float) -> str:
    """How many times as probable one text is as another, from the difference of their log-probabilities."""
    return words("strategies.canvas.factor", factor=words.number(float(f"{exp(max(-300.0, min(nats, 300.0))):.6g}")))


_view = component(
    "vitrine.beams",
    html='<section class="beams plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def beams(words: Words, key: str, scene: Scene, choose: Callable[[int], None]) -> None:
    """Mount the drawing; `choose` is given the number of the row that the reader lights."""

    def chosen() -> None:
        with suppress(Refusal):
            choose(plate.index(state.sent(key, "choose"), "row", len(scene.rows)))

    _view(key=key, data=plate.envelope(header(words, scene)), on_choose_change=chosen)
