"""What the residual stream would say at every layer, were it the last; and who pushed which token.

The lens puts the stream as it stands between two parts of the model through the model's own final norm and output (the "logit lens",
nostalgebraist 2020). No layer but the last was trained to be read so: what is read is a shadow of what the layer knows, and a lens
trained for each layer would read more (the "tuned lens", Belrose et al. 2023, arXiv:2303.08112). Only the stack that leads to the logits
has an output; an encoder beside a decoder has none of its own, and is not read.

Legend: P points of the stream, T tokens, V vocabulary, N writers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.analysis.places import CROSS, Where, weight
from model.config import Config, Encoder, EncoderDecoder, Serial
from model.errors import Refusal
from model.layers.head import Head
from model.trace import Trace
from model.transformer import Transformer

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
NOBODY = -1
"""The id that stands where the text has no token."""
ROOM = 1 << 23  # logits held at once


# ---------------------------------------------------------------- where the stream is read


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the residual stream: after how many layers, and its site (`before` the first, else `after`, or half way)."""

    layer: int
    site: str

    @property
    def leaf(self) -> str:
        """`before`, `middle`, `crossed` or `after`."""
        return self.site.rpartition(".")[2]


def points(config: Config, *, halves: bool = False) -> tuple[Point, ...]:
    """The embedding and the end of each layer, in the order of a pass; with `halves` also what stands after each attention."""
    stack = config.main
    between = (("middle", "crossed") if isinstance(config.form, EncoderDecoder) else ("middle",)) if halves else ()
    inside = [Point(layer + 1, f"{stack}.blocks.{layer}.{leaf}") for layer in range(config.layers) for leaf in (*between, "after")]
    return (Point(0, f"{stack}.blocks.0.before"), *inside)


@torch.no_grad()
def unembedded(model: Transformer, stream: Tensor) -> Tensor:
    """Any point of the stream, (T, width), through the model's own final norm (where it has one) and output: logits (T, V)."""
    norm = model.stack().norm
    return model.head((stream if norm is None else norm(stream))[None], model.embed.token.weight)[0]


def real(trace: Trace, blanks: Sequence[int] = ()) -> Integers:
    """The token that the text really has where the model guesses: the next one, or in an encoder the one in its place (T,); `NOBODY`
    after the last, and at `blanks`, whose token nobody knows."""
    ids = trace.ids.cpu().numpy()
    found = ids.copy() if isinstance(trace.model.config.form, Encoder) else np.append(ids[1:], NOBODY)
    found[list(blanks)] = NOBODY
    return found


# ---------------------------------------------------------------- the lens


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """`top` (P, T, K) ids, likeliest first, with their probabilities `chance`; `entropy` (P, T) in nats; `divergence` (P, T), how far
    the point is from the model's answer: KL(answer ‖ point) in nats. `real` (T,) is what the text has (see `real`), with its
    `rank` (P, T), 1 for the likeliest and 0 where there is none, and its probability `hit` (P, T)."""

    points: tuple[Point, ...]
    top: Integers
    chance: Floats
    entropy: Floats
    divergence: Floats
    real: Integers
    rank: Integers
    hit: Floats


@torch.no_grad()
def lens(trace: Trace, *, count: int = 5, halves: bool = False, blanks: Sequence[int] = ()) -> Lens:
    """Every position at every point, its `count` likeliest tokens. The last point is the model's own answer: the trace's logits."""
    config, asked = trace.model.config, real(trace, blanks)
    found, step = points(config, halves=halves), max(1, ROOM // config.vocabulary)
    rows = []
    for place, point in enumerate(found):
        chunks = (slice(start, start + step) for start in range(0, len(trace.ids), step))
        last = place == len(found) - 1
        parts = [_look(_logits(trace, point, at, last), trace.logits[at], torch.from_numpy(asked[at]), count) for at in chunks]
        rows.append([np.concatenate(column) for column in zip(*parts, strict=True)])
    top, chance, entropy, divergence, rank, hit = (np.stack(column) for column in zip(*rows, strict=True))
    return Lens(found, top, chance, entropy, divergence, asked, rank, hit)


def _logits(trace: Trace, point: Point, at: slice, last: bool) -> Tensor:
    return trace.logits[at] if last else unembedded(trace.model, trace[point.site][at])


def _look(logits: Tensor, final: Tensor, asked: Tensor, count: int) -> tuple[NDArray[Any], ...]:
    """One point at some positions: what `Lens` keeps of it."""
    here, there = logits.float().log_softmax(-1), final.float().log_softmax(-1)
    shares = logits.float().softmax(-1)
    chance, top = shares.topk(min(count, shares.shape[-1]))
    entropy, divergence = -(shares * here).sum(-1), (there.exp() * (there - here)).sum(-1).clamp_min(0)
    known, sought = asked != NOBODY, asked.clamp_min(0)[:, None]
    rank = torch.where(known, _ranks(logits, sought)[:, 0], 0)
    hit = torch.where(known, shares.gather(-1, sought)[:, 0], 0)
    return tuple(part.cpu().numpy() for part in (top, chance, entropy, divergence, rank, hit))


def _ranks(logits: Tensor, tokens: Tensor) -> Tensor:
    """How many tokens have a greater logit, and one: (R, V) and (R, n) to (R, n)."""
    return torch.stack([(logits > logits.gather(-1, each[:, None])).sum(-1) + 1 for each in tokens.T], -1)


# ---------------------------------------------------------------- the race


@dataclass(frozen=True, slots=True, eq=False)
class Race:
    """Some `tokens` (n) at one position, point by point: `rank` (P, n), 1 for the likeliest of all, and probability `chance` (P, n)."""

    position: int
    points: tuple[Point, ...]
    tokens: tuple[int, ...]
    rank: Integers
    chance: Floats


@torch.no_grad()
def race(trace: Trace, position: int, tokens: Sequence[int], *, halves: bool = False) -> Race:
    """How some tokens fare from the embedding to the answer. Raises `Refusal` for a position or a token that is none."""
    _refuse_outside("position", position, len(trace.ids))
    for token in tokens:
        _refuse_outside("token", token, trace.model.config.vocabulary)
    found, at = points(trace.model.config, halves=halves), slice(position, position + 1)
    logits = torch.cat([_logits(trace, point, at, point is found[-1]) for point in found]).float()
    sought = torch.tensor(tokens, dtype=torch.long).expand(len(found), -1)
    return Race(position, found, tuple(tokens), _ranks(logits, sought).numpy(), logits.softmax(-1).gather(-1, sought).numpy())


def likeliest(trace: Trace, position: int, count: int = 5) -> tuple[int, ...]:
    """The tokens that the model itself finds likeliest at a position, the likeliest first."""
    _refuse_outside("position", position, len(trace.ids))
    return tuple(trace.logits[position].topk(min(count, trace.logits.shape[-1])).indices.tolist())


def _refuse_outside(name: str, given: int, limit: int) -> None:
    if not 0 <= given < limit:
        raise Refusal("attention.outside", "{name} counts from 0 to {last}, got {given}", name=name, last=limit - 1, given=given)


# ---------------------------------------------------------------- who pushed


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes to the stream that leads to the logits: the embedding, a head of `attn` or `cross`, all the heads of one together
    (`head` is `None`), or a layer's MLP."""

    kind: Literal["embedding", "attn", "cross", "mlp"]
    layer: int = 0
    head: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Writes:
    """What each of the `writers` (N, none of them counted twice) wrote at one `position`, as the output's last matrix receives it: `arrived` (N, token
    width). `constant` (token width) is what the biases on the way bring along, `bias` (V,) the output's own.

    A write goes through every norm that stands between it and the output, each with its scale held where this text put it; an output
    with an activation (Transformed) has its gates, output over input, held likewise. So every step is linear and the logits are exactly
    the sum of `arrived` and `constant` through the `matrix` (V, token width), and `bias` ("direct logit attribution", Elhage et al. 2021;
    nostalgebraist 2020). What a write made later parts do is not in it.
    """

    position: int
    writers: tuple[Writer, ...]
    arrived: Floats
    constant: Floats
    matrix: Floats
    bias: Floats

    def by(self, writer: Writer) -> Floats:
        """What a writer's write arrives as, that of all heads together their sum: (token width,)."""
        mine = [writer in (each, Writer(each.kind, each.layer)) for each in self.writers]
        if not any(mine):
            raise Refusal("lens.writer", "this model has no writer {given}", given=f"{writer.kind} {writer.layer}.{writer.head}")
        return self.arrived[mine].sum(0)

    def pushed(self, writer: Writer) -> Floats:
        """What a writer adds to every token's logit: (V,)."""
        return self.matrix @ self.by(writer)

    def credits(self, token: int) -> Floats:
        """What each writer adds to one token's logit: (N,)."""
        return self.arrived @ self.matrix[token]

    def rest(self, token: int) -> float:
        """What no writer has written, the biases' part of one token's logit."""
        return float(self.constant @ self.matrix[token] + self.bias[token])


@torch.no_grad()
def writes(trace: Trace, position: int) -> Writes:
    """Every write at one position, carried to the output. Raises `Refusal` for a position that the text has not."""
    _refuse_outside("position", position, len(trace.ids))
    config, head = trace.model.config, trace.model.head
    writers, rows = [Writer("embedding")], _with_constant(trace[f"{config.main}.blocks.0.before"][position][None])
    for layer in range(config.layers):
        for branch in _branches(config):
            written, bias = _written(trace, layer, branch, position)
            writers += [Writer(branch, layer, None if branch == "mlp" else number) for number in range(len(written))]
            rows = torch.cat([rows[:-1], written, rows[-1:] + bias])
            norm = _norm_after(trace.model, layer, branch)
            if norm is not None:
                rows = _held(norm, rows)
    norm = trace.model.stack().norm
    rows = _read(head, rows if norm is None else _held(norm, rows))
    matrix = trace.model.embed.token.weight if head.unembed is None else head.unembed.weight
    bias = head.bias if head.unembed is None else head.unembed.bias
    own = np.zeros(len(matrix), np.float32) if bias is None else _numpy(bias)
    return Writes(position, tuple(writers), _numpy(rows[:-1]), _numpy(rows[-1]), _numpy(matrix), own)


def _branches(config: Config) -> Iterator[Literal["attn", "cross", "mlp"]]:
    yield from ("attn", "cross", "mlp") if isinstance(config.form, EncoderDecoder) else ("attn", "mlp")


def _with_constant(rows: Tensor) -> Tensor:
    """A last row for what the biases bring: nothing yet."""
    return torch.cat([rows, torch.zeros_like(rows[:1])])


def _written(trace: Trace, layer: int, branch: Literal["attn", "cross", "mlp"], position: int) -> tuple[Tensor, Tensor]:
    """What a branch adds to the stream at a position: one row a head, or the MLP's, (n, width), and the bias that is no head's (width,)."""
    main = trace.model.config.main
    if branch == "mlp":
        row = trace[f"{main}.blocks.{layer}.mlp.out"][position]
        return row[None], torch.zeros_like(row)
    where = CROSS if branch == "cross" else Where(main)
    mixed, matrix = trace[where.site(layer, "mixed")][:, position], weight(trace.model, where, layer, "out.weight")
    rows = torch.einsum("hs,whs->hw", mixed, matrix.unflatten(-1, mixed.shape))
    bias = weight(trace.model, where, layer, "out.bias") if trace.model.config.attention.out_bias else torch.zeros_like(rows[0])
    return rows, bias


def _norm_after(model: Transformer, layer: int, branch: Literal["attn", "cross", "mlp"]) -> nn.Module | None:
    """The norm that stands on the stream itself after this branch; only where norms follow the sums."""
    if model.config.arrangement != Serial(norm_place="after"):
        return None
    name = {"attn": "norm1", "cross": "cross_norm", "mlp": "norm2"}[branch]
    return model.get_submodule(f"{model.config.main}.blocks.{0 if model.config.shared else layer}.{name}")


def _held(norm: nn.Module, rows: Tensor) -> Tensor:
    """Rows whose sum is what the norm really received, each through it with its scale held there; the last takes its bias."""
    whole = rows.sum(0)
    if isinstance(norm, nn.LayerNorm):
        scale = (whole.var(correction=0) + norm.eps).rsqrt()
        rows, bias = (rows - rows.mean(-1, keepdim=True)) * scale * norm.weight, norm.bias
    elif isinstance(norm, nn.RMSNorm):
        rows, bias = rows * (whole.square().mean() + norm.eps).rsqrt() * norm.weight, None
    else:
        raise TypeError(f"no norm: {norm}")
    return rows if bias is None else torch.cat([rows[:-1], rows[-1:] + bias])


def _read(head: Head, rows: Tensor) -> Tensor:
    """What the output makes of the rows before its last matrix, gates and scale held where their sum puts them: (N + 1, token width)."""
    if head.transform is not None:
        dense = head.transform.dense
        rows = torch.cat([rows[:-1] @ dense.weight.T, rows[-1:] @ dense.weight.T + dense.bias])
        whole = rows.sum(0)
        gates = torch.where(whole == 0, 0, head.transform.activation(whole) / torch.where(whole == 0, 1, whole))
        rows = _held(head.transform.norm, rows * gates)
    if head.narrow is not None:
        rows = head.narrow(rows)
    return rows if head.scale is None else rows * head.scale


def _numpy(value: Tensor) -> Floats:
    return value.detach().float().cpu().numpy()
