"""Which heads look alike, and which say alike: distances between heads on one text, and an order that puts relatives side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from model.analysis.places import Where, sides
from model.trace import Trace

Array = NDArray[np.float64]
Kind = Literal["looks", "says"]
MOST = 64
"""The most queries that are compared: of a longer text, so many evenly spaced."""
BUDGET = 60_000_000
"""The most numbers that are compared, pairs of heads times queries times keys; many heads are compared on fewer queries."""


def unlikeness(patterns: NDArray[np.floating]) -> Array:
    """How differently heads look: (heads, T, S) to (heads, heads), 0 for the same map, 1 for two that never share a key.

    The Jensen–Shannon distance, the square root of the divergence in bits (Endres and Schindelin 2003), averaged over queries.
    """
    maps = patterns.astype(np.float64)
    spread, found = _entropy(maps), np.zeros((len(maps), len(maps)))
    for one in range(len(maps) - 1):
        others = slice(one + 1, None)
        bits = _entropy((maps[one] + maps[others]) / 2) - (spread[one] + spread[others]) / 2
        same = (maps[one] == maps[others]).all(-1)
        found[one, others] = found[others, one] = np.sqrt(np.where(same, 0, np.clip(bits, 0, 1))).mean(-1)
    return found


def _entropy(rows: Array) -> Array:
    """−Σ p log₂ p over keys, in bits: (…, S) to (…)."""
    return -(rows * np.log2(rows, out=np.zeros_like(rows), where=rows > 0)).sum(-1)


def unaligned(outputs: NDArray[np.floating]) -> Array:
    """How differently heads' outputs vary from token to token: (heads, T, size) to (heads, heads), 1 − linear CKA (Kornblith et al. 2019,
    arXiv:1905.00414): 0 where one is the other turned and scaled, 1 where they have nothing in common. A head whose output never changes
    has nothing in common with any other."""
    centred = outputs.astype(np.float64) - outputs.mean(1, keepdims=True)
    kernels = (centred @ centred.swapaxes(1, 2)).reshape(len(outputs), -1)
    meetings, size = kernels @ kernels.T, np.linalg.norm(kernels, axis=1)
    product = size[:, None] * size
    found = 1 - np.divide(meetings, product, out=np.zeros_like(meetings), where=product > 1e-30)
    np.fill_diagonal(found, 0)
    return np.clip((found + found.T) / 2, 0, 1)


def family(distances: Array) -> list[int]:
    """An order in which relatives stand side by side: the leaves of average-linkage clustering, turned so that neighbours are near
    (Bar-Joseph et al. 2001)."""
    if len(distances) < 3:
        return list(range(len(distances)))
    return leaves_list(linkage(squareform(distances, checks=False), "average", optimal_ordering=True)).tolist()


# ---------------------------------------------------------------- the reading


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """Heads of one place on one text, numbered layer by layer: `distances` (heads, heads) from 0 to 1, `order` of clustering, and the
    `queries` that were compared. `sink` says whether the first key counted."""

    kind: Kind
    where: Where
    heads: int
    distances: Array
    order: tuple[int, ...]
    queries: tuple[int, ...]
    sink: bool

    def name(self, number: int) -> tuple[int, int]:
        """A head's layer and its number there, both from 0."""
        return divmod(number, self.heads)

    def relatives(self, number: int, count: int) -> list[int]:
        """The nearest to one head, nearest first."""
        return [int(other) for other in np.argsort(self.distances[number], kind="stable") if other != number][:count]


def likeness(trace: Trace, where: Where, kind: Kind = "looks", *, sink: bool = True) -> Likeness:
    """How alike the heads of a place are on this text: where they look ("looks", `unlikeness`) or what they hand on ("says", `unaligned`).

    Without the `sink`, each row of attention is shared out anew over the other keys, and queries that see no other are passed over.
    """
    layers, heads = trace.model.config.depths[where.stack], trace.model.config.attention.heads
    chosen = queries(trace, where, layers * heads)
    if kind == "says":
        distances = unaligned(np.concatenate([trace[where.site(layer, "mixed")][:, chosen].float().numpy() for layer in range(layers)]))
    else:
        maps = np.concatenate([trace.pattern(layer, where.branch, where.stack)[:, chosen].numpy() for layer in range(layers)])
        distances = unlikeness(maps if sink else unsunk(maps))
    return Likeness(kind, where, heads, distances, tuple(family(distances)), tuple(chosen), sink)


def queries(trace: Trace, where: Where, heads: int) -> list[int]:
    """The queries that are compared: all of them, or some, evenly spaced, of a long text or of many heads; the first only if it is alone,
    for in a decoder it has nowhere to look but at itself."""
    asking, keys = map(len, sides(trace, where))
    most = max(4, min(MOST, 2 * BUDGET // (heads * heads * keys)))
    start = 1 if asking > 1 and where.branch == "attn" else 0
    return np.unique(np.linspace(start, asking - 1, min(most, asking - start)).round().astype(int)).tolist()


def unsunk(maps: NDArray[np.floating]) -> Array:
    """Each row shared out anew over the keys but the first; a row that gave all to the first stays empty, and then alike."""
    rest = maps.astype(np.float64)
    rest[..., 0] = 0
    total = rest.sum(-1, keepdims=True)
    return np.divide(rest, total, out=np.zeros_like(rest), where=total > 1e-9)
