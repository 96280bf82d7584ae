"""What attention maps say together: how attention flows through the layers, and which heads look alike.

L layers, H heads, T tokens that ask, S that are asked. Pure numpy; a map's rows sum to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def rollout(patterns: NDArray[np.floating], residual: float = 0.5) -> Array:
    """How much of each input token reaches each token after every layer: (L, H, T, T) to (L, T, T), rows summing to 1.

    Heads are averaged, the residual connection is `residual` of the identity, and layers are multiplied, the upper from the left (attention
    rollout, Abnar and Zuidema 2020, arXiv:2005.00928). It knows nothing of values or MLPs.
    """
    identity = np.eye(patterns.shape[-1])
    steps = (1 - residual) * patterns.astype(np.float64).mean(1) + residual * identity
    reached = [steps[0]]
    for step in steps[1:]:
        reached.append(step @ reached[-1])
    return np.stack(reached)


def unlikeness(patterns: NDArray[np.floating]) -> Array:
    """How differently heads look: (heads, T, S) to (heads, heads), 0 for the same map, 1 for two that never share a key.

    The Jensen–Shannon distance, the square root of the divergence in bits (Endres and Schindelin 2003), averaged over queries.
    """
    maps = patterns.astype(np.float64)
    return np.stack([np.sqrt(_divergence(one, maps)).mean(-1) for one in maps])


def _divergence(one: Array, others: Array) -> Array:
    """Jensen–Shannon divergence in bits of a map's rows (T, S) and those of several (heads, T, S): (heads, T)."""
    middle = (one + others) / 2
    bits = (_relative(one, middle) + _relative(others, middle)) / 2
    return np.clip(bits, 0, 1)


def _relative(p: Array, q: Array) -> Array:
    """Σ p log₂(p / q) over keys, 0 where p is."""
    p = np.broadcast_to(p, q.shape)
    ratio = np.divide(p, q, out=np.ones_like(q), where=p > 0)
    return (p * np.log2(ratio)).sum(-1)
