"""Patterns that papers put together from simpler ones."""

from __future__ import annotations

from model.layers.masks.combining import Mask
from model.layers.masks.patterns import Causal, Global, Prefix, Random, Strided, Window


def streaming(sinks: int, size: int) -> Mask:
    """The first few tokens, where attention rests, and a window of the latest: a text without end in a cache of `sinks` + `size` keys
    (Xiao et al. 2023, arXiv:2309.17453, section 3.2)."""
    return Causal() & (Prefix(sinks) | Window(size))


def sparse(stride: int) -> Mask:
    """The latest `stride` tokens, and every `stride`-th before: any token is two looks away (Child et al. 2019, arXiv:1904.10509,
    section 4.3, strided attention)."""
    return Causal() & (Window(stride) | Strided(stride))


def longformer(size: int, count: int) -> Mask:
    """A window, and a few tokens that see all and are seen by all (Beltagy et al. 2020, arXiv:2004.05150, section 3.1)."""
    return Window(size) | Global(count)


def bigbird(size: int, count: int, drawn: int, seed: int) -> Mask:
    """Longformer's, and a few pairs at random (Zaheer et al. 2020, arXiv:2007.14062, section 2)."""
    return Window(size) | Global(count) | Random(drawn, seed)
