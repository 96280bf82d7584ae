"""A text with blanks, filled in several ways one under the other: what stands in each blank, how sure it was, and in which pass it was put there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from components.canvas import plate
from components.i18n import Words
from model.generation import Filling

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What is shown: the `pieces` of the text, what was made of it in each way, and how a token is written."""

    revision: str
    title: str
    pieces: Sequence[str]
    fillings: Sequence[Filling]
    piece: Callable[[int], str]


def header(words: Words, scene: Scene) -> dict[str, Any]:
    """The whole scene: it is small."""
    return {
        "revision": scene.revision,
        "title": scene.title,
        "pieces": [plate.visible(piece) for piece in scene.pieces],
        "ways": [_way(words, filling, scene) for filling in scene.fillings],
        "language": words.language,
        "words": {name: words(f"strategies.filling.{name}") for name in ("legend", "keys", "cell", "revised", "filled", "pseudo", "pass")},
    }


def _way(words: Words, filling: Filling, scene: Scene) -> dict[str, Any]:
    """One way: its blanks by place, each with all that was put there, first to last."""
    put: dict[int, list[dict[str, Any]]] = {}
    for number, puts in enumerate(filling.passes, start=1):
        for one in puts:
            told = {"pass": number, "piece": plate.visible(scene.piece(one.id)), "share": float(f"{one.probability:.6g}")}
            put.setdefault(one.place, []).append(told)
    return {
        "name": words(f"strategies.filling.way.{filling.way}"),
        "passes": words(f"strategies.filling.passes_{'one' if len(filling.passes) == 1 else 'many'}", passes=words.number(len(filling.passes))),
        "filled": words.number(round(filling.log_probability, 2) + 0.0, 2),
        "pseudo": words.number(round(filling.pseudo, 2) + 0.0, 2),
        "put": {str(place): line for place, line in put.items()},
    }


_view = component(
    "vitrine.fillings",
    html='<section class="fillings plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def fillings(words: Words, key: str, scene: Scene) -> None:
    """Mount the view."""
    _view(key=key, data=plate.envelope(header(words, scene)))
