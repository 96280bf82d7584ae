"""Contrastive search, step by step: the text, and for the chosen token every candidate with its probability, what it resembles and its score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.errors import Refusal
from model.generation import ContrastStep, Trial

HERE = Path(__file__).parent
SAID = ("keys", "token", "row", "resembles", "likeness", "probability", "score", "candidate", "taken", "step", "variety", "legend", "other")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What is shown: the `given` pieces, each of the `steps`, of which number `at` is opened, and what greedy decoding wrote, token by token;
    both texts with their variety; how a token is written."""

    revision: str
    title: str
    formula: str
    given: Sequence[str]
    steps: Sequence[ContrastStep]
    greedy: Sequence[str]
    variety: tuple[float, float]
    at: int
    piece: Callable[[int], str]


def header(words: Words, scene: Scene) -> dict[str, Any]:
    """The whole scene: it is small."""
    pieces = [*scene.given, *(scene.piece(step.id) for step in scene.steps)]
    return {
        "revision": scene.revision,
        "title": scene.title,
        "formula": scene.formula,
        "given": [plate.visible(piece) for piece in scene.given],
        "steps": [_step(step, scene.piece, pieces) for step in scene.steps],
        "greedy": [plate.visible(piece) for piece in scene.greedy],
        "variety": [words.percent(share) for share in scene.variety],
        "at": scene.at,
        "language": words.language,
        "words": {name: words(f"strategies.contrast.{name}") for name in (*SAID, "ours", "greedy")},
    }


def _step(step: ContrastStep, piece: Callable[[int], str], pieces: Sequence[str]) -> dict[str, Any]:
    trials = [_trial(trial, piece, pieces) for trial in step.trials]
    return {"piece": plate.visible(piece(step.id)), "chosen": step.chosen, "trials": trials}


def _trial(trial: Trial, piece: Callable[[int], str], pieces: Sequence[str]) -> dict[str, Any]:
    told = {"piece": plate.visible(piece(trial.id)), "share": float(f"{trial.probability:.6g}"), "likeness": round(trial.likeness, 6)}
    return told | {"score": round(trial.score, 6), "place": trial.place, "resembles": plate.visible(pieces[trial.place])}


_view = component(
    "vitrine.contrast",
    html='<section class="contrast plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def contrast(words: Words, key: str, scene: Scene, go: Callable[[int], None]) -> None:
    """Mount the view; `go` is given the number of the step that the reader opens."""

    def gone() -> None:
        with suppress(Refusal):
            go(plate.index(state.sent(key, "go"), "step", len(scene.steps)))

    _view(key=key, data=plate.envelope(header(words, scene)), on_go_change=gone)
