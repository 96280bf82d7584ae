"""A continuation as the model sees it: how probable each of its tokens was, how probable it is as a whole, how surprised the model is.

The probability of a text is the product of its tokens', each given all before it; its logarithm adds up. Perplexity is the exponential
of the mean surprise: among how many equally likely tokens the model would have been as unsure (Jelinek et al. 1977).

Legend: N tokens of the continuation, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model.generation.steps import checked
from model.transformer import Transformer

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ROOM = 1 << 22  # logits in float64 at once


@dataclass(frozen=True, slots=True, eq=False)
class Continuation:
    """New tokens `ids` (N,), the model's own log-probability of each, `nats` (N,), and its place in the model's order, `rank` (N,)."""

    ids: tuple[int, ...]
    nats: Floats
    rank: Integers

    @property
    def running(self) -> Floats:
        """Log-probability of the first 1 … N tokens together, in nats (N,)."""
        return self.nats.cumsum()

    @property
    def total(self) -> float:
        """Log-probability of all of them, in nats."""
        return float(self.nats.sum())

    @property
    def perplexities(self) -> Floats:
        """Perplexity of the first 1 … N tokens (N,)."""
        return np.exp(-self.running / np.arange(1, len(self.nats) + 1))

    @property
    def perplexity(self) -> float:
        """Perplexity of all of them; of nothing 1, for nothing was in doubt."""
        return float(np.exp(-self.nats.mean())) if len(self.nats) else 1.0


@torch.inference_mode()
def continuation(model: Transformer, prompt: Sequence[int], ids: Sequence[int], source: Sequence[int] | None = None) -> Continuation:
    """What the model makes of the new tokens `ids` after a `prompt`, for an encoder–decoder about a `source`: one pass over all of them.
    Raises `Refusal` for an empty or unknown text, and for one longer than the context."""
    if not len(ids):
        return Continuation((), np.zeros(0), np.zeros(0, np.int64))
    home = model.embed.token.weight.device
    text, new = torch.tensor([checked((*prompt, *ids[:-1]), model)], device=home), torch.tensor(checked(ids, model), device=home)
    memory = None if source is None else model.encode(torch.tensor([list(source)], device=home))
    logits = model(text, memory=memory)[0, len(prompt) - 1 :]
    rows = max(1, ROOM // logits.shape[-1])
    parts = [_scored(*pair) for pair in zip(logits.split(rows), new.split(rows), strict=True)]
    nats, rank = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return Continuation(tuple(new.tolist()), nats, rank)


def _scored(logits: torch.Tensor, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    chosen = logits.gather(-1, ids[:, None])
    return logits.double().log_softmax(-1).gather(-1, ids[:, None])[:, 0], (logits > chosen).sum(-1) + 1
