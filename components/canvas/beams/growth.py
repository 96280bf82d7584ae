"""A beam search as a drawing: which tokens stand in which column and lane, from which they grew, and where a text died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from model.generation import BeamStep, Candidate, Fate

PROMPT = -1
"""The parent of the first tokens."""


@dataclass(frozen=True, slots=True)
class Death:
    """Why a text went no further: its best continuation `id` would have had the log-probability `total`, and the weakest text that did
    go on had `bar`."""

    id: int
    total: float
    bar: float


@dataclass(frozen=True, slots=True)
class Node:
    """A token that was written: in column `step`, in `lane` from the top, the most probable text first; `parent` is the node before it,
    `share` its probability, `total` the log-probability of the text so far. `death` is how it died, if it did."""

    step: int
    lane: int
    parent: int
    id: int
    share: float
    total: float
    fate: Fate
    death: Death | None


def grown(steps: Sequence[BeamStep]) -> tuple[Node, ...]:
    """Every token that was alive or ended a text, column by column, and of each text that died the best continuation it had."""
    nodes: list[Node] = []
    parents = [PROMPT]
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        row, number = [], 0
        for one in sorted(_shown(step), key=lambda one: (one.fate in ("crowded", "late"), -one.total)):
            death = _death(after, number) if one.fate == "alive" else _refused(one, step)
            nodes.append(Node(step.index, len(row), parents[one.parent], one.id, exp(one.log_probability), one.total, one.fate, death))
            row.append(len(nodes) - 1)
            number += one.fate == "alive"
        parents = [at for at in row if nodes[at].fate == "alive"]
    return tuple(nodes)


def path(nodes: Sequence[Node], ids: Sequence[int]) -> tuple[int, ...]:
    """The nodes that a text goes through, as far as it was among the beams."""
    after = {(node.parent, node.id): at for at, node in enumerate(nodes)}
    found, here = [], PROMPT
    for id in ids:
        if (here, id) not in after:
            break
        here = after[here, id]
        found.append(here)
    return tuple(found)


def _shown(step: BeamStep) -> list[Candidate]:
    """What went on or finished, and the best of each that did neither."""
    going = [one for one in step.candidates if one.fate in ("alive", "ended", "cut")]
    return going + [next(one for one in step.candidates if one.parent == number) for number in step.dead]


def _death(after: BeamStep | None, number: int) -> Death | None:
    if after is None or number not in after.dead:
        return None
    best = next(one for one in after.candidates if one.parent == number)
    return Death(best.id, best.total, after.bar)


def _refused(one: Candidate, step: BeamStep) -> Death | None:
    return Death(one.id, one.total, step.bar) if one.fate in ("crowded", "late") else None
