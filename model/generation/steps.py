"""Generation: a generator of steps, each a full account of how one token came to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from time import perf_counter
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.errors import Refusal
from model.generation.choose import Choose, Chosen, Greedy, Picked, pick
from model.generation.decoder import Decoder, Reading
from model.layers.masks import Mask, Plan
from model.transformer import Transformer

GREEDY = Greedy()
NOTHING: Mapping[int, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Step(Chosen):
    """One new token at the end of a text, chosen after its `history`, and where the model looked (per layer, as in `Reading`).

    `seconds` is what the step took; `cached` (tokens) and `cache_bytes` are what the KV cache held when it was chosen.
    """

    patterns: tuple[Tensor, ...] = field(repr=False)
    crossed: tuple[Tensor, ...] = field(repr=False)
    seconds: float
    cached: int
    cache_bytes: int

    @property
    def pattern(self) -> NDArray[np.floating]:
        """Where the model looked to choose this token: the row of the token before it, (layers, heads, positions so far)."""
        return rows(self.patterns)

    @property
    def cross(self) -> NDArray[np.floating]:
        """Where it looked in the source: (layers, heads, tokens of the source), without a source (0, 0, 0)."""
        return rows(self.crossed)


def rows(patterns: Sequence[Tensor]) -> NDArray[np.floating]:
    """A reading's patterns as one array (layers, heads, positions); of none at all, an empty one."""
    if not patterns:
        return np.zeros((0, 0, 0), np.float32)
    return torch.stack([pattern.reshape(-1, pattern.shape[-1]) for pattern in patterns]).cpu().numpy()


class Writer:
    """One text being continued. `write` adds a token, `rewind` takes tokens back; `reading` is what the model makes of it so far.

    `tokens` bounds the new tokens; the text never grows past the model's context, for the model has no positions beyond it. An
    encoder–decoder writes about a `source` (S,). Raises `Refusal` for an empty prompt, unknown ids, a prompt or source longer than the
    context, and a model that cannot write.
    """

    def __init__(
        self,
        model: Transformer,
        ids: Sequence[int] | Tensor,
        *,
        tokens: int | None = None,
        mask: Mask | Plan | Tensor | None = None,
        source: Sequence[int] | Tensor | None = None,
    ) -> None:
        self.model, self.prompt = model, checked(ids, model)
        self.source = None if source is None else checked(source, model)
        room = model.config.context - len(self.prompt)
        self.limit = room if tokens is None else min(tokens, room)
        self.steps: list[Step] = []
        self._decoder = Decoder(model, capacity=len(self.prompt) + self.limit, mask=mask, source=self.source)
        self._reading: Reading | None = None

    @property
    def history(self) -> tuple[int, ...]:
        """Every token so far, the prompt's first."""
        return (*self.steps[-1].history, self.steps[-1].id) if self.steps else self.prompt

    @property
    def room(self) -> int:
        """How many tokens may still be written."""
        return self.limit - len(self.steps)

    @property
    def cached(self) -> tuple[int, int]:
        """What the KV cache holds: tokens, and bytes."""
        return self._decoder.length, self._decoder.bytes

    @property
    def reading(self) -> Reading:
        """The logits for the next token and where the last one looked, computed when first asked for."""
        if self._reading is None:
            self._reading = self._decoder.step(self.steps[-1].id) if self.steps else self._decoder.read(self.prompt)
        return self._reading

    def write(self, choose: Choose | Picked) -> Step:
        """Choose the next token and append it. Raises `Refusal` when there is no room, or the logits are not numbers."""
        if not self.room:
            raise _full(self)
        reading, history, began = self.reading, self.history, perf_counter()
        logits = reading.logits.cpu().numpy()
        if isinstance(choose, Picked):
            refuse_unknown([choose.id], len(logits))
        refuse_damaged(logits, len(history))
        id = pick(logits, choose, history)
        looked, seconds = (reading.patterns, reading.crossed), reading.seconds + perf_counter() - began
        step = Step(len(self.steps), id, choose, history, logits, *looked, seconds, *self.cached)
        self.steps.append(step)
        self._reading = None
        return step

    def follow(self, choose: Choose, tokens: int, picks: Mapping[int, int] = NOTHING, stop: int | None = None) -> Iterator[Step]:
        """Write until there are `tokens` new ones, `stop` is written or there is no room; `picks` as in `generate`."""
        while self.room and len(self.steps) < tokens and not (self.steps and self.steps[-1].id == stop):
            number = len(self.steps)
            yield self.write(Picked(picks[number]) if number in picks else choose)

    def rewind(self, count: int) -> None:
        """Keep the first `count` new tokens and forget the rest; nothing is computed again."""
        if count >= len(self.steps):
            return
        first = self.steps[count]
        self._reading = Reading(torch.from_numpy(first.logits), first.patterns, first.crossed, first.seconds)
        del self.steps[count:]
        self._decoder.rewind(len(self.prompt) + count)


def generate(
    model: Transformer,
    ids: Sequence[int] | Tensor,
    choose: Choose = GREEDY,
    tokens: int = 20,
    stop: int | None = None,
    mask: Mask | Plan | Tensor | None = None,
    picks: Mapping[int, int] = NOTHING,
    source: Sequence[int] | Tensor | None = None,
) -> Iterator[Step]:
    """Continue `ids` (T,) by up to `tokens`, one `Step` at a time, ending early at the id `stop` (which is still yielded) or
    when the context is full. An encoder–decoder writes about a `source` (S,), beginning with the token its target begins with.

    `mask` says who may look at whom (see `Decoder`); `picks` puts tokens in by hand: number of the new token → id.
    The same arguments yield the same tokens. Raises `Refusal` for an empty prompt, unknown ids or a prompt that fills the context.
    """
    writer = Writer(model, ids, tokens=tokens, mask=mask, source=source)
    if tokens and not writer.room:
        raise _full(writer)
    return writer.follow(choose, tokens, picks, stop)


def held(steps: Sequence[Step], choose: Choose) -> dict[int, int]:
    """The `picks` with which `choose` writes these steps again: those it would have chosen otherwise. The model is not run."""
    return {step.index: step.id for step in steps if pick(step.logits, choose, step.history) != step.id}


def checked(ids: Sequence[int] | Tensor, model: Transformer) -> tuple[int, ...]:
    """Ids a model can read: at least one, no more than its context, all in its vocabulary. Raises `Refusal` for others."""
    prompt = tuple(map(int, ids))
    context = model.config.context
    if not prompt:
        raise Refusal("generation.empty", "a text needs at least one token; got none")
    if len(prompt) > context:
        sentence = "this model reads {context} tokens at most, got {given}; shorten the text"
        raise Refusal("length.context", sentence, context=context, given=len(prompt))
    refuse_unknown(prompt, model.config.vocabulary)
    return prompt


def refuse_damaged(logits: NDArray[np.floating], position: int) -> None:
    """Raise `Refusal` unless something can be chosen from `logits` (V,)."""
    if not isfinite(logits[logits.argmax()]):
        sentence = "the model's logits at position {position} are not all numbers; were its weights damaged?"
        raise Refusal("generation.finite", sentence, position=position)


def refuse_unknown(ids: Sequence[int], vocabulary: int) -> None:
    """Raise `Refusal` for an id outside the vocabulary."""
    unknown = next((id for id in ids if not 0 <= id < vocabulary), None)
    if unknown is not None:
        raise Refusal("generation.id", "token ids run from 0 to {last}; got {given}", last=vocabulary - 1, given=unknown)


def _full(writer: Writer) -> Refusal:
    longest = len(writer.prompt) + writer.limit
    return Refusal("generation.full", "no room for another token: the text has all {longest} it may have; shorten the prompt", longest=longest)
