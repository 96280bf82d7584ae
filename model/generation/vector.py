"""Every module as a function of one vector: at this size a matrix times a vector takes less time than finding out which module
should do it, so that is found out once. The same for several new tokens at once, which are the rows of a matrix.

Legend: N new tokens, H query heads, G key/value heads, S positions looked at (the new ones included), `size` the numbers per head.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.config import Config, Rotary, Serial
from model.layers.attention import Attention, CrossAttention
from model.layers.block import Block
from model.layers.embedding import Embedding
from model.layers.frame import own_mask
from model.layers.head import Head
from model.layers.mlp import ACTIVATIONS, Mlp
from model.layers.positions import rotation
from model.layers.stack import Stack

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What the new tokens find, the same in every layer: the angles they are turned by (cosines, signed sines), what is added
    to their scores and whether that leaves some head nothing to look at. `None` where there is nothing to turn or add."""

    turn: tuple[Tensor, Tensor] | None
    bias: Tensor | None
    blind: bool


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """One layer's cache as the new tokens find it: their own places (2G, N, size), all keys (G, size, S) and values (G, S, size)."""

    own: Tensor
    keys: Tensor
    values: Tensor


Attend = Callable[[Tensor, Slot, View], tuple[Tensor, Tensor]]
"""What attention adds at the new position (width,), and its pattern (G, H / G, S); at several (N, width) and (G, H / G · N, S)."""
Consult = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""The residual stream before and after looking at the source, and that look, if the block has any: shapes as in `Attend`."""
Layer = Callable[[Tensor, Slot, View], tuple[Tensor, Tensor, Tensor | None]]
"""The residual stream before and after a block, with where its attention looked: in the text, and in the source."""


# ---------------------------------------------------------------- one token, or several at once


def matrix(weight: Tensor, bias: Tensor | None) -> Function:
    """A matrix times a vector, plus the bias if there is one."""
    weight = weight.detach()
    return weight.mv if bias is None else partial(torch.addmv, bias.detach(), weight)


def matrices(weight: Tensor, bias: Tensor | None) -> Function:
    """The same for every row."""
    return partial(functional.linear, weight=weight.detach(), bias=None if bias is None else bias.detach())


@dataclass(frozen=True, slots=True)
class Way:
    """How one new token, or several, meet the weights: `product` is a matrix as a function; `apart` deals what it made, (rows · size,)
    or (N, rows · size), to the heads, (rows, N, size); `together` lays what the heads mixed, (G, H / G · N, size), side by side again."""

    product: Callable[[Tensor, Tensor | None], Function]
    apart: Callable[[Tensor, int], Tensor]
    together: Callable[[Tensor, int], Tensor]


ONE = Way(matrix, lambda x, size: x.view(-1, 1, size), lambda mixed, heads: mixed.view(-1))
SEVERAL = Way(
    matrices,
    lambda x, size: x.view(len(x), -1, size).transpose(0, 1),
    lambda mixed, heads: mixed.view(heads, -1, mixed.shape[-1]).transpose(0, 1).flatten(1),
)


# ---------------------------------------------------------------- from a token to the residual stream, and back


def embedding(module: Embedding, length: int, way: Way) -> Callable[[int | Tensor, int | slice], Tensor]:
    """A token and its place, below `length`, to the residual stream's first value (width,); several and theirs, to (N, width)."""
    tokens, scale, added = module.token.weight.detach(), module.scale, where(module, length)
    widen = None if module.widen is None else linear(module.widen, way)
    first, last = (None, widen) if module.widens_last else (widen, None)
    level = None if module.norm is None else norm(module.norm)

    def look_up(id: int | Tensor, place: int | slice) -> Tensor:
        x = tokens[id] if scale is None else tokens[id] * scale
        x = x if first is None else first(x)
        x = x if added is None else x + added[place]
        x = x if level is None else level(x)
        return x if last is None else last(x)

    return look_up


def where(module: Embedding, length: int) -> Tensor | None:
    """What a place adds to its token's vector, the first segment's vector included: (length, width); `None` where that is nothing."""
    like = module.token.weight
    places = module.places(0, min(length, module.context))
    if module.segment is None:
        return None if places is None else places.to(like.dtype)
    first = module.segment.weight.detach()[0]
    return first.expand(length, -1) if places is None else places.to(like.dtype) + first


def head(module: Head, tokens: Tensor, way: Way) -> Function:
    """The residual stream (width,) to the logits (V,)."""
    score = way.product(tokens, module.bias) if module.unembed is None else linear(module.unembed, way)
    if module.transform is not None:
        score = after(transform(module, way), score)
    if module.narrow is not None:
        score = after(linear(module.narrow, way), score)
    return score if module.scale is None else after(partial(torch.mul, other=module.scale), score)  # pyright: ignore[reportReturnType]


def transform(module: Head, way: Way) -> Function:
    """The output's own matrix, activation and norm."""
    part = module.transform
    assert part is not None
    dense, level, activation = linear(part.dense, way), norm(part.norm), part.activation
    return lambda x: level(activation(dense(x)))


def after(first: Function, then: Function) -> Function:
    """One function of what another returns."""
    return lambda x: then(first(x))


# ---------------------------------------------------------------- inside a block


def linear(module: nn.Linear, way: Way) -> Function:
    """A layer's matrix, plus its bias if there is one."""
    return way.product(module.weight, module.bias)


def norm(module: nn.Module | None) -> Function:
    """A norm over each whole vector; none at all where the configuration has none."""
    match module:
        case nn.LayerNorm(normalized_shape=shape, weight=weight, bias=bias, eps=eps):
            weight, bias = weight.detach(), None if bias is None else bias.detach()
            return lambda x: torch.layer_norm(x, shape, weight, bias, eps)
        case nn.RMSNorm(normalized_shape=shape, weight=weight, eps=eps):
            weight = weight.detach()
            return lambda x: torch.rms_norm(x, shape, weight, eps)
        case _:
            return lambda x: x


def mlp(module: Mlp, config: Config, way: Way) -> Function:
    """Up, activation, down; or up times the activated gate, down."""
    up, activation, down = linear(module.up, way), ACTIVATIONS[config.mlp.activation], linear(module.down, way)
    if module.gate is None:
        return lambda x: down(activation(up(x)))
    gate = linear(module.gate, way)
    return lambda x: down(activation(gate(x)) * up(x))


def attention(module: Attention, config: Config, way: Way) -> Attend:
    """A block's attention among the tokens of its own text."""
    heads, groups, size = config.attention.heads, config.attention.kv_heads, config.attention.size
    project, out, level = linear(module.qkv, way), linear(module.out, way), head_norm(module)
    apart, together = way.apart, way.together
    partner, smaller = partners(config, module.qkv.weight.device), shrink(config, module.qkv.weight)

    def attend(x: Tensor, slot: Slot, view: View) -> tuple[Tensor, Tensor]:
        rows = apart(project(x), size)
        if level is not None:
            level(rows)
        if view.turn is not None:
            turning, (cos, sin) = rows[: heads + groups], view.turn
            torch.addcmul(turning * cos, turning.index_select(-1, partner), sin, out=turning)
        torch.mul(rows[heads:], smaller, out=slot.own)
        scores = torch.bmm(rows[:heads].reshape(groups, -1, size), slot.keys)
        pattern = (scores if view.bias is None else scores.add_(view.bias)).softmax(-1)
        if view.blind:
            pattern.nan_to_num_(0.0)
        return out(together(torch.bmm(pattern, slot.values), heads)), pattern

    return attend


def head_norm(module: Attention) -> Callable[[Tensor], Tensor] | None:
    """Queries and keys, the first rows of (H + 2G, N, size), brought to one length in place; `None` where they are left as they are."""
    if module.q_norm is None or module.k_norm is None:
        return None
    gains = torch.cat([module.q_norm.weight.expand(module.heads, -1), module.k_norm.weight.expand(module.kv_heads, -1)]).detach()[:, None]
    shape, eps, count = module.q_norm.normalized_shape, module.q_norm.eps, len(gains)
    return lambda rows: torch.mul(torch.rms_norm(rows[:count], shape, None, eps), gains, out=rows[:count])


def crossing(module: CrossAttention, source: tuple[Tensor, Tensor], way: Way) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """What looking at the source adds, and that look: its keys and values, two of (1, G, S, size), were computed once."""
    size, groups, heads = module.size, module.kv_heads, module.heads
    keys, values = (source[0][0] * module.scale).mT, source[1][0]
    rows = heads * size
    ask = way.product(module.qkv.weight[:rows], None if module.qkv.bias is None else module.qkv.bias[:rows])
    out, level, apart, together = linear(module.out, way), norm(module.q_norm), way.apart, way.together

    def attend(x: Tensor) -> tuple[Tensor, Tensor]:
        pattern = torch.bmm(level(apart(ask(x), size).reshape(groups, -1, size)), keys).softmax(-1)
        return out(together(torch.bmm(pattern, values), heads)), pattern

    return attend


def consulting(block: Block, source: tuple[Tensor, Tensor] | None, config: Config, way: Way) -> Consult:
    """How a block looks at the source; it leaves the residual stream as it is where there is none."""
    if block.cross is None or source is None:
        return lambda x: (x, None)
    cross, level = crossing(block.cross, source, way), norm(block.cross_norm)

    def normed_before(x: Tensor) -> tuple[Tensor, Tensor]:
        added, pattern = cross(level(x))
        return added.add_(x), pattern

    def normed_after(x: Tensor) -> tuple[Tensor, Tensor]:
        added, pattern = cross(x)
        return level(added.add_(x)), pattern

    return normed_before if config.arrangement == Serial(norm_place="before") else normed_after


def layer(block: Block, source: tuple[Tensor, Tensor] | None, config: Config, way: Way) -> Layer:
    """One block; `source` is what its cross-attention finds there, if it has any."""
    attend, think, norm1, norm2 = attention(block.attn, config, way), mlp(block.mlp, config, way), norm(block.norm1), norm(block.norm2)
    consult = consulting(block, source, config, way)

    def normed_before(x: Tensor, slot: Slot, view: View) -> tuple[Tensor, Tensor, Tensor | None]:
        added, pattern = attend(norm1(x), slot, view)
        x, crossed = consult(x + added)
        return x.add_(think(norm2(x))), pattern, crossed

    def normed_after(x: Tensor, slot: Slot, view: View) -> tuple[Tensor, Tensor, Tensor | None]:
        added, pattern = attend(x, slot, view)
        x, crossed = consult(norm1(added.add_(x)))
        return norm2(x + think(x)), pattern, crossed

    def parallel(x: Tensor, slot: Slot, view: View) -> tuple[Tensor, Tensor, Tensor | None]:
        first = norm1(x)
        added, pattern = attend(first, slot, view)
        return think(first if block.norm2 is None else norm2(x)).add_(added).add_(x), pattern, None

    match config.arrangement:
        case Serial(norm_place="before"):
            return normed_before
        case Serial():
            return normed_after
    return parallel


# ---------------------------------------------------------------- tables


def shrink(config: Config, like: Tensor) -> Tensor:
    """What keys are multiplied by, 1 / √size where scores are scaled, and 1 for each value head: (2G, 1, 1)."""
    groups, scale = config.attention.kv_heads, config.attention.size**-0.5 if config.attention.scaled else 1.0
    return like.new_tensor([scale] * groups + [1.0] * groups)[:, None, None]


def offsets(stack: Stack, length: int, like: Tensor, *, windowed: bool) -> Tensor | None:
    """What the last of `length` tokens finds added to its scores, by distance, the farthest first: (G, H / G, length); where it is
    `windowed`, minus infinity beyond the model's own reach. `None` where nothing is added."""
    config = stack.config
    heads, groups, window = config.attention.heads, config.attention.kv_heads, config.attention.window
    bias = stack.bias(1, length, like)
    if windowed and window is not None:
        far = ~own_mask("decoder", window, 1, length, like.device)
        bias = (like.new_zeros(heads, 1, length) if bias is None else bias).masked_fill(far, -math.inf)
    return None if bias is None else bias.detach().view(groups, heads // groups, length)


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
