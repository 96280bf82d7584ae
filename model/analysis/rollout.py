"""Where information comes from, through all layers: attention rolled out, and attention as the capacity of a flow.

Both of Abnar and Zuidema 2020 (arXiv:2005.00928). Every step up (a layer, or in a decoder with a source its two halves) is a matrix whose
rows sum to 1: half of what a token holds afterwards it held before, half came by attention. N nodes: the tokens that are read, S of a
source first where there is one, then the T of the text. Neither knows of the MLPs, nor of what values hold, unless their norms weigh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow
from torch import Tensor

from model.analysis.places import CROSS, Where, weight
from model.config import Kind
from model.errors import Refusal
from model.trace import Trace

Array = NDArray[np.float64]
Weigh = Literal["weights", "norms"]
FLOWS = 64
"""The most tokens a flow is sought for: each pair of them is a problem of its own."""
UNITS = 2**23
"""Capacities are whole numbers of this many parts, so that a flow is exact to 1e-7."""


# ---------------------------------------------------------------- the steps


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """`matrices` (N, N) from the bottom up; after layer l of the place looked at, `ends[l]` of them are done. The first `source` nodes are
    a source's tokens."""

    matrices: tuple[Array, ...]
    ends: tuple[int, ...]
    source: int


def steps(trace: Trace, where: Where, weigh: Weigh = "weights", residual: float = 0.5) -> Steps:
    """The steps that lead to `where`: through one stack, or up the encoder and on through a decoder that looks at it."""
    if where.stack == "encoder" or trace.source is None:
        matrices = [step(mixture(trace, Where(where.stack), layer, weigh), residual) for layer in range(trace.model.config.depths[where.stack])]
        return Steps(tuple(matrices), tuple(range(1, len(matrices) + 1)), 0)
    below, source, target = steps(trace, Where("encoder"), weigh, residual).matrices, len(trace.source), len(trace.ids)
    matrices = [_placed(source + target, slice(0, source), slice(0, source), each) for each in below]
    ends, writing = [], slice(source, source + target)
    for layer in range(trace.model.config.depths["decoder"]):
        own = step(mixture(trace, Where("decoder"), layer, weigh), residual)
        across = mixture(trace, CROSS, layer, weigh)
        matrices.append(_placed(source + target, writing, writing, own))
        looked = _placed(source + target, writing, slice(0, source), (1 - residual) * across)
        looked[writing, writing] = np.diag(1 - (1 - residual) * across.sum(1))
        matrices.append(looked)
        ends.append(len(matrices))
    return Steps(tuple(matrices), tuple(ends), source)


def _placed(size: int, rows: slice, columns: slice, matrix: Array) -> Array:
    """The step that leaves every other node as it is."""
    placed = np.eye(size)
    placed[rows] = 0
    placed[rows, columns] = matrix
    return placed


def step(mixture: Array, residual: float = 0.5) -> Array:
    """(1 − residual) · A + residual · I; a token that looks at nothing keeps all it had."""
    share = 1 - residual
    return share * mixture + np.diag(1 - share * mixture.sum(1))


def mixture(trace: Trace, where: Where, layer: int, weigh: Weigh = "weights") -> Array:
    """How a layer's heads look together: (T, S), rows summing to 1. Their mean; or, by "norms", the lengths ‖Σ_h α v W_O‖ of what each key
    hands over through all heads (Kobayashi et al. 2020, arXiv:2004.10102), as shares of a query's sum."""
    patterns = trace.pattern(layer, where.branch, where.stack)
    if weigh == "weights":
        return patterns.double().mean(0).numpy()
    lengths = norms(trace, where, layer, patterns).numpy()
    return np.divide(lengths, lengths.sum(1, keepdims=True), out=np.zeros_like(lengths), where=lengths.sum(1, keepdims=True) > 0)


@torch.no_grad()
def norms(trace: Trace, where: Where, layer: int, patterns: Tensor) -> Tensor:
    """‖Σ_h α_h[query, key] · v_h[key] W_O,h‖, without the vectors themselves being made: (T, S). What two heads say of one key meets as
    their inner product, so a key needs no more than a table of heads by heads."""
    attention, out = trace.model.config.attention, weight(trace.model, where, layer, "out.weight").double()
    values = trace[where.site(layer, "v")].double().repeat_interleave(attention.heads // attention.kv_heads, 0)
    handed = torch.einsum("hsd,whd->shw", values, out.unflatten(1, (attention.heads, attention.size)))
    meetings = handed @ handed.transpose(1, 2)
    seen = patterns.double().permute(2, 1, 0)
    return ((seen @ meetings) * seen).sum(-1).clamp(min=0).sqrt().T


# ---------------------------------------------------------------- rolled out


def rollout(matrices: Sequence[Array] | Array) -> Array:
    """How much of each token below has reached each token after every step: (steps, N, N), rows summing to 1. The steps' product, the
    upper from the left."""
    reached = [np.asarray(matrices[0], np.float64)]
    for matrix in matrices[1:]:
        reached.append(matrix @ reached[-1])
    return np.stack(reached)


# ---------------------------------------------------------------- as a flow


def flow(matrices: Sequence[Array], node: int) -> Array:
    """The most that could flow from each token below up to `node`, through every step's weights as capacities: (N,), each at most 1.

    Each is a problem of its own: unlike a rollout's, they do not sum to 1. Raises `Refusal` for more than `FLOWS` tokens.
    """
    size = len(matrices[0])
    if size > FLOWS:
        raise Refusal("rollout.long", "a flow is sought for at most {limit} tokens, got {given}", limit=FLOWS, given=size)
    graph, top = _graph(matrices), len(matrices) * size + node
    return np.minimum(1, np.array([maximum_flow(graph, top, key).flow_value for key in range(size)]) / UNITS)


def _graph(matrices: Sequence[Array]) -> csr_array:
    """Edges from every node down to those it draws on; the nodes of a level are numbered after those below."""
    size = len(matrices[0])
    levels = [(number, *np.nonzero(np.rint(matrix * UNITS)), matrix) for number, matrix in enumerate(matrices)]
    upper = np.concatenate([rows + (number + 1) * size for number, rows, _, _ in levels])
    lower = np.concatenate([columns + number * size for number, _, columns, _ in levels])
    capacity = np.concatenate([np.rint(matrix[rows, columns] * UNITS).astype(np.int32) for _, rows, columns, matrix in levels])
    nodes = (len(matrices) + 1) * size
    return csr_array((capacity, (upper, lower)), shape=(nodes, nodes))


# ---------------------------------------------------------------- the reading


Way = Literal["rollout", "flow"]


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Where one token's information comes from: `rows` (L, N), after every layer; N tokens that are read, the first `source` of them a
    source's. `maps` (L, T, N) are those of all the place's tokens, `None` for a flow, which is sought for one token at a time."""

    way: Way
    weigh: Weigh
    kind: Kind
    token: int
    source: int
    rows: Array
    maps: Array | None


def reach(trace: Trace, where: Where, token: int, way: Way = "rollout", weigh: Weigh = "weights") -> Reach:
    """The reading for one token of the place, counted from 0. Raises `Refusal` for a token the text does not have, or too many for a flow."""
    found = steps(trace, where, weigh)
    size = len(found.matrices[0]) - found.source
    if not 0 <= token < size:
        raise Refusal("attention.outside", "{name} counts from 0 to {last}, got {given}", name="token", last=size - 1, given=token)
    if way == "flow":
        rows = np.stack([flow(found.matrices[:end], found.source + token) for end in found.ends])
        return Reach(way, weigh, where.stack, token, found.source, rows, None)
    maps = rollout(found.matrices)[[end - 1 for end in found.ends], found.source :]
    return Reach(way, weigh, where.stack, token, found.source, maps[:, token], maps)
