"""Who can know what under a mask, by its structure; and who does, by experiment: one token is exchanged, and the model run again.

T tokens that ask, S that are asked; N tokens that are exchanged, one at a time: of the text itself or, where the mask stands across or in
the encoder of a model with a source, of that source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.analysis.masking import product, reached
from model.analysis.places import CROSS, Where, named, own, sighted
from model.config import Config
from model.errors import Refusal
from model.layers.frame import Watch
from model.layers.masks import Plan, Sights, union
from model.transformer import Transformer

LONGEST = 96
"""Tokens that are exchanged one at a time, at most: each costs a pass over the whole text."""
NUMBERS = 4_000_000
"""Logits that are held at once, at most."""
LEAST = 1e-6
"""Nats below which a prediction counts as unchanged."""

Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]


# ---------------------------------------------------------------- by structure


@dataclass(frozen=True, slots=True, eq=False)
class Travel:
    """How far information travels: `reached` (L + 1, T, S), after how many layers (0: none) which token can know of which."""

    reached: Booleans

    @property
    def counts(self) -> Integers:
        """How many tokens each can know of after so many layers: (L + 1, T)."""
        return self.reached.sum(-1)

    @property
    def farthest(self) -> Integers:
        """How many places back the first token lies that each can know of: (L + 1, T); 0 where it knows only of itself, or what comes
        later, or nothing."""
        first = self.reached.argmax(-1)
        place = np.arange(self.reached.shape[1])
        return np.where(self.reached.any(-1), np.maximum(place - first, 0), 0)


def travel(plan: Plan, config: Config, where: Where, queries: int, keys: int) -> Travel:
    """Layer by layer through this attention's stack, any head being a way. Each layer takes one look, and the residual stream lets every
    token keep what it has. Across, the source went through its whole encoder first, and targets tell each other what they found."""
    looks = list(_by_layer(sighted(plan, config, where, queries, keys), config.depths[where.stack]))
    if where == CROSS:
        return _across(looks, config, queries, keys)
    return Travel(reached(looks))


def _across(looks: Sequence[Booleans], config: Config, targets: int, sources: int) -> Travel:
    among = own(config, Where("decoder")).build(targets).numpy()
    source = travel(Plan.of(own(config, Where("encoder"))), config, Where("encoder"), sources, sources).reached[-1]
    known = [np.zeros((targets, sources), bool)]
    for look in looks:
        known.append(product(among | np.eye(targets, dtype=bool), known[-1]) | product(look, source))
    return Travel(np.stack(known))


def _by_layer(mask: Tensor | Sights, depth: int) -> Iterator[Booleans]:
    for layer in range(depth):
        yield (mask if isinstance(mask, Tensor) else union((mask[layer],))).numpy()


# ---------------------------------------------------------------- by experiment


@dataclass(frozen=True, slots=True, eq=False)
class Leaks:
    """What exchanging each token did to each prediction. `moved` (T, N): KL(as it stood ‖ exchanged) in nats, at the prediction of row t
    when the token of column n was exchanged; `by` (N,) is what for. `reached` (T, N): whether the mask lets it know at all. `future`
    (T, N) marks tokens that come after the one at which is predicted: nowhere but in a decoder's own text."""

    where: Where
    moved: Floats
    by: Integers
    reached: Booleans
    future: Booleans

    @property
    def leaked(self) -> Booleans:
        """Where a future token changed a prediction: (T, N)."""
        return self.future & (self.moved > LEAST)

    @property
    def count(self) -> int:
        """How many predictions some future token changed."""
        return int(self.leaked.any(1).sum())

    @property
    def worst(self) -> tuple[int, int] | None:
        """The prediction that a future token changed most, and that token; `None` where nothing leaked."""
        if not self.count:
            return None
        at, token = np.unravel_index(np.where(self.future, self.moved, -1).argmax(), self.moved.shape)
        return int(at), int(token)


@torch.inference_mode()
def leaks(model: Transformer, ids: Sequence[int], plan: Plan, where: Where | None = None, source: Sequence[int] = ()) -> Leaks:
    """Exchange every token in turn for the next different one of its own text, and see which predictions change under the mask. Raises
    `Refusal` for more than `LONGEST` tokens to exchange."""
    config = model.config
    where = where or Where(config.main)
    from_source = bool(source) and where != Where(config.main)
    row = torch.tensor(list(source if from_source else ids))
    if len(row) > LONGEST:
        raise Refusal("leaks.long", "up to {most} tokens are exchanged one by one; this text has {got}", most=LONGEST, got=len(row))
    by = exchanged(row, config.vocabulary)
    swapped = row.expand(len(row), -1).clone().fill_diagonal_(0) + torch.diag(by)
    queries, keys = len(source) if source and where.stack == "encoder" else len(ids), len(source)
    given = {named(config, where): sighted(plan, config, where, queries, keys)}
    rest = torch.tensor(list(ids)) if from_source else torch.tensor(list(source)) if source else None
    batch = max(1, NUMBERS // (len(ids) * config.vocabulary) - 1)
    parts = [_moved(_logits(model, torch.cat([row[None], some]), rest, given, from_source)) for some in swapped.split(batch)]
    moved = torch.cat(parts).T.numpy() if parts else np.zeros((len(ids), 0), np.float32)
    future = np.triu(np.ones(moved.shape, bool), 1) if where == Where("decoder") else np.zeros(moved.shape, bool)
    return Leaks(where, moved, by.numpy(), _reached(plan, config, where, len(ids), len(source)), future)


def exchanged(ids: Tensor, vocabulary: int) -> Tensor:
    """What each token of a text (N,) is exchanged for: the next different one in it, going round; where all are alike, the next of the
    vocabulary."""
    found = (ids + 1) % vocabulary
    for ahead in range(len(ids) - 1, 0, -1):
        other = ids.roll(-ahead)
        found = torch.where(other != ids, other, found)
    return found


def _logits(model: Transformer, rows: Tensor, rest: Tensor | None, given: dict[str, Any], from_source: bool) -> Tensor:
    """The logits (B, T, V) of texts that differ in one place, the first in none."""
    if rest is None:
        return model(rows, mask=given["mask"], watch=Watch("none"))
    beside = rest.expand(len(rows), -1)
    read, ids = (rows, beside) if from_source else (beside, rows)
    memory = model.encode(read, mask=given.get("source_mask"), across=given.get("across"), watch=Watch("none"))
    return model(ids, memory=memory, mask=given.get("mask"), watch=Watch("none"))


def _moved(logits: Tensor) -> Tensor:
    """How far each text's predictions are from the first one's, in nats: (B - 1, T); exactly 0 where the logits are the same."""
    said = logits.double().log_softmax(-1)
    divergence = (said[0].exp() * (said[0] - said[1:])).sum(-1).clamp(min=0)
    return torch.where((logits[1:] == logits[0]).all(-1), 0, divergence).float()


def _reached(plan: Plan, config: Config, where: Where, length: int, sources: int) -> Booleans:
    if where.stack == "encoder" and config.main == "decoder":
        known = travel(plan, config, where, sources, sources).reached[-1].any(0)
        return np.broadcast_to(known, (length, sources))
    return travel(plan, config, where, length, sources).reached[-1]
