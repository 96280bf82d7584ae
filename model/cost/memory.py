"""Bytes: of the weights at rest, of what training keeps beside them, and of the cache that generation grows."""

from __future__ import annotations

from typing import Literal, get_args

from model.config import Config, GatedMlp, LayerNorm, Parallel
from model.cost.weights import parameters

Precision = Literal["fp32", "fp16", "bf16", "int8", "int4"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
BITS: dict[Precision, int] = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "int4": 4}


def bytes_by_precision(config: Config) -> dict[Precision, int]:
    """The weights alone, in each precision (an odd 4-bit number takes a whole byte)."""
    return {precision: _bytes(parameters(config), precision) for precision in PRECISIONS}


def cache_bytes_per_token(config: Config, precision: Precision = "fp32") -> int:
    """The KV cache's growth with each token: a key and a value per layer and key/value head (Pope et al. 2022,
    arXiv:2211.05102, section 2.1). Grouped and multi-query attention shrink exactly this."""
    return _bytes(2 * config.layers * config.attention.kv_heads * config.attention.size, precision)


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


def activation_bytes(config: Config, batch: int, length: int, precision: Literal["fp32", "bf16"] = "fp32") -> int:
    """What a forward pass over `batch` texts of `length` tokens keeps for the backward one, the loss included.

    The same count as Korthikanti et al. 2022 (arXiv:2205.05198, section 4.1) makes for its model, made for this one: the loss
    and RMSNorm stay in fp32, all else is in `precision`. Position tables and the ids themselves are left out (under 2 %).
    """
    narrow = 4 if precision == "fp32" else 2
    kept = narrow * _kept(config, length) + 4 * config.vocabulary
    return batch * length * (kept + _kept_by_norms(config, narrow))


def _kept(config: Config, length: int) -> int:
    """Numbers per token: what enters each linear layer; queries, keys, values and the pattern; which ones were dropped."""
    attention, (norms, _) = config.attention, _norms(config)
    heads = attention.heads * (4 * attention.size + length)
    block = norms * config.width + heads + _kept_by_mlp(config)
    dropped = (2 * config.layers + 1) * config.width if config.dropout else 0
    return config.layers * block + config.width + dropped


def _kept_by_mlp(config: Config) -> int:
    """An activation keeps what it read, ReLU what it returned; a gate also keeps its two factors."""
    arrays = (4 if isinstance(config.mlp, GatedMlp) else 2) - (config.mlp.activation == "relu")
    return arrays * config.mlp.hidden


def _kept_by_norms(config: Config, narrow: int) -> int:
    """Bytes per token: LayerNorm keeps what it read, a mean and a deviation; RMSNorm, which converts to fp32 what is not, what
    it read, the same divided, and by how much."""
    norms, read = _norms(config)
    norms, read = config.layers * norms + config.final_norm, config.layers * read + config.final_norm
    if isinstance(config.norm, LayerNorm):
        return narrow * (read * config.width + norms * 2)
    copies = read if narrow == 4 else norms
    return 4 * (copies * config.width + norms * (config.width + 1))


def _norms(config: Config) -> tuple[int, int]:
    """Norms in a block, and the different residual values they read."""
    match config.arrangement:
        case Parallel(norms=norms):
            return norms, 1
        case _:
            return 2, 2


def _bytes(numbers: int, precision: Precision) -> int:
    return -(-numbers * BITS[precision] // 8)
