"""The logit lens of one step: what every layer would have said at the position where a token was chosen, and how that token rose.

The same reading as `lens.py`, at one position of a text that need not be traced: one pass that keeps the residual stream there.

Legend: P points of the stream, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.analysis.lens import Point, points, unembedded
from model.interventions.passes import Prompt, seen
from model.transformer import Transformer


@dataclass(frozen=True, slots=True, eq=False)
class StepLens:
    """At each of the `points`: the likeliest token `top` (P,) with its probability `chance` (P,), and the `rank` (P,), 1 for the likeliest,
    and probability `hit` (P,) of the `token` in question."""

    points: tuple[Point, ...]
    token: int
    top: NDArray[np.int64]
    chance: NDArray[np.float64]
    rank: NDArray[np.int64]
    hit: NDArray[np.float64]

    @property
    def settled(self) -> int:
        """From which point on the token is the likeliest; the number of points, where it never stays so."""
        apart = np.flatnonzero(self.rank != 1)
        return int(apart[-1]) + 1 if len(apart) else 0


@torch.no_grad()
def step_lens(
    model: Transformer, ids: Sequence[int], position: int, token: int, *, source: Sequence[int] | None = None, cut: int | None = None
) -> StepLens:
    """The lens at a `position` of a text, from the embedding to the answer. `cut` is a token that may not be chosen (an encoder's blank),
    and counts nowhere. Raises `Refusal` for a text that this model cannot read."""
    found = points(model.config)
    prompt = Prompt(tuple(ids), None if source is None else tuple(source))
    prompt.refuse_unfit(model)
    streams = seen(model, prompt, {point.site for point in found})
    logits = torch.cat([unembedded(model, streams[point.site][0, position : position + 1]) for point in found]).double()
    if cut is not None:
        logits[:, cut] = -torch.inf
    shares = logits.softmax(-1)
    chance, top = shares.max(-1)
    rank = (logits > logits[:, token, None]).sum(-1) + 1
    return StepLens(found, token, *(each.cpu().numpy() for each in (top, chance, rank, shares[:, token])))
