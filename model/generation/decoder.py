"""One token at a time: the forward pass of a single new position, its keys and values taken from the cache.

It is the arithmetic of `model/layers`, written for one vector instead of a batch of rows: at this size a matrix times a
vector takes less time than finding out which module should do it, so every module is turned into a function once.

Legend: H query heads, G key/value heads, S positions in the cache (the new one included), `size` the numbers per head.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import torch
from torch import Tensor, nn

from model.config import Alibi, Config, Parallel, Rotary, Serial
from model.errors import Refusal
from model.layers.attention import Attention
from model.layers.block import Block
from model.layers.masks import Mask
from model.layers.mlp import ACTIVATIONS, Mlp
from model.layers.positions import alibi_slopes, rotation
from model.transformer import Transformer

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What the model makes of everything so far: `logits` (V,) for the next token, and per layer where the last token
    looked, (H, S) or grouped (G, H / G, S). `seconds` is what finding out took."""

    logits: Tensor
    patterns: tuple[Tensor, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the new token finds, the same in every layer: the angles it is turned by (cosines, signed sines), what is added
    to its scores and whether that leaves some head nothing to look at. `None` where there is nothing to turn or add."""

    turn: tuple[Tensor, Tensor] | None
    bias: Tensor | None
    blind: bool


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One layer's cache as the new token finds it: its own place (2G, 1, size), all keys (G, size, S) and values (G, S, size)."""

    own: Tensor
    keys: Tensor
    values: Tensor


Layer = Callable[[Tensor, Slot, View], tuple[Tensor, Tensor]]


class Decoder:
    """Reads a prompt with one full forward pass, then one token after the other from its KV cache.

    `mask` (T, S) or (heads, T, S) says who may look at whom, over at least `capacity` positions; whatever it allows, no
    position ever sees a token that was not there yet when it was read: a prompt may be read both ways (a prefix-LM), what
    follows is causal.
    """

    @torch.no_grad()
    def __init__(self, model: Transformer, *, capacity: int | None = None, mask: Mask | Tensor | None = None) -> None:
        config, attention = model.config, model.config.attention
        if model.training and config.dropout:
            raise Refusal("generation.training", "the model is in training mode, where dropout makes every pass different; call model.eval() first")
        self.model, self.config = model, config
        self.capacity, self.length = capacity or config.context, 0
        self.tokens = model.embed.token.weight.detach()
        self.mask = _boolean(mask, self.capacity, self.tokens.device)
        # Keys lie before values, already divided by √size, so that storing both is one multiplication.
        self.cache = self.tokens.new_empty(config.layers, 2 * attention.kv_heads, self.capacity, attention.size)
        self.places = model.embed.places(0, min(self.capacity, config.context))
        self.turns = turns(config, self.capacity, self.tokens)
        self.layers = [layer(block, config) for block in model.decoder.blocks]  # pyright: ignore[reportArgumentType]
        self.final = norm(model.decoder.norm)
        self.score = self.tokens.mv if model.head.unembed is None else linear(model.head.unembed)

    @property
    def bytes(self) -> int:
        """Bytes of the cache that hold something: a key and a value in every layer for every token so far."""
        return self.cache.nbytes // self.capacity * self.length

    @torch.inference_mode()
    def read(self, ids: Sequence[int]) -> Reading:
        """A prompt, all at once, into the empty cache; the reading is its last token's."""
        began, length, past = perf_counter(), len(ids), self.model.past(capacity=len(ids))
        patterns: list[Tensor] = []

        def last_row(name: str, value: Tensor) -> Tensor:
            if name.endswith("attn.pattern"):
                patterns.append(value[0, :, -1].clone())
            return value

        mask = None if self.mask is None else self.mask[..., :length, :length].expand(1, self.config.attention.heads, -1, -1)
        logits = self.model(torch.tensor([list(ids)], device=self.tokens.device), mask=mask, past=past, tap=last_row)
        stored = torch.cat([past.keys[:, 0], past.values[:, 0]], 1)
        torch.mul(stored, shrink(self.config, stored), out=self.cache[:, :, :length])
        self.length = length
        return Reading(logits[0, -1], tuple(patterns), perf_counter() - began)

    @torch.inference_mode()
    def step(self, id: int) -> Reading:
        """One more token. Raises `Refusal` when the cache has no room for it."""
        began, place = perf_counter(), self.length
        if place >= self.capacity:
            sentence = "the KV cache holds {capacity} tokens and {end} were asked for; make it larger"
            raise Refusal("cache.full", sentence, capacity=self.capacity, end=place + 1)
        x = self.tokens[id] if self.places is None else self.tokens[id] + self.places[place]
        view, patterns = self.view(place), []
        for act, slot in zip(self.layers, self.slots(place), strict=True):
            x, pattern = act(x, slot, view)
            patterns.append(pattern)
        self.length += 1
        return Reading(self.score(self.final(x)), tuple(patterns), perf_counter() - began)

    def rewind(self, length: int) -> None:
        """Forget everything after the first `length` tokens: a cache is only ever appended to, so this costs nothing."""
        self.length = min(self.length, length)

    def slots(self, place: int) -> Iterator[Slot]:
        """Every layer's cache for the token at `place`."""
        filled = self.cache[:, :, : place + 1]
        keys, values = filled.chunk(2, 1)
        return map(Slot, filled[:, :, place:].unbind(), keys.mT.unbind(), values.unbind())

    def view(self, place: int) -> View:
        """The new token's angles, and ALiBi's penalty by distance and the mask's row as numbers to add to its scores."""
        turn = None if self.turns is None else (self.turns[0][place], self.turns[1][place])
        bias = penalty(self.config, place, self.tokens)
        if self.mask is None:
            return View(turn, bias, False)
        heads, groups = self.config.attention.heads, self.config.attention.kv_heads
        row = self.mask[..., place, : place + 1].expand(heads, -1).reshape(groups, heads // groups, -1)
        bias = (self.tokens.new_zeros(1) if bias is None else bias).masked_fill(~row, -math.inf)
        return View(turn, bias, not bool(row.any(-1).all()))


# ---------------------------------------------------------------- modules as functions of one vector


def linear(module: nn.Linear) -> Function:
    """A matrix times a vector, plus the bias if there is one."""
    weight = module.weight.detach()
    return weight.mv if module.bias is None else partial(torch.addmv, module.bias.detach(), weight)


def norm(module: nn.Module | None) -> Function:
    """A norm over the whole vector; none at all where the configuration has none."""
    match module:
        case nn.LayerNorm(normalized_shape=shape, weight=weight, bias=bias, eps=eps):
            weight, bias = weight.detach(), None if bias is None else bias.detach()
            return lambda x: torch.layer_norm(x, shape, weight, bias, eps)
        case nn.RMSNorm(normalized_shape=shape, weight=weight, eps=eps):
            weight = weight.detach()
            return lambda x: torch.rms_norm(x, shape, weight, eps)
        case _:
            return lambda x: x


def mlp(module: Mlp, config: Config) -> Function:
    """Up, activation, down; or up times the activated gate, down."""
    up, activation, down = linear(module.up), ACTIVATIONS[config.mlp.activation], linear(module.down)
    if module.gate is None:
        return lambda x: down(activation(up(x)))
    gate = linear(module.gate)
    return lambda x: down(activation(gate(x)) * up(x))


def attention(module: Attention, config: Config) -> Layer:
    """What attention adds at the new position, and its pattern (G, H / G, S)."""
    heads, groups, size = config.attention.heads, config.attention.kv_heads, config.attention.size
    project, out = linear(module.qkv), linear(module.out)
    partner, smaller = partners(config, module.qkv.weight.device), shrink(config, module.qkv.weight)

    def attend(x: Tensor, slot: Slot, view: View) -> tuple[Tensor, Tensor]:
        rows = project(x).view(-1, 1, size)
        if view.turn is not None:
            turning, (cos, sin) = rows[: heads + groups], view.turn
            torch.addcmul(turning * cos, turning.index_select(-1, partner), sin, out=turning)
        torch.mul(rows[heads:], smaller, out=slot.own)
        scores = torch.bmm(rows[:heads].view(groups, -1, size), slot.keys)
        pattern = (scores if view.bias is None else scores.add_(view.bias)).softmax(-1)
        if view.blind:
            pattern.nan_to_num_(0.0)
        return out(torch.bmm(pattern, slot.values).view(-1)), pattern

    return attend


def layer(block: Block, config: Config) -> Layer:
    """One block: the residual stream (width,) before it, and after it with the pattern."""
    attend, think, norm1, norm2 = attention(block.attn, config), mlp(block.mlp, config), norm(block.norm1), norm(block.norm2)

    def before(x: Tensor, slot: Slot, view: View) -> tuple[Tensor, Tensor]:
        added, pattern = attend(norm1(x), slot, view)
        x = x + added
        return x.add_(think(norm2(x))), pattern

    def after(x: Tensor, slot: Slot, view: View) -> tuple[Tensor, Tensor]:
        added, pattern = attend(x, slot, view)
        x = norm1(added.add_(x))
        return norm2(x + think(x)), pattern

    def parallel(x: Tensor, slot: Slot, view: View) -> tuple[Tensor, Tensor]:
        first = norm1(x)
        added, pattern = attend(first, slot, view)
        return think(first if block.norm2 is None else norm2(x)).add_(added).add_(x), pattern

    match config.arrangement:
        case Serial(norm_place="before"):
            return before
        case Serial():
            return after
        case Parallel():
            return parallel


# ---------------------------------------------------------------- tables


def shrink(config: Config, like: Tensor) -> Tensor:
    """1 / √size for each key head and 1 for each value head: (2G, 1, 1)."""
    groups = config.attention.kv_heads
    return like.new_tensor([config.attention.size**-0.5] * groups + [1.0] * groups)[:, None, None]


def penalty(config: Config, place: int, like: Tensor) -> Tensor | None:
    """What ALiBi takes off the scores of the token at `place`: (G, H / G, place + 1); `None` without ALiBi."""
    if not isinstance(config.positions, Alibi):
        return None
    heads, groups = config.attention.heads, config.attention.kv_heads
    slopes = like.new_tensor(alibi_slopes(heads)).view(groups, heads // groups, 1)
    return slopes * torch.arange(-place, 1, dtype=like.dtype, device=like.device)


def turns(config: Config, length: int, like: Tensor) -> tuple[Tensor, Tensor] | None:
    """Rotary tables over a whole head, two of (length, size): `x · cos + partner(x) · sin` turns every pair at once, the
    sines carrying the sign; what is not rotated meets 1 and 0. `None` without rotary positions."""
    if not isinstance(config.positions, Rotary):
        return None
    cos, sin = rotation(config.positions, config.rotated, max(config.context, length), like.device)
    rest = cos.new_ones(len(cos), config.attention.size - config.rotated)
    if config.positions.pairing == "halves":
        cos, sin = torch.cat([cos, cos], -1), torch.cat([-sin, sin], -1)
    else:
        cos, sin = cos.repeat_interleave(2, -1), torch.stack([-sin, sin], -1).flatten(-2)
    return torch.cat([cos, rest], -1).to(like.dtype), torch.cat([sin, 0 * rest], -1).to(like.dtype)


def partners(config: Config, device: torch.device) -> Tensor:
    """For each number of a head, the one it is rotated with: (size,); itself where it is not."""
    index = torch.arange(config.attention.size, device=device)
    half = config.rotated // 2
    if isinstance(config.positions, Rotary) and config.positions.pairing == "neighbours":
        return torch.where(index < config.rotated, index ^ 1, index)
    return torch.where(index < half, index + half, torch.where(index < 2 * half, index - half, index))


def _boolean(mask: Mask | Tensor | None, length: int, device: torch.device) -> Tensor | None:
    allowed = mask.build(length) if isinstance(mask, Mask) else mask
    if allowed is not None and min(allowed.shape[-2:]) < length:
        raise Refusal(
            "generation.mask",
            "the mask covers {rows} × {columns} positions, and generating up to {length} tokens needs {length} × {length}",
            rows=allowed.shape[-2],
            columns=allowed.shape[-1],
            length=length,
        )
    return None if allowed is None else allowed.to(device)
