"""What edits did, as readings: the likeliest tokens both ways, one head's map both ways, and where two texts part.

The patching map is told in shares: 0 where a patch changes nothing, 1 where it brings all of the other text's answer with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.analysis.masking import MapsReading, NextReading
from model.analysis.places import Where, built, own
from model.errors import Refusal
from model.interventions import Comparison, Head, Output, Prompt, Residual, logits, patching_grid
from model.transformer import Transformer

Floats = NDArray[np.floating[Any]]


def next_tokens(found: Comparison, count: int = 10) -> NextReading:
    """The likeliest tokens at the place that was compared, by the larger of their two probabilities; `masked` are the changed ones."""
    ids = np.argsort(-np.maximum(found.next.default, found.next.changed), kind="stable")[:count]
    default, changed = (values[ids].astype(np.float32) for values in (found.next.default, found.next.changed))
    return NextReading(ids, default, changed, float(found.divergence[found.at]))


def maps(found: Comparison, where: Where, layer: int, head: int) -> MapsReading:
    """One head's weights without and with the edits; `masked` are the changed ones, and `allowed` is also what they look at against the mask."""
    pair = found.patterns(layer, where.branch, where.stack)
    default, changed = pair.default[head], pair.changed[head]
    mask = built(own(found.model.config, where), where, *default.shape).numpy()
    return MapsReading(where, layer, head, default, changed, mask, mask | (changed > 0))


def parted(default: tuple[int, ...], changed: tuple[int, ...]) -> int | None:
    """Where the first token stands that two continuations do not share; `None` where they are the same."""
    shorter = min(len(default), len(changed))
    at = next((place for place in range(shorter) if default[place] != changed[place]), shorter)
    return None if at == len(default) == len(changed) else at


@dataclass(frozen=True, slots=True, eq=False)
class Restoring:
    """What each patch from a second text does: `effects` (layers, positions), by how much it moves the logit difference between `answer`
    (the second text's token, the first one's) after the token `at`; `first` and `second` are that difference in either text, left alone."""

    site: Head | Output | Residual
    answer: tuple[int, int]
    at: int
    first: float
    second: float
    effects: Floats

    @property
    def shares(self) -> Floats:
        """The effects in shares of the whole way: 0 leaves the first text's answer, 1 gives the second's."""
        return self.effects / (self.second - self.first)

    @property
    def best(self) -> tuple[int, int]:
        """The layer and the position whose patch brings most."""
        layer, position = np.unravel_index(int(self.shares.argmax()), self.shares.shape)
        return int(layer), int(position)


def restoring(
    model: Transformer,
    first: Prompt,
    second: Prompt,
    site: Head | Output | Residual,
    *,
    at: int | None = None,
    answer: tuple[int | None, int | None] = (None, None),
) -> Restoring:
    """Patch the second text's values into the first, one layer and position at a time (Meng et al. 2022, arXiv:2202.05262; Wang et al. 2022,
    arXiv:2211.00593). `at` is the token whose answer is asked for, by default the one where the two texts part most; `answer` by default the
    likeliest token of the second text against that of the first. Raises `Refusal` for texts of different lengths and of the same answer."""
    sources = None if first.source is None or second.source is None else (second.source, first.source)
    grid_of = (second.ids, first.ids, site)
    if len(first.ids) != len(second.ids) or len(first.source or ()) != len(second.source or ()):
        patching_grid(model, *grid_of, (0, 0), sources=sources)  # it knows how to refuse them
    scores = [logits(model, prompt).double() for prompt in (first, second)]
    place = _furthest(*(score.log_softmax(-1).cpu().numpy() for score in scores)) if at is None else at
    wrong, right = (int(score[place].argmax()) for score in scores)
    right, wrong = (given if given is not None else usual for given, usual in zip(answer, (right, wrong), strict=True))
    before, after = (float(score[place, right] - score[place, wrong]) for score in scores)
    if right == wrong or abs(after - before) < 1e-6:
        sentence = "both texts lead to the same token here, so nothing parts them; write a second text that ends differently"
        raise Refusal("edit.alike", sentence)
    effects = patching_grid(model, *grid_of, (right, wrong), sources=sources, at=place)
    return Restoring(site, (right, wrong), place, before, after, effects)


def _furthest(before: Floats, after: Floats) -> int:
    """The token whose predictions differ most, by the Kullback–Leibler divergence."""
    return int((np.exp(before) * (before - after)).sum(-1).argmax())
