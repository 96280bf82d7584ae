"""An account of one choice: what each filter removed on the way, and how likely a token would have been under other settings.

Legend: V vocabulary, N temperatures, M cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.generation.choose import Choose, Greedy, Sample, stages

TEMPERATURES = (0.2, 0.5, 0.8, 1.0, 1.2, 1.5, 2.0)
CUTS: tuple[dict[str, float], ...] = ({}, {"top_k": 5}, {"top_k": 40}, {"top_p": 0.5}, {"top_p": 0.9}, {"min_p": 0.1}, {"typical": 0.5})
"""Cuts worth comparing, each alone; the first cuts nothing."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What one filter did: how many tokens it `removed`, how much `mass` they had when they reached it, the `likeliest` of them (an id,
    `None` where it removed none) with its probability `lost`, how many were `left`, and how likely the token in question was `after` it."""

    name: str
    removed: int
    mass: float
    likeliest: int | None
    lost: float
    left: int
    after: float


def removals(logits: Sequence[float] | NDArray[np.floating], choose: Choose, history: Sequence[int], token: int) -> list[Removal]:
    """Filter by filter, in the order they act."""
    found = []
    for stage in stages(logits, choose, history):
        before, after, gone = stage.before, stage.after, stage.removed
        likeliest = int(np.where(gone, before, -1).argmax()) if gone.any() else None
        lost = 0.0 if likeliest is None else float(before[likeliest])
        left = int(np.isfinite(stage.left).sum())
        found.append(Removal(stage.name, int(gone.sum()), float(before[gone].sum()), likeliest, lost, left, float(after[token])))
    return found


def chances(logits: Sequence[float] | NDArray[np.floating], choose: Choose, history: Sequence[int], token: int) -> NDArray[np.float64]:
    """How likely a token would have been, (N, M), at every one of `TEMPERATURES` with every one of `CUTS` alone, the penalties of `choose`
    acting as they stand."""
    penalties = {name: getattr(choose, name) for name in ("repetition_penalty", "frequency_penalty", "presence_penalty")}
    found = np.zeros((len(TEMPERATURES), len(CUTS)))
    penalised = stages(logits, Greedy(**penalties), history)[2].left
    for row, temperature in enumerate(TEMPERATURES):
        for column, cut in enumerate(CUTS):
            found[row, column] = stages(penalised, replace(Sample(temperature=temperature), **cut), ())[-1].after[token]
    return found
