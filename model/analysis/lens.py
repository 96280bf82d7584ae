"""What the residual stream would say at every layer, were it the last; and which tokens a head or an MLP pushes.

The lens puts the stream as it stands between two parts of the model through the model's own final norm and output (the "logit lens",
nostalgebraist 2020). No layer but the last was trained to be read so: what is read is a shadow of what the layer knows, and a lens
trained for each layer would read more (the "tuned lens", Belrose et al. 2023, arXiv:2303.08112). Only the stack that leads to the logits
has an output; an encoder beside a decoder has none of its own, and is not read.

Legend: P points of the stream, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.analysis.places import Where
from model.analysis.residual import Attribution, received, sliced
from model.config import Config, Encoder, EncoderDecoder, Serial
from model.errors import Refusal
from model.trace import Trace
from model.transformer import Transformer

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Part = Literal["attn", "cross", "mlp"]
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


# ---------------------------------------------------------------- what one writer pushes


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes to the stream that leads to the logits: the embedding, a head of `attn` or `cross`, all of its heads with the output's
    bias (`head` is `None`), or a layer's MLP."""

    kind: Part | Literal["embedding"]
    layer: int = 0
    head: int | None = None


def writers(config: Config) -> tuple[Writer, ...]:
    """Everyone who writes to a position: the embedding, then layer by layer each head, all heads together, the MLP."""
    found = [Writer("embedding")]
    for layer in range(config.layers):
        for part in _parts(config):
            found += [Writer(part, layer, head) for head in range(config.attention.heads if part != "mlp" else 0)]
            found.append(Writer(part, layer))
    return tuple(found)


def credited(found: Attribution, writer: Writer) -> Floats:
    """What a writer adds to the logits that an attribution is about: (K,)."""
    match writer:
        case Writer("embedding"):
            return found.embedding
        case Writer("mlp", layer):
            return found.mlp[:, layer]
        case Writer("attn" | "cross" as branch, layer, None):
            return found.heads[branch][:, layer].sum(-1) + found.biases[branch][:, layer]
        case Writer("attn" | "cross" as branch, layer, head):
            return found.heads[branch][:, layer, head]
    raise TypeError(f"no writer: {writer}")


@torch.no_grad()
def pushed(trace: Trace, position: int, writer: Writer) -> Floats:
    """What a writer adds to the logit of every token of the vocabulary, (V,), by the direct path: `attribution` in `residual.py` asks of a
    few tokens who pushed them, this asks of one writer whom it pushes, and a test holds them equal.

    What is written goes through every norm between it and the output with its scale held where this text put it, and through the gates
    (output over input) of an output with an activation, held likewise; offsets belong to nobody. Raises `Refusal` for a position or a
    writer that is not there.
    """
    _refuse_outside("position", position, len(trace.ids))
    if writer not in writers(trace.model.config):
        raise Refusal("lens.writer", "this model has nobody to write as {kind} in layer {layer}", kind=writer.kind, layer=writer.layer + 1)
    return _numpy(_carried(trace, position, writer, _written(trace, position, writer)))


@dataclass(frozen=True, slots=True, eq=False)
class Neurons:
    """What one MLP adds to one token's logit, neuron by neuron: each is `activated` (hidden,), and its column of the last matrix, that much
    of it, adds `credits` (hidden,); the matrix's bias adds `bias`. Together they are what the MLP is credited with."""

    layer: int
    activated: Floats
    credits: Floats
    bias: float


@torch.no_grad()
def neurons(trace: Trace, position: int, layer: int, token: int) -> Neurons:
    """Each neuron's share of an MLP's push of one token, by the direct path (see `pushed`; the MLP as a sum over its neurons: Geva et al.
    2022, arXiv:2203.14680). Raises `Refusal` for what is not there."""
    config, (matrix, bias) = trace.model.config, _down(trace, layer)
    _refuse_outside("position", position, len(trace.ids))
    _refuse_outside("token", token, config.vocabulary)
    activated = trace[f"{config.main}.blocks.{layer}.mlp.activated"][position]
    with torch.enable_grad():
        nothing = torch.zeros_like(matrix[:, 0], requires_grad=True)
        (direction,) = torch.autograd.grad(_carried(trace, position, Writer("mlp", layer), nothing)[token], nothing)
    return Neurons(layer, _numpy(activated), _numpy(activated * (direction @ matrix)), 0.0 if bias is None else float(direction @ bias))


@torch.no_grad()
def speaks_for(trace: Trace, position: int, layer: int, neuron: int, count: int = 5) -> tuple[int, ...]:
    """The tokens that a neuron pushes up furthest wherever it is active, whatever it does in this text: its column of the MLP's last matrix
    read as `pushed` reads a write."""
    matrix, _ = _down(trace, layer)
    _refuse_outside("neuron", neuron, matrix.shape[1])
    return tuple(_carried(trace, position, Writer("mlp", layer), matrix[:, neuron]).topk(count).indices.tolist())


def _down(trace: Trace, layer: int) -> tuple[Tensor, Tensor | None]:
    """The last matrix of a layer's MLP (width, hidden), and its bias (width,)."""
    config = trace.model.config
    _refuse_outside("layer", layer, config.layers)
    name = f"{config.main}.blocks.{0 if config.shared else layer}.mlp.down"
    return trace.model.get_parameter(f"{name}.weight"), trace.model.get_parameter(f"{name}.bias") if config.mlp.bias else None


def _carried(trace: Trace, position: int, writer: Writer, x: Tensor) -> Tensor:
    """What a write (width,) in this writer's place does to every logit: (V,)."""
    head = trace.model.head
    for norm, entered in _norms_on_the_way(trace, position, writer):
        x = _held(norm, x, entered)
    if head.transform is not None:
        x = _transformed(trace, position, x)
    if head.narrow is not None:
        x = head.narrow(x)
    matrix = trace.model.embed.token.weight if head.unembed is None else head.unembed.weight
    return matrix @ x * (head.scale or 1.0)


def _parts(config: Config) -> tuple[Part, ...]:
    return ("attn", "cross", "mlp") if isinstance(config.form, EncoderDecoder) else ("attn", "mlp")


def _written(trace: Trace, position: int, writer: Writer) -> Tensor:
    """What a writer adds to the stream at a position: (width,)."""
    main = trace.model.config.main
    if writer.kind == "embedding":
        return trace[f"{main}.blocks.0.before"][position]
    if writer.kind == "mlp" or writer.head is None:
        return trace[f"{main}.blocks.{writer.layer}.{writer.kind}.out"][position]
    where = Where(main, writer.kind)
    return sliced(trace.model, where, writer.layer)[writer.head] @ trace[where.site(writer.layer, "mixed")][writer.head, position]


def _norms_on_the_way(trace: Trace, position: int, writer: Writer) -> Iterator[tuple[nn.Module, Tensor]]:
    """The norms between a writer and the output, each with what it received: those on the stream, where they stand after the sums, then
    the last."""
    config, stack = trace.model.config, trace.model.stack()
    order = [(layer, part) for layer in range(config.layers) for part in _parts(config)]
    begin = 0 if writer.kind == "embedding" else order.index((writer.layer, writer.kind))
    for layer, part in order[begin:] if config.arrangement == Serial(norm_place="after") else ():
        block = f"{config.main}.blocks.{layer}"
        norm = stack.blocks[layer % len(stack.blocks)].get_submodule({"attn": "norm1", "cross": "cross_norm", "mlp": "norm2"}[part])
        yield norm, trace[f"{block}.{received(config, config.main, part)}"][position] + trace[f"{block}.{part}.out"][position]
    if stack.norm is not None:
        yield stack.norm, trace[f"{config.main}.blocks.{config.layers - 1}.after"][position]


def _held(norm: nn.Module, x: Tensor, entered: Tensor) -> Tensor:
    """Through a norm, without its offset, its scale held as `entered` set it."""
    assert isinstance(norm, nn.LayerNorm | nn.RMSNorm)
    if isinstance(norm, nn.RMSNorm):
        return x * (entered.square().mean() + (norm.eps or 0)).rsqrt() * norm.weight
    return (x - x.mean()) * (entered.var(correction=0) + norm.eps).rsqrt() * norm.weight


def _transformed(trace: Trace, position: int, x: Tensor) -> Tensor:
    """Through the output's own matrix, activation and norm, gates and scale held."""
    config, transform = trace.model.config, trace.model.head.transform
    assert transform is not None
    read = trace[f"{config.main}.norm" if config.final_norm else f"{config.main}.blocks.{config.layers - 1}.after"][position]
    entered = transform.dense(read)
    left = transform.activation(entered)
    gates = torch.where(entered == 0, 0.5, left / torch.where(entered == 0, 1.0, entered))
    return _held(transform.norm, transform.dense.weight @ x * gates, left)


def _numpy(value: Tensor) -> Floats:
    return value.detach().float().cpu().numpy()
