"""One token at a time, or several at once: the forward pass of new positions, their keys and values taken from the cache.

It is the arithmetic of `model/layers` written for one vector or a few rows (see `vector.py`) instead of a batch.

Legend: N new tokens, H query heads, G key/value heads, S positions in the cache (the new ones included), `size` the numbers per head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import TypeVar, cast

import torch
from torch import Tensor

from model.config import EncoderDecoder
from model.errors import Refusal
from model.generation import vector
from model.generation.vector import ONE, SEVERAL, Function, Layer, Slot, View, Way
from model.layers.block import Block
from model.layers.frame import Memory
from model.layers.masks import Mask, Plan, Sight, Sights
from model.layers.past import Past
from model.transformer import Transformer

Patterns = tuple[Tensor, ...]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """The whole pass as functions: of tokens and places to the residual stream, of every layer, and on to the logits."""

    embed: Callable[[int | Tensor, int | slice], Tensor]
    layers: list[Layer]
    score: Function


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the model makes of everything so far: `logits` (V,) for the next token, and per layer where the last token
    looked, (H, S) or grouped (G, H / G, S): in `patterns` at its own text, in `crossed` at the source, if there is one.
    `seconds` is what finding out took."""

    logits: Tensor
    patterns: Patterns
    crossed: Patterns
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """What the model makes of several new tokens, read in one pass: `logits` (N, V), after each of them, and per layer where they
    looked, (G, H / G · N, S), at their own text and at the source. `seconds` is what the pass took."""

    logits: Tensor
    patterns: Patterns
    crossed: Patterns
    seconds: float

    def at(self, row: int) -> Reading:
        """The reading of one of the tokens, as if it had been the last."""
        count = len(self.logits)
        behind = count - 1 - row % count
        patterns, crossed = (
            [pattern.view(len(pattern), -1, count, pattern.shape[-1])[:, :, row] for pattern in looks] for looks in (self.patterns, self.crossed)
        )
        return Reading(self.logits[row], tuple(pattern[..., : pattern.shape[-1] - behind] for pattern in patterns), tuple(crossed), self.seconds)


class Decoder:
    """Reads a prompt with one full forward pass, then one token after the other, or several at once, from its KV cache.

    An encoder–decoder writes about a `source` of ids, which is read once, here. `mask` (T, S) or (heads, T, S), or a plan, says who may
    look at whom, over at least `capacity` positions (the model's own unless given); whatever it allows, no position ever sees a token that was
    not there yet when it was read: a prompt may be read both ways (a prefix-LM), what follows is causal. Raises `Refusal` for a model
    that cannot continue a text, or lacks or was given a source.
    """

    @torch.no_grad()
    def __init__(
        self, model: Transformer, *, capacity: int | None = None, mask: Mask | Plan | Tensor | None = None, source: Sequence[int] | None = None
    ) -> None:
        config, attention = model.config, model.config.attention
        refuse_unfit(model, source)
        self.model, self.config = model, config
        self.capacity, self.length = capacity or config.context, 0
        stack, tokens = model.stack("decoder"), model.embed.token.weight.detach()
        self.sights = None if mask is None else _sights(mask, model, self.capacity)
        # Keys lie before values, already divided by √size, so that storing both is one multiplication.
        self.cache = tokens.new_empty(config.layers, 2 * attention.kv_heads, self.capacity, attention.size)
        self.turns = vector.turns(config, self.capacity, tokens)
        self.offsets = vector.offsets(stack, self.capacity, tokens, windowed=self.sights is None)
        self.memory = None if source is None else model.encode(torch.tensor([list(source)], device=tokens.device))
        self.blocks = [cast(Block, block) for block in stack.blocks]
        self.remembered = [_remembered(block, self.memory) for block in self.blocks] * (config.layers // len(self.blocks))
        self.one = self._machine(ONE)

    @cached_property
    def several(self) -> Machine:
        """The machine for several tokens at once, put together when they first come."""
        return self._machine(SEVERAL)

    def _machine(self, way: Way) -> Machine:
        stack, tokens = self.model.stack("decoder"), self.model.embed.token.weight.detach()
        layers = [vector.layer(block, kv, self.config, way) for block, kv in zip(self.blocks, self.remembered, strict=False)]
        score = vector.after(vector.norm(stack.norm), vector.head(self.model.head, tokens, way))
        return Machine(vector.embedding(self.model.embed, self.capacity, way), layers * (self.config.layers // len(layers)), score)

    @property
    def bytes(self) -> int:
        """Bytes of the cache that hold something: a key and a value in every layer for every token so far and every one of the source."""
        source = sum(k.nbytes + v.nbytes for k, v in filter(None, self.remembered))
        return self.cache.nbytes // self.capacity * self.length + source

    @torch.inference_mode()
    def read(self, ids: Sequence[int]) -> Reading:
        """A prompt, all at once; the reading is its last token's. Into an empty cache it may be read both ways, as the mask says."""
        if self.length:
            return self.extend(ids).at(-1)
        began, length, past = perf_counter(), len(ids), self.past(len(ids))
        rows: dict[str, list[Tensor]] = {"attn.pattern": [], "cross.pattern": []}

        def last_row(name: str, value: Tensor) -> Tensor:
            for site, kept in rows.items():
                if name.endswith(site):
                    kept.append(value[0, :, -1].clone())
            return value

        mask = None if self.sights is None else _each(self.sights, lambda sight: sight.part(length, length))
        prompt = torch.tensor([list(ids)], device=self.cache.device)
        logits = self.model(prompt, memory=self.memory, mask=mask, past=past, tap=last_row)
        stored = torch.cat([past.keys[:, 0], past.values[:, 0]], 1)
        torch.mul(stored, vector.shrink(self.config, stored), out=self.cache[:, :, :length])
        self.length = length
        return Reading(logits[0, -1], tuple(rows["attn.pattern"]), tuple(rows["cross.pattern"]), perf_counter() - began)

    def past(self, capacity: int) -> Past:
        """An empty cache for a prompt, which finds the source's keys and values computed."""
        past = self.model.past(capacity=capacity)
        for layer, kv in enumerate(self.remembered):
            if kv is not None and self.memory is not None:
                past.across(layer, self.memory.value, lambda _, kv=kv: kv)
        return past

    @torch.inference_mode()
    def step(self, id: int) -> Reading:
        """One more token. Raises `Refusal` when the cache has no room for it."""
        began, place = perf_counter(), self.length
        self._refuse_full(place + 1)
        logits, patterns, crossed = self._through(self.one, id, place, place + 1, self.view(place))
        return Reading(logits, patterns, crossed, perf_counter() - began)

    @torch.inference_mode()
    def extend(self, ids: Sequence[int]) -> Passage:
        """Several more tokens in one pass, none of which sees those behind it: the same as one `step` after the other. Raises `Refusal`
        when the cache has no room for them."""
        began, place, end = perf_counter(), self.length, self.length + len(ids)
        self._refuse_full(end)
        rows = torch.tensor([*ids], device=self.cache.device)
        logits, patterns, crossed = self._through(self.several, rows, slice(place, end), end, self.views(place, end))
        return Passage(logits, patterns, crossed, perf_counter() - began)

    def _through(self, machine: Machine, id: int | Tensor, place: int | slice, end: int, views: Sequence[View]) -> tuple[Tensor, Patterns, Patterns]:
        """New tokens through every layer, to the logits and where they looked; the cache then ends at `end`."""
        x, patterns, crossed = machine.embed(id, place), [], []
        for act, slot, view in zip(machine.layers, self.slots(self.length, end), views, strict=True):
            x, pattern, across = act(x, slot, view)
            patterns.append(pattern)
            if across is not None:
                crossed.append(across)
        self.length = end
        return machine.score(x), tuple(patterns), tuple(crossed)

    def _refuse_full(self, end: int) -> None:
        if end > self.capacity:
            sentence = "the KV cache holds {capacity} tokens and {end} were asked for; make it larger"
            raise Refusal("cache.full", sentence, capacity=self.capacity, end=end)

    def rewind(self, length: int) -> None:
        """Forget everything after the first `length` tokens: a cache is only ever appended to, so this costs nothing."""
        self.length = min(self.length, length)

    def slots(self, place: int, end: int) -> Iterator[Slot]:
        """Every layer's cache for the tokens from `place` to before `end`."""
        filled = self.cache[:, :, :end]
        keys, values = filled.chunk(2, 1)
        return map(Slot, filled[:, :, place:].unbind(), keys.mT.unbind(), values.unbind())

    def view(self, place: int) -> Sequence[View]:
        """For every layer, the new token's angles, and what positions, the model's reach and the mask's row add to its scores."""
        if self.sights is not None:
            return self.views(place, place + 1)
        turn = None if self.turns is None else (self.turns[0][place], self.turns[1][place])
        bias = None if self.offsets is None else self.offsets[..., self.capacity - place - 1 :]
        return (View(turn, bias, False),) * self.config.layers

    def views(self, place: int, end: int) -> Sequence[View]:
        """The same for several new tokens; what is added to their scores, (G or 1, H / G · N, S), also hides those behind each."""
        turn = None if self.turns is None else (self.turns[0][place:end], self.turns[1][place:end])
        group, device = self.config.attention.heads // self.config.attention.kv_heads, self.cache.device
        distance = torch.arange(place, end, device=device)[:, None] - torch.arange(end, device=device)
        added = self.cache.new_zeros(1) if self.offsets is None else self.offsets[..., self.capacity - 1 - distance.clamp(min=0)]
        if self.sights is None:
            bias = added.masked_fill((distance < 0)[None, None], -math.inf).expand(-1, group, -1, -1).flatten(1, 2)
            return (View(turn, bias, False),) * self.config.layers
        return _each(self.sights, lambda sight: self._under(sight, turn, added, distance))

    def _under(self, sight: Sight, turn: tuple[Tensor, Tensor] | None, added: Tensor, distance: Tensor) -> View:
        """What the new tokens find in a layer with a mask; `added` (G or 1, H / G or 1, N, S) or (1,), `distance` (N, S) from each."""
        groups, heads, (count, end) = self.config.attention.kv_heads, self.config.attention.heads, distance.shape
        rows = sight.part(end, end)
        allowed = rows.allowed[..., end - count :, :].expand(heads, -1, -1).unflatten(0, (groups, -1)) & (distance >= 0)
        if rows.added is not None:
            added = added + rows.added[..., end - count :, :].expand(heads, -1, -1).unflatten(0, (groups, -1))
        bias = added.expand(allowed.shape).masked_fill(~allowed, -math.inf).flatten(1, 2)
        return View(turn, bias, not bool(allowed.any(-1).all()))


def _remembered(block: Block, memory: Memory | None) -> tuple[Tensor, Tensor] | None:
    """A block's keys and values of the source, two of (1, G, S, size)."""
    return None if block.cross is None or memory is None else block.cross.remembered(memory.value)


def refuse_unfit(model: Transformer, source: Sequence[int] | None) -> None:
    """Raise `Refusal` for a model that cannot continue a text, or lacks or was given a source."""
    config = model.config
    if model.training and config.dropout:
        raise Refusal("generation.training", "the model is in training mode, where dropout makes every pass different; call model.eval() first")
    if config.main == "encoder":
        raise Refusal("generation.encoder", "an encoder does not continue a text: it fills blanks in it; give it a text with blanks")
    if isinstance(config.form, EncoderDecoder) and not source:
        raise Refusal("generation.source", "this model writes about a source text, and none was given; give one of at least one token")


def _sights(mask: Mask | Plan | Tensor, model: Transformer, length: int) -> Sights:
    """A mask for every layer, over so many positions. Raises `Refusal` for one that covers fewer."""
    config, device = model.config, model.embed.token.weight.device
    plan = Plan.of(mask) if isinstance(mask, Mask) else mask
    built = plan.build(config.layers, config.attention.heads, length) if isinstance(plan, Plan) else plan
    sights = (Sight(built),) * config.layers if isinstance(built, Tensor) else built
    rows, columns = (min(sight.allowed.shape[axis] for sight in sights) for axis in (-2, -1))
    if min(rows, columns) < length:
        sentence = "the mask covers {rows} × {columns} positions, and generating up to {length} tokens needs {length} × {length}"
        raise Refusal("generation.mask", sentence, rows=rows, columns=columns, length=length)
    return _each(sights, lambda sight: Sight(sight.allowed.to(device), None if sight.added is None else sight.added.to(device)))


def _each(sights: Sights, make: Callable[[Sight], Made]) -> tuple[Made, ...]:
    """Something made of every layer's mask, once for layers that share it."""
    made = {id(sight): make(sight) for sight in {id(sight): sight for sight in sights}.values()}
    return tuple(made[id(sight)] for sight in sights)
