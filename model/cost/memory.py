"""Bytes: of the weights at rest, of what training keeps beside them, and of the cache that generation grows."""

from __future__ import annotations

from typing import Literal, get_args

from model.config import Config, EncoderDecoder, GatedMlp, Kind, LayerNorm, Narrow, Parallel, Transformed
from model.cost.weights import parameters

Precision = Literal["fp32", "fp16", "bf16", "int8", "int4"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
BITS: dict[Precision, int] = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "int4": 4}
Kept = Literal["everything", "fused", "inputs"]
"""What a forward pass keeps for the backward one: everything; all but the attention maps, worked out anew tile by tile (Dao et al. 2022,
arXiv:2205.14135); or each block's input, the rest worked out anew block by block (Chen et al. 2016, arXiv:1604.06174)."""


def bytes_by_precision(config: Config) -> dict[Precision, int]:
    """The weights alone, in each precision (an odd 4-bit number takes a whole byte)."""
    return {precision: _bytes(parameters(config), precision) for precision in PRECISIONS}


# ---------------------------------------------------------------- the KV cache


def cache_bytes_per_token(config: Config, precision: Precision = "fp32") -> int:
    """The KV cache's growth with each token: a key and a value per decoder layer and key/value head (Pope et al. 2022,
    arXiv:2211.05102, section 2.1). Grouped and multi-query attention shrink exactly this; an encoder keeps none."""
    return _bytes(2 * config.depths.get("decoder", 0) * config.attention.kv_heads * config.attention.size, precision)


def cache_bytes(config: Config, length: int, batch: int = 1, precision: Precision = "fp32", source: int | None = None) -> int:
    """The KV cache of `batch` texts of `length` tokens. Where attention slides, tokens behind the window are let go (Jiang et al. 2023,
    arXiv:2310.06825, section 2); an encoder–decoder also keeps those of its source, as long as the text unless told."""
    window, crosses = config.attention.window, isinstance(config.form, EncoderDecoder)
    kept = length if window is None else min(length, window)
    read = (length if source is None else source) if crosses else 0
    numbers = 2 * config.depths.get("decoder", 0) * config.attention.kv_heads * config.attention.size
    return _bytes(batch * (kept + read) * numbers, precision)


# ---------------------------------------------------------------- training


def gradient_bytes(config: Config) -> int:
    """One fp32 number per parameter."""
    return 4 * parameters(config)


def optimiser_bytes(config: Config, optimiser: Literal["adamw", "momentum", "sgd"] = "adamw") -> int:
    """What the optimiser remembers, in fp32: AdamW two numbers per parameter (Loshchilov & Hutter 2019, arXiv:1711.05101)
    and a step count for matrices and vectors each, SGD one number with momentum and none without."""
    match optimiser:
        case "adamw":
            return 8 * parameters(config) + 2 * 4
        case "momentum":
            return 4 * parameters(config)
        case "sgd":
            return 0


def activation_bytes(
    config: Config, batch: int, length: int, precision: Literal["fp32", "bf16"] = "fp32", kept: Kept = "everything", source: int | None = None
) -> int:
    """What a forward pass over `batch` texts of `length` tokens keeps for the backward one, the loss included; an encoder–decoder reads a
    `source` with each, as long unless told.

    The same count as Korthikanti et al. 2022 (arXiv:2205.05198, section 4.1) makes for its model, made for this one: the loss
    and RMSNorm stay in fp32, all else is in `precision`. Position tables and the ids themselves are left out (under 2 %).
    """
    narrow = 4 if precision == "fp32" else 2
    read = length if source is None else source
    sizes: dict[Kind, int] = {kind: read if kind != config.main else length for kind in config.depths}
    stacks = sum(tokens * _stack(config, kind, tokens, narrow, kept) for kind, tokens in sizes.items())
    crossing = 0
    if isinstance(config.form, EncoderDecoder):
        crossing = _crossed(config, length, read, narrow, kept)
    return batch * (stacks + crossing + length * _read_out(config, narrow))


def _stack(config: Config, kind: Kind, length: int, narrow: int, kept: Kept) -> int:
    """Bytes per token of one stack: its embedding, its blocks, and what comes out of it."""
    depth, block = config.depths[kind], _block(config, kind, length, narrow, kept)
    blocks = depth * block if kept != "inputs" else depth * narrow * config.width + block
    ending = narrow * config.width + (_normed(config, 1, 1, config.width, narrow) if config.final_norm else 0)
    return _embedded(config, narrow) + blocks + ending


def _embedded(config: Config, narrow: int) -> int:
    """Bytes per token: what a norm of the sum and a widening matrix read, and which numbers were dropped."""
    room = config.embedding.room
    summed = config.token_width if isinstance(room, Narrow) and room.positions == "before" else config.width
    normed = _normed(config, 1, 1, summed, narrow) if config.embedding.norm else 0
    widened = narrow * config.token_width if isinstance(room, Narrow) else 0
    return normed + widened + (narrow * config.width if config.dropout else 0)


def _block(config: Config, kind: Kind, length: int, narrow: int, kept: Kept) -> int:
    """Bytes per token: what enters each linear layer; queries, keys, values and the pattern; which numbers were dropped; the norms."""
    attention, (norms, read) = config.attention, _norms(config, kind)
    dropped = (3 if norms == 3 else 2) * config.width if config.dropout else 0
    numbers = norms * config.width + 4 * attention.heads * attention.size + _kept_by_mlp(config) + dropped
    maps = _patterns(config, length, narrow, kept)
    return narrow * numbers + maps + _normed(config, norms, read, config.width, narrow) + _heads_normed(config, narrow)


def _patterns(config: Config, keys: int, narrow: int, kept: Kept) -> int:
    """Bytes per query: a row of the map for each head, or the one fp32 sum from which it can be worked out again."""
    return config.attention.heads * (narrow * keys if kept == "everything" else 4)


def _crossed(config: Config, length: int, read: int, narrow: int, kept: Kept) -> int:
    """Bytes per text of all layers' looking at the source: queries and what is mixed, the source's keys and values, the pattern."""
    attention = config.attention
    inner = attention.heads * attention.size
    layer = narrow * inner * (2 * length + 2 * read) + length * _patterns(config, read, narrow, kept)
    if attention.head_norm:
        values = attention.kv_heads if narrow == 4 else 0
        layer += length * _lengths(config, attention.heads, 0) + read * _lengths(config, attention.kv_heads, values)
    return layer * (1 if kept == "inputs" else config.depths["decoder"])


def _kept_by_mlp(config: Config) -> int:
    """An activation keeps what it read, ReLU what it returned; a gate also keeps its two factors."""
    arrays = (4 if isinstance(config.mlp, GatedMlp) else 2) - (config.mlp.activation == "relu")
    return arrays * config.mlp.hidden


def _normed(config: Config, norms: int, read: int, width: int, narrow: int) -> int:
    """Bytes per token: LayerNorm keeps what it read, a mean and a deviation; RMSNorm, which converts to fp32 what is not, what
    it read, the same divided, and by how much."""
    if isinstance(config.norm, LayerNorm):
        return narrow * (read * width + norms * 2)
    copies = read if narrow == 4 else norms
    return 4 * (copies * width + norms * (width + 1))


def _heads_normed(config: Config, narrow: int) -> int:
    """Bytes per token: what the norms of queries and keys keep; in fp32 what they read lies among the values, which stay with it."""
    attention = config.attention
    if not attention.head_norm:
        return 0
    return _lengths(config, attention.heads + attention.kv_heads, attention.kv_heads if narrow == 4 else 0)


def _lengths(config: Config, normed: int, beside: int) -> int:
    """Bytes per token of bringing `normed` heads to one length: what is read, with `beside` heads more; the same divided; by how much."""
    size = config.attention.size
    return 4 * ((normed + beside) * size + normed * (size + 1))


def _read_out(config: Config, narrow: int) -> int:
    """Bytes per token: the loss in fp32, and what the last matrices read beyond what came out of the stack."""
    size, plain = config.token_width, 4 * config.vocabulary
    if isinstance(config.readout, Transformed):
        activated = 0 if config.readout.activation == "relu" else 1
        return plain + narrow * (activated + 1) * size + _normed(config, 1, 1, size, narrow)
    return plain + (narrow * size if size != config.width else 0)


def _norms(config: Config, kind: Kind) -> tuple[int, int]:
    """Norms in a block, and the different residual values they read."""
    if kind == "decoder" and isinstance(config.form, EncoderDecoder):
        return 3, 3
    match config.arrangement:
        case Parallel(norms=norms):
            return norms, 1
        case _:
            return 2, 2


def _bytes(numbers: int, precision: Precision) -> int:
    return -(-numbers * BITS[precision] // 8)
