"""Contrastive search: the next token is likely, and unlike everything before it.

What greedy decoding writes often falls into a loop, and inside the model a loop looks like one: the vectors of its tokens resemble each
other. So each of the k likeliest tokens is read once on trial, and what it would add to the text is compared with every token there is:

    score(v) = (1 − α) · p(v) − α · max over j of cos(h_v, h_j)

α is the degeneration penalty, h the residual stream that the output reads (Su et al. 2022, arXiv:2202.06417, section 3.2). With α = 0
this is greedy decoding. Of an encoder–decoder, only what the decoder has written counts as the past.

Legend: T tokens so far, k candidates, V size of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp
from time import perf_counter
from typing import Annotated

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.errors import Refusal
from model.generation.abreast import Abreast, Numbers
from model.generation.choose import order
from model.space import Interval
from model.transformer import Transformer


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """How a text is written: `alpha` weighs the likeness against the probability of the `top_k` candidates; at most `tokens` new ones,
    ended by the token `stop`."""

    alpha: Annotated[float, Interval(0.0, 1.0, step=0.05)] = 0.6
    top_k: Annotated[int, Interval(1, 10, step=1)] = 5
    tokens: Annotated[int, Interval(1, 64, step=1)] = 24
    stop: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise Refusal("contrast.alpha", "alpha is a number from 0 to 1; got {given}", given=self.alpha)
        for name in ("top_k", "tokens"):
            if getattr(self, name) < 1:
                raise Refusal(f"contrast.{name}", "{name} is a whole number, 1 or more; got {given}", name=name, given=getattr(self, name))


@dataclass(frozen=True, slots=True)
class Trial:
    """A token read on trial: its `log_probability`, its greatest `likeness` to a token so far (a cosine), that token's place, the `score`."""

    id: int
    log_probability: float
    likeness: float
    place: int
    score: float

    @property
    def probability(self) -> float:
        """What the model gives the token."""
        return exp(self.log_probability)


@dataclass(frozen=True, slots=True)
class ContrastStep:
    """One token more: number `chosen` of the `trials`, which stand in the order of their probability."""

    index: int
    trials: tuple[Trial, ...]
    chosen: int
    seconds: float

    @property
    def taken(self) -> Trial:
        """The trial that was chosen."""
        return self.trials[self.chosen]

    @property
    def id(self) -> int:
        """The token that was chosen."""
        return self.taken.id

    @property
    def log_probability(self) -> float:
        """The model's own log-probability of it (nats)."""
        return self.taken.log_probability


def contrastive_search(
    model: Transformer, ids: Sequence[int] | Tensor, how: Contrast, *, source: Sequence[int] | Tensor | None = None
) -> Iterator[ContrastStep]:
    """Continue `ids` (T,), one `ContrastStep` at a time. Raises `Refusal` as `beam_search` does."""
    texts = Abreast(model, ids, tokens=how.tokens, source=source)
    return _steps(texts, how)


def _steps(texts: Abreast, how: Contrast) -> Iterator[ContrastStep]:
    began, seen = perf_counter(), texts.read()
    past, logs = F.normalize(seen.hidden[0].double(), dim=-1), seen.logs[0]
    going = 0  # the row of the text that goes on
    for index in range(texts.limit):
        ids = order(logs)[: how.top_k].tolist()
        tried = texts.step([going] * len(ids), ids)
        vectors = F.normalize(tried.hidden[:, 0].double(), dim=-1)
        trials = _judged(ids, logs, (vectors @ past.T).cpu().numpy(), how.alpha)
        going = int(np.argmax([trial.score for trial in trials]))
        yield ContrastStep(index, trials, going, perf_counter() - began)
        if ids[going] == how.stop:
            return
        began, logs, past = perf_counter(), tried.logs[going], torch.cat([past, vectors[going : going + 1]])


def _judged(ids: Sequence[int], logs: Numbers, likeness: Numbers, alpha: float) -> tuple[Trial, ...]:
    """Each candidate with its score; `likeness` (k, T) is its cosine with every token so far."""
    places = likeness.argmax(1)
    found = zip(ids, places.tolist(), likeness.max(1).tolist(), strict=True)
    return tuple(Trial(id, float(logs[id]), like, place, (1 - alpha) * exp(logs[id]) - alpha * like) for id, place, like in found)


def variety(ids: Sequence[int]) -> float:
    """How little a text repeats itself: the shares of its runs of two, three and four tokens that are different, multiplied; 1 for a text
    in which none comes twice (the "diversity" of Su et al. 2022, section 4.1)."""
    return float(np.prod([distinct(ids, length) for length in (2, 3, 4)]))


def distinct(ids: Sequence[int], length: int) -> float:
    """The share of a text's runs of so many tokens that are different; 1 where it has none so long."""
    runs = [tuple(ids[at : at + length]) for at in range(len(ids) - length + 1)]
    return len(set(runs)) / len(runs) if runs else 1.0
