"""A model drawn from its configuration: every part with its real heads, mask and proportions, the residual stream one unbroken line.

`anatomy` says what the parts are and how two configurations differ, `drawing` where everything stands, `telling` what each part
says for itself; `layout` puts them together, `blueprint` mounts `view.js`, which turns it into SVG. What comes back is the name
of the part that the reader keeps open.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.canvas.blueprint import glyphs, telling
from components.canvas.blueprint.anatomy import Part, anatomy, compared
from components.canvas.blueprint.drawing import Drawing, draw
from components.canvas.blueprint.sheet import sheet
from components.i18n import Words
from components.theme import DIVERGING, PAIR, SEQUENTIAL, colour
from model.config import Config, EncoderDecoder

HERE = Path(__file__).parent
WAYS = {"wide": False, "narrow": True}
GROUPS = {
    **dict.fromkeys(("token", "positions", "segments", "embed_norm", "widen"), "embedding"),
    **dict.fromkeys(("heads", "scores", "mask", "out"), "attention"),
    "mlp": "mlp",
    **dict.fromkeys(("readout", "narrow", "output"), "output"),
}
COLOURS = {
    "embedding": colour(DIVERGING, 0.18),
    "attention": colour(SEQUENTIAL, 0.80),
    "mlp": colour(SEQUENTIAL, 0.62),
    "output": colour(DIVERGING, 0.08),
    "frame": "#C9C4D2",
}
"""The colours in which the size page paints the same parts; what is neither attention nor MLP nor a table is grey."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A configuration to draw, under the name the reader knows it by."""

    title: str
    config: Config


def layout(words: Words, subjects: Sequence[Subject], chosen: str) -> dict[str, Any]:
    """What the view draws: one subject, or two side by side with their differences lit."""
    figures = [_figure(words, subjects, number) for number in range(len(subjects))]
    legend = [{"state": name, "label": words(f"blueprint.legend_{name}")} for name in ("lit", "size", "same", "absent")]
    painted = zlib.crc32(repr([(subject, words.language) for subject in subjects]).encode())
    return {
        "figures": figures,
        "chosen": chosen,
        "colours": COLOURS,
        "legend": legend if len(subjects) > 1 else [],
        "differences": _told(words, subjects),
        "words": {name: words(f"blueprint.{name}") for name in ("hint", "differing", "setting_head", "design", "size", "nothing")},
        "painted": f"{painted:08x}",
    }


def _told(words: Words, subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """What differs, in words, a line a setting, with the part that shows it; those of design first."""
    if len(subjects) < 2:
        return []
    lines = telling.sentences(words, subjects[0].config, subjects[1].config)
    return [{"part": each.part, "size": each.size, "name": name, "values": [one, two]} for each, name, one, two in lines]


def _figure(words: Words, subjects: Sequence[Subject], number: int) -> dict[str, Any]:
    subject, two = subjects[number], len(subjects) > 1
    config = subject.config
    states = compared(config, subjects[1 - number].config if two else None)
    cards = {part.name: telling.card(words, config, part, states[part.name]) for part in anatomy(config) if part.name in states}
    kinds = {part.name: part.kind for part in anatomy(config)}
    return {
        "title": subject.title,
        "label": words("blueprint.label", title=subject.title),
        "mark": "AB"[number] if two else "",
        "colour": PAIR[number],
        "broad": isinstance(config.form, EncoderDecoder),
        "whole": plate.plain(telling.whole(words, subject.title, by_group(config))),
        "parts": {
            name: {"state": states[name], "group": GROUPS.get(kinds[name], "frame"), "told": card.told, **plate.plain(card)}
            for name, card in cards.items()
        },
        "views": {
            name: _view_of(draw(config, words, states, _unit(subjects, narrow=narrow), narrow=narrow)) for name, narrow in WAYS.items()
        },
    }


def _unit(subjects: Sequence[Subject], *, narrow: bool) -> float:
    """How wide the stream is beside an MLP, the same in all drawings, so that widths can be compared."""
    return min(glyphs.unit(subject.config, sheet(subject.config, narrow=narrow).mlp) for subject in subjects)


def by_group(config: Config) -> dict[str, int]:
    """Parameters by the colour of their part, in the order of the pass."""
    sums = dict.fromkeys(COLOURS, 0)
    for part in anatomy(config):
        sums[GROUPS.get(part.kind, "frame")] += part.total
    return sums


def _view_of(drawing: Drawing) -> dict[str, Any]:
    """A drawing as what JSON can hold."""
    return {
        "box": [drawing.box.x, drawing.box.y, drawing.box.w, drawing.box.h],
        "grounds": plate.plain(drawing.grounds),
        "knots": plate.plain(drawing.knots),
        "wires": plate.plain(drawing.wires),
        "sums": plate.plain(drawing.sums),
        "parts": [
            {"name": placed.part.name, "box": plate.plain(placed.box), "marks": plate.plain(placed.marks)} for placed in drawing.placed
        ],
    }


_view = component(
    "vitrine.blueprint",
    html='<section class="blueprint plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def blueprint(words: Words, key: str, subjects: Sequence[Subject], chosen: str, then: Callable[[str], None]) -> None:
    """Mount the drawing; `then` is given the name of the part the reader wants kept open, or "" for none."""

    def heard() -> None:
        name = received(state.sent(key, "part"), subjects)
        if name is not None:
            then(name)

    _view(key=key, data=layout(words, subjects, chosen), on_part_change=heard)


def received(given: Any, subjects: Sequence[Subject]) -> str | None:
    """The name of a part that one of the subjects has, or "" for none; `None` for anything else a browser may send."""
    names = {part.name for subject in subjects for part in anatomy(subject.config)} | {""}
    return given if isinstance(given, str) and given in names else None


__all__ = ["Part", "Subject", "blueprint", "by_group", "layout", "received"]
