"""Speculative decoding, stage by stage: what the draft proposes, what the target says to it, what stays and what is added.

The whole story is sent at once and the browser turns its pages; Python hears where the reader stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.errors import Refusal
from model.generation import Round, Verdict
from model.generation.agreement import proof

HERE = Path(__file__).parent
Kind = Literal["propose", "read", "judge", "add"]
BARS, LEAST = 8, 0.001
"""So many tokens' shares are drawn at most, and none below this; the others are one bar together."""
TAIL = 24
"""Tokens of the prompt that are shown before the new ones."""
SAID = (
    "title",
    "keys",
    "restart",
    "back",
    "step",
    "end",
    "play",
    "pause",
    "position",
    "stage_propose",
    "stage_read",
    "stage_judge",
    "stage_add",
    "begin",
    "propose_one",
    "propose_many",
    "propose_none",
    "read_one",
    "read_many",
    "read_none",
    "judge_all_one",
    "judge_all_many",
    "judge_same_one",
    "judge_same_many",
    "judge_rejected",
    "judge_never",
    "unread_one",
    "unread_many",
    "add_correction",
    "add_bonus",
    "add_full",
    "draft",
    "target",
    "left",
    "chance",
    "die",
    "accepted",
    "rejected",
    "dropped",
    "correction",
    "bonus",
    "rate",
    "per_pass",
    "written",
    "rounds",
    "go",
    "look",
    "proof",
    "column_token",
    "column_q",
    "column_p",
    "column_kept",
    "column_replaced",
    "column_sum",
    "others",
    "legend_kept",
    "legend_replaced",
    "legend_lost",
)


@dataclass(frozen=True, slots=True)
class Stage:
    """One page of the story: which round, and what happens in it."""

    round: int
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """What is shown: the prompt's pieces, the rounds, at which of the stages the reader stands (0: before the first), and how a token is
    written; `drawn` says that dice were thrown, which a greedy choice needs none of."""

    revision: str
    before: Sequence[str]
    rounds: Sequence[Round]
    at: int
    drawn: bool
    piece: Callable[[int], str]


def stages(rounds: Sequence[Round]) -> list[Stage]:
    """Every stage of every round, in order; one in which nothing happens is left out."""
    return [Stage(round.number, kind) for round in rounds for kind in _kinds(round)]


def _kinds(round: Round) -> tuple[Kind, ...]:
    asked: tuple[Kind, ...] = ("propose", "read", "judge") if round.drafts else ("read",)
    return asked if round.added is None else (*asked, "add")


def header(words: Words, scene: Scene) -> dict[str, Any]:
    """The whole story."""
    told = stages(scene.rounds)
    return {
        "revision": scene.revision,
        "at": min(scene.at, len(told)),
        "stages": [plate.plain(stage) for stage in told],
        "before": [plate.visible(piece) for piece in scene.before[-TAIL:]],
        "cut": len(scene.before) > TAIL,
        "rounds": [_round(words, scene, round) for round in scene.rounds],
        "drawn": scene.drawn,
        "language": words.language,
        "words": {name: words(f"strategies.drafts.{name}") for name in SAID},
    }


def _round(words: Words, scene: Scene, round: Round) -> dict[str, Any]:
    shown = lambda id: plate.visible(scene.piece(id))  # noqa: E731
    drafts = [{"piece": shown(draft.id), "q": float(draft.q[draft.id]), "verdict": None} for draft in round.drafts]
    for draft, verdict in zip(drafts, round.verdicts, strict=False):
        draft["verdict"] = {"accepted": verdict.accepted, "p": float(verdict.p[verdict.draft.id]), "chance": verdict.chance, "die": verdict.die}
        draft["proof"] = _proof(words, verdict, () if round.added is None else (round.added.id,), shown)
    last = round.added
    added = None if last is None else {"piece": shown(last.id), "origin": last.origin, "share": float(last.probabilities[last.id]), "die": last.die}
    return {"drafts": drafts, "added": added}


def _proof(words: Words, verdict: Verdict, also: tuple[int, ...], shown: Callable[[int], str]) -> dict[str, Any]:
    """The shares of the likeliest tokens and of the others together: q, p, what is kept and what is replaced."""
    found = proof(verdict.p, verdict.draft.q)
    likely = np.argsort(-np.maximum(found.p, found.q), kind="stable")[:BARS]
    named = list(dict.fromkeys([*(int(id) for id in likely if max(found.p[id], found.q[id]) >= LEAST), verdict.draft.id, *also]))
    rest = np.ones(len(found.p), bool)
    rest[named] = False
    planes = (found.q, found.p, found.kept, found.replaced)
    return {
        "rows": [[shown(id), *(float(plane[id]) for plane in planes)] for id in named],
        "rest": [int(rest.sum()), *(float(plane[rest].sum()) for plane in planes)],
        "proposed": named.index(verdict.draft.id),
        "error": words("strategies.drafts.error", count=words.number(len(found.p)), error=words.number(found.error)),
    }


_view = component(
    "vitrine.drafts",
    html='<section class="drafts plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def drafts(words: Words, key: str, scene: Scene, moved: Callable[[int], None]) -> None:
    """Mount the story; `moved` is given the stage at which the reader stands."""

    def went() -> None:
        with suppress(Refusal):
            moved(plate.index(state.sent(key, "went"), "at", len(stages(scene.rounds)) + 1))

    _view(key=key, data=plate.envelope(header(words, scene)), on_went_change=went)
