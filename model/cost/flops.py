"""Floating-point operations: two for each multiply-and-add of a matrix product, which is how PyTorch's counter counts.

Norms, activations and softmax are left out, as in Kaplan et al. 2020 (arXiv:2001.08361, table 1): they grow with the width,
matrix products with its square.
"""

from __future__ import annotations

from dataclasses import dataclass

from model.config import Config, GatedMlp


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


def operations(config: Config, queries: int, keys: int | None = None, batch: int = 1) -> tuple[Operation, ...]:
    """The matrix products of a forward pass over `batch` texts of `queries` new tokens, each looking at `keys` tokens
    (the same tokens unless told otherwise; more when a cache holds earlier ones).

    A linear layer costs 2 x tokens x inputs x outputs; scores and mixing cost 2 x heads x size x queries x keys each
    (Kaplan et al. 2020, table 1). Masked pairs are computed and thrown away, so they count.
    """
    attention, width, layers = config.attention, config.width, config.layers
    tokens, pairs = batch * queries, batch * queries * (queries if keys is None else keys)
    inner = attention.heads * attention.size
    matrices = 3 if isinstance(config.mlp, GatedMlp) else 2
    return (
        Operation("attn.qkv", 2 * tokens * width * (inner + 2 * attention.kv_heads * attention.size), layers),
        Operation("attn.scores", 2 * pairs * inner, layers),
        Operation("attn.mixed", 2 * pairs * inner, layers),
        Operation("attn.out", 2 * tokens * inner * width, layers),
        Operation("mlp", 2 * tokens * matrices * width * config.mlp.hidden, layers),
        Operation("head.unembed", 2 * tokens * width * config.vocabulary, 1),
    )


def forward_flops(config: Config, length: int, batch: int = 1) -> int:
    """FLOPs of a forward pass over `batch` texts of `length` tokens."""
    return sum(operation.total for operation in operations(config, length, batch=batch))


def training_flops(config: Config, length: int, batch: int = 1) -> int:
    """FLOPs of a forward and a backward pass: each product is differentiated by both of its factors, so three times the
    forward (Kaplan et al. 2020, section 2.1: 6 per parameter and token instead of 2)."""
    return 3 * forward_flops(config, length, batch)


def decoding_flops(config: Config, past: int) -> int:
    """FLOPs of one new token when the cache holds `past` earlier ones."""
    return sum(operation.total for operation in operations(config, queries=1, keys=past + 1))


def flops_per_token(config: Config) -> int:
    """FLOPs of one token that may look at a full context: the last one decoded, or the average of a full forward pass."""
    return decoding_flops(config, config.context - 1)
