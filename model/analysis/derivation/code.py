"""The functions that compute each site, so that a reader sees the very code and not a retelling of it."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from model.analysis.derivation.number import Place
from model.config import Config, Rotary
from model.layers.attention import Attention, CrossAttention
from model.layers.block import Block
from model.layers.embedding import Embedding
from model.layers.head import Head, Transform
from model.layers.mlp import Mlp
from model.layers.norm import norm
from model.layers.positions import rotate
from model.layers.stack import Stack
from model.transformer import Transformer

Code = Callable[..., Any]

_OUTSIDE: dict[str, tuple[Code, ...]] = {
    "norm": (Stack.forward,),
    "logits": (Transformer.forward, Head.forward),
    "head.narrow": (Head.read,),
    **dict.fromkeys(("head.transform", "head.dense", "head.activated"), (Head.read, Transform.forward)),
}
_BLOCK: dict[str, tuple[Code, ...]] = {
    **dict.fromkeys(("before", "middle", "after", "sum1", "sum2"), (Block.forward,)),
    **dict.fromkeys(("norm1", "norm2"), (Block.normed, norm)),
    **dict.fromkeys(("crossed", "cross_norm", "cross_sum"), (Block.consult,)),
}
_LOOKS: dict[str, tuple[Code, ...]] = {
    "scores": (Attention.spelled_out, Attention.scores),
    **dict.fromkeys(("masked", "pattern"), (Attention.spelled_out,)),
    **dict.fromkeys(("mixed", "out", "by_head"), (Attention.meet,)),
}


def code_of(config: Config, site: str) -> tuple[Code, ...]:
    """What computes a site in a model of this configuration: first the function that hands it to the tap, then what works it out for it."""
    leaf = Place.of(site, config).leaf
    part, _, last = leaf.rpartition(".")
    if part == "embed":
        return (Embedding.forward, *((Embedding.places,) if last == "position" else ()))
    if part == "mlp":
        return (Mlp.forward,)
    if part not in ("attn", "cross"):
        return (_BLOCK | _OUTSIDE)[leaf]
    return _LOOKS[last] if last in _LOOKS else (Attention.meet, *_projecting(config, part, last[0]))


def _projecting(config: Config, branch: str, side: str) -> tuple[Code, ...]:
    """What makes queries, keys or values."""
    if branch == "cross":
        return (CrossAttention.asked if side == "q" else CrossAttention.remembered,)
    turns = (rotate,) if isinstance(config.positions, Rotary) and side != "v" else ()
    return (Attention.project, Attention.heads_of, *turns)


def shown(config: Config, site: str) -> str:
    """Its source as it stands in the file, each function under the name by which Python finds it."""
    return "\n\n".join(map(source, code_of(config, site)))


def source(code: Code) -> str:
    """A function as it stands in the file, under the name by which Python finds it."""
    return f"# {code.__module__}.{code.__qualname__}\n{textwrap.dedent(inspect.getsource(code)).rstrip()}"
