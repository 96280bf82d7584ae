"""Floating-point operations: two for each multiply-and-add of a matrix product, which is how PyTorch's counter counts.

Norms, activations and softmax are left out, as in Kaplan et al. 2020 (arXiv:2001.08361, table 1): they grow with the width,
matrix products with its square.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.config import Config, Direct, EncoderDecoder, GatedMlp, Kind, Narrow, Transformed
from model.errors import Refusal


@dataclass(frozen=True, slots=True)
class Operation:
    """A matrix product of the forward pass: the part it belongs to, its FLOPs in one layer, in how many layers."""

    name: str
    each: int
    times: int

    @property
    def total(self) -> int:
        """FLOPs in all layers."""
        return self.each * self.times


@dataclass(frozen=True, slots=True)
class Pass:
    """What goes through a model at once: `tokens` new ones in all, `pairs` of a query and a key in a stack of its own kind; where it
    looks at a source, `source` tokens to encode (0 when that was done before) and `crossed` pairs of a query and a source token."""

    tokens: int
    pairs: int
    source: int = 0
    source_pairs: int = 0
    crossed: int = 0


def operations(config: Config, queries: int, keys: int | None = None, batch: int = 1, source: int | None = None) -> tuple[Operation, ...]:
    """The matrix products of a forward pass over `batch` texts of `queries` new tokens, each looking at `keys` tokens
    (the same tokens unless told otherwise; more when a cache holds earlier ones).

    An encoder–decoder also reads a `source` (of as many tokens unless told): before a cache holds anything it is encoded, afterwards its
    keys and values are at hand. A linear layer costs 2 x tokens x inputs x outputs; scores and mixing cost 2 x heads x size x queries x
    keys each (Kaplan et al. 2020, table 1). Masked pairs are computed and thrown away, so they count, those beyond a window too.
    """
    through = _through(config, queries, keys, batch, source)
    return tuple(operation for operation in _operations(config, through) if operation.total)


def _through(config: Config, queries: int, keys: int | None, batch: int, source: int | None) -> Pass:
    tokens, pairs = batch * queries, batch * queries * (queries if keys is None else keys)
    if not isinstance(config.form, EncoderDecoder):
        return Pass(tokens, pairs)
    read = (keys or queries) if source is None else source
    encoded = batch * read if keys is None else 0
    return Pass(tokens, pairs, encoded, encoded * read, tokens * read)


def _operations(config: Config, through: Pass) -> Iterator[Operation]:
    if isinstance(config.embedding.room, Narrow):
        yield Operation("embed.widen", 2 * (through.tokens + through.source) * config.token_width * config.width, 1)
    for kind, depth in config.depths.items():
        prefix = f"{kind}." if len(config.depths) > 1 else ""
        for name, each in _block(config, kind, through):
            yield Operation(prefix + name, each, depth)
    yield from _head(config, through.tokens)


def _block(config: Config, kind: Kind, through: Pass) -> Iterator[tuple[str, int]]:
    """The products of one block of a stack, by name."""
    both = isinstance(config.form, EncoderDecoder)
    tokens, pairs = (through.source, through.source_pairs) if both and kind == "encoder" else (through.tokens, through.pairs)
    attention, width = config.attention, config.width
    inner, shared = attention.heads * attention.size, 2 * attention.kv_heads * attention.size
    yield "attn.qkv", 2 * tokens * width * (inner + shared)
    yield "attn.scores", 2 * pairs * inner
    yield "attn.mixed", 2 * pairs * inner
    yield "attn.out", 2 * tokens * inner * width
    if both and kind == "decoder":
        yield "cross.qkv", 2 * width * (tokens * inner + through.source * shared)
        yield "cross.scores", 2 * through.crossed * inner
        yield "cross.mixed", 2 * through.crossed * inner
        yield "cross.out", 2 * tokens * inner * width
    yield "mlp", 2 * tokens * (3 if isinstance(config.mlp, GatedMlp) else 2) * width * config.mlp.hidden


def _head(config: Config, tokens: int) -> Iterator[Operation]:
    narrow = config.token_width
    if isinstance(config.readout, Transformed):
        yield Operation("head.transform", 2 * tokens * config.width * narrow, 1)
    if isinstance(config.readout, Direct) and narrow != config.width:
        yield Operation("head.narrow", 2 * tokens * config.width * narrow, 1)
    yield Operation("head.unembed", 2 * tokens * narrow * config.vocabulary, 1)


# ---------------------------------------------------------------- sums


def forward_flops(config: Config, length: int, batch: int = 1, source: int | None = None) -> int:
    """FLOPs of a forward pass over `batch` texts of `length` tokens, and over their sources (as long, unless told) where there are any."""
    return sum(operation.total for operation in operations(config, length, batch=batch, source=source))


def training_flops(config: Config, length: int, batch: int = 1, source: int | None = None) -> int:
    """FLOPs of a forward and a backward pass: each product is differentiated by both of its factors, so three times the
    forward (Kaplan et al. 2020, section 2.1: 6 per parameter and token instead of 2)."""
    return 3 * forward_flops(config, length, batch, source)


def decoding_flops(config: Config, past: int, source: int | None = None) -> int:
    """FLOPs of one new token when the cache holds `past` earlier ones, and a source of `source` tokens (past + 1 unless told) is encoded.
    Raises `Refusal` for an encoder, which writes no text token by token."""
    if config.main == "encoder":
        raise Refusal("cost.encoder", "an encoder writes nothing token by token, so one more token has no cost of its own; count a whole pass")
    return sum(operation.total for operation in operations(config, queries=1, keys=past + 1, source=source))


def flops_per_token(config: Config) -> int:
    """FLOPs of one token that may look at a full context: the last one decoded, or the average of a full forward pass."""
    if config.main == "encoder":
        return forward_flops(config, config.context) // config.context
    return decoding_flops(config, config.context - 1)
