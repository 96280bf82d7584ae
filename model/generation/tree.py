"""A tree of the most probable continuations of a text: a node is a path of tokens, its children are the likeliest next ones.

Nothing is drawn by lot: every probability is the model's own, and a path's is the product of its steps. A decoder's tree grows at the
end of its text; an encoder's fills its blanks, one a level, so that its probabilities depend on the order in which they are filled.

Legend: V the size of the vocabulary, K the likeliest tokens that are remembered of each distribution.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from model.errors import Refusal
from model.generation.blanks import Filler, Order
from model.generation.choose import Picked, order
from model.generation.decoder import Decoder, Reading
from model.generation.steps import checked, refuse_damaged, refuse_unknown
from model.space import Interval
from model.transformer import Transformer

Path = tuple[int, ...]
"""Tokens from the root on, by their ids."""
Ranks = tuple[int, ...]
"""The same path as choices: 0 for the likeliest token at each step, 1 for the next."""
Closed = Literal["end", "context", "blanks", "depth"]
"""Why a path goes no further: its document ends, the context is full, no blank is left, or it is `DEEPEST` tokens long."""
REMEMBERED = 64
"""Likeliest tokens remembered of each distribution; a tree is never wider."""
DEEPEST = 16
MOST = 128
"""Nodes that are opened at most."""
KEPT_PATHS = 4_096


# ---------------------------------------------------------------- what the model expects after a path


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """The likeliest tokens after a path: `ids` (K,) and their `nats` (K,), log-probabilities, the likeliest first; of `count` tokens in
    all. `place` is the blank they would fill, if it is one."""

    ids: NDArray[np.int64]
    nats: NDArray[np.float64]
    count: int
    place: int | None = None


class Continuations(ABC):
    """One text whose continuations can be asked for. What is close to what was asked before costs least: the KV cache, or the blanks
    already filled, are kept as far as two paths agree."""

    deepest: int

    def __init__(self) -> None:
        self._known: dict[Path, Expected] = {}

    def after(self, path: Path) -> Expected:
        """What the model expects after a path. Raises `Refusal` where it goes no further, for an unknown id, and for damaged logits."""
        why = self.closed(path)
        if why is not None:
            raise Refusal("tree.closed", "nothing follows after these {tokens} tokens ({why}); go on from another path", tokens=len(path), why=why)
        if path not in self._known:
            if len(self._known) >= KEPT_PATHS:
                self._known.clear()
            self._known[path] = self._ask(path)
        return self._known[path]

    @abstractmethod
    def closed(self, path: Path) -> Closed | None:
        """Why a path goes no further; `None` where it does."""

    @abstractmethod
    def _ask(self, path: Path) -> Expected:
        """The model's own answer."""


class Continued(Continuations):
    """A decoder's text (T,), or what an encoder–decoder writes about a `source` (S,), which grows at its end; a path is over at the id
    `stop`, where there is one. Raises `Refusal` as `generate` does, except that a prompt may fill the context: then nothing follows."""

    def __init__(
        self, model: Transformer, ids: Sequence[int] | Tensor, *, source: Sequence[int] | Tensor | None = None, stop: int | None = None
    ) -> None:
        super().__init__()
        self.model, self.prompt, self.stop = model, checked(ids, model), stop
        self.source = None if source is None else checked(source, model)
        self.room = model.config.context - len(self.prompt)
        self.deepest = min(DEEPEST, self.room)
        self._decoder = Decoder(model, capacity=len(self.prompt) + self.deepest, source=self.source)
        self._read: Path = ()

    def closed(self, path: Path) -> Closed | None:
        if path and path[-1] == self.stop:
            return "end"
        if len(path) >= self.room:
            return "context"
        return "depth" if len(path) >= self.deepest else None

    def _ask(self, path: Path) -> Expected:
        refuse_unknown(path, self.model.config.vocabulary)
        if not path or not self._decoder.length:
            self._decoder.rewind(0)
            self._keep((), self._decoder.read(self.prompt))
        kept = agreeing(self._read, path[:-1])
        self._decoder.rewind(len(self.prompt) + kept)
        for at in range(kept, len(path)):
            self._keep(path[: at + 1], self._decoder.step(path[at]))
        return self._known[path]

    def _keep(self, path: Path, reading: Reading) -> None:
        """Remember what was read after a path, at which the cache now ends."""
        self._read, self._known[path] = path, likeliest(reading.logits.cpu().numpy(), len(self.prompt) + len(path))


class Filled(Continuations):
    """An encoder's text (T,) with tokens `blank`, filled in an `order`. Raises `Refusal` as `fill_blanks` does."""

    def __init__(self, model: Transformer, ids: Sequence[int] | Tensor, blank: int, order: Order = "surest") -> None:
        super().__init__()
        self.filler = Filler(model, ids, blank)
        self.order: Order = order
        self.deepest = min(DEEPEST, len(self.filler.blanks))

    def closed(self, path: Path) -> Closed | None:
        if len(path) >= len(self.filler.blanks):
            return "blanks"
        return "depth" if len(path) >= self.deepest else None

    def places(self, path: Path) -> tuple[int, ...]:
        """The blank that each token of a path fills."""
        self._go(path)
        return tuple(step.place for step in self.filler.steps)

    def text(self, path: Path) -> tuple[int, ...]:
        """The whole text with the path's tokens in it, the blanks still open included."""
        self._go(path)
        return self.filler.ids

    def _go(self, path: Path) -> None:
        kept = agreeing([step.id for step in self.filler.steps], path)
        self.filler.rewind(kept)
        for id in path[kept:]:
            self.filler.fill(Picked(id), None, self.order)

    def _ask(self, path: Path) -> Expected:
        self._go(path)
        guesses = self.filler.guesses
        place = guesses.next(self.order)
        return likeliest(guesses.at(place), place, blank=place)


def likeliest(logits: NDArray[np.floating], position: int, blank: int | None = None) -> Expected:
    """The `REMEMBERED` likeliest tokens of logits (V,) at a position, of equals the lowest id first. Raises `Refusal` for damaged ones."""
    refuse_damaged(logits, position)
    shifted = logits.astype(np.float64) - logits.max()
    nats = shifted - np.log(np.exp(shifted).sum())
    floor = np.partition(nats, -REMEMBERED)[-REMEMBERED] if len(nats) > REMEMBERED else -np.inf
    near = np.flatnonzero((nats >= floor) & np.isfinite(nats))
    ids = near[order(nats[near])][:REMEMBERED]
    return Expected(ids.astype(np.int64), np.minimum(nats[ids], 0.0), int(np.isfinite(nats).sum()), blank)


def agreeing(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two paths begin with in common."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


# ---------------------------------------------------------------- the tree


@dataclass(frozen=True, kw_only=True, slots=True)
class Keep:
    """Which children a node keeps: its `width` likeliest, as far as each has a probability of at least `step`, and the path it ends
    one of at least `whole`."""

    width: Annotated[int, Interval(1, 6, step=1)] = 3
    step: Annotated[float, Interval(0.0, 0.5)] = 0.0
    whole: Annotated[float, Interval(0.0, 0.5)] = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.width <= REMEMBERED:
            raise Refusal("tree.width", "a node has 1 to {most} children, got {given}", most=REMEMBERED, given=self.width)
        for name, share in (("step", self.step), ("whole", self.whole)):
            if not 0 <= share <= 1:
                raise Refusal("tree.threshold", "the threshold {name} is a probability from 0 to 1, got {given}", name=name, given=share)

    def holds(self, node: Node) -> bool:
        """Whether a child is probable enough."""
        return node.probability >= self.step and node.whole >= self.whole


@dataclass(frozen=True, slots=True)
class Node:
    """A path and how probable it is: `nats` is the log-probability of its last token, `total` that of the whole path (both ≤ 0; 0 at
    the root). `closed` says why nothing can follow; `branches` is what follows, once it was asked for. `place` is the blank that its
    last token fills, if it is one."""

    path: Path = ()
    ranks: Ranks = ()
    nats: float = 0.0
    total: float = 0.0
    place: int | None = None
    closed: Closed | None = None
    branches: Branches | None = field(default=None, repr=False)

    @property
    def depth(self) -> int:
        """Tokens from the root to here."""
        return len(self.path)

    @property
    def probability(self) -> float:
        """Of the last token after all those before it."""
        return math.exp(self.nats)

    @property
    def whole(self) -> float:
        """The probability of the whole path: the product of its steps."""
        return math.exp(self.total)

    @property
    def perplexity(self) -> float:
        """The path's: the geometric mean of one over its steps' probabilities, which no longer depends on its length; 1 at the root."""
        return math.exp(-self.total / len(self.path)) if self.path else 1.0

    @property
    def children(self) -> tuple[Node, ...]:
        """What is kept of what follows, the likeliest first."""
        return () if self.branches is None else self.branches.children

    def walk(self) -> Iterator[Node]:
        """This node and everything below it, parents first, the likeliest child first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Branches:
    """What follows a node: the `children` kept, those `pruned` because they are less probable than a threshold, and `others`, the
    probability of all `count` tokens that are no child, the pruned ones among them; `likeliest` is the log-probability of the
    likeliest of these (minus infinity where there are none)."""

    children: tuple[Node, ...]
    pruned: tuple[Node, ...]
    others: float
    count: int
    likeliest: float


def grow(asked: Continuations, wanted: Callable[[Ranks], bool], keep: Keep, most: int = MOST) -> Node:
    """The tree whose nodes are opened where `wanted` says so, level by level until `most` are open; returns its root."""
    opened: dict[Path, Branches] = {}
    root = Node(closed=asked.closed(()))
    waiting = [root]
    for node in waiting:
        if len(opened) < most and node.closed is None and wanted(node.ranks):
            opened[node.path] = split(asked, node, keep)
            waiting.extend(opened[node.path].children)
    return _assembled(root, opened)


def split(asked: Continuations, node: Node, keep: Keep) -> Branches:
    """What follows a node, its children not opened yet."""
    expected = asked.after(node.path)
    every = [_child(asked, node, expected, rank) for rank in range(min(keep.width, len(expected.ids)))]
    children = tuple(child for child in every if keep.holds(child))
    pruned = tuple(child for child in every if not keep.holds(child))
    others = max(0.0, 1.0 - math.fsum(child.probability for child in children))
    left = [child.nats for child in pruned] + expected.nats[len(every) : len(every) + 1].tolist()
    return Branches(children, pruned, others, expected.count - len(children), max(left, default=-math.inf))


def _child(asked: Continuations, node: Node, expected: Expected, rank: int) -> Node:
    path, nats = (*node.path, int(expected.ids[rank])), float(expected.nats[rank])
    return Node(path, (*node.ranks, rank), nats, node.total + nats, expected.place, asked.closed(path))


def _assembled(node: Node, opened: dict[Path, Branches]) -> Node:
    branches = opened.get(node.path)
    if branches is None:
        return node
    return replace(node, branches=replace(branches, children=tuple(_assembled(child, opened) for child in branches.children)))


def leaves(root: Node) -> list[Node]:
    """The ends of the tree, the most probable path first; of equals, the one the walk meets first."""
    return sorted((node for node in root.walk() if not node.children and node.path), key=lambda node: -node.total)


def ripest(root: Node) -> Node | None:
    """The most probable path that was not opened and can be; `None` where there is none. Opening it again and again is a best-first
    search: the first text of a length that comes to be the ripest is the most probable one of that length."""
    return max((node for node in root.walk() if node.branches is None and node.closed is None), key=lambda node: node.total, default=None)


# ---------------------------------------------------------------- greedy, and better than greedy


@dataclass(frozen=True, slots=True)
class Verdict:
    """The likeliest token every time, to the tree's depth (`greedy`), beside the most probable text of the tree that is as long or over
    sooner (`best`). `proven` says that no other text, in the tree or outside it, can be more probable than that."""

    greedy: Node
    best: Node
    proven: bool

    @property
    def better(self) -> bool:
        """Whether greedy missed a more probable text."""
        return self.best.path != self.greedy.path


def greedy(asked: Continuations, tokens: int) -> Node:
    """The likeliest token every time, `tokens` of them or until nothing can follow."""
    node = Node(closed=asked.closed(()))
    while node.depth < tokens and node.closed is None:
        node = _child(asked, node, asked.after(node.path), 0)
    return node


def verdict(asked: Continuations, root: Node) -> Verdict | None:
    """Whether greedy found the most probable text as long as the tree is deep; `None` for a tree without branches."""
    nodes = list(root.walk())
    depth = max(node.depth for node in nodes)
    if not depth:
        return None
    own = greedy(asked, depth)
    whole = [node for node in nodes if node.depth == depth or (node.closed == "end" and node.path)]
    best = max([own, *whole], key=lambda node: node.total)
    reached = max((_reach(node) for node in nodes if node.depth < depth), default=-math.inf)
    return Verdict(own, best, reached <= best.total)


def _reach(node: Node) -> float:
    """The log-probability that no text through what is unknown of this node can exceed."""
    if node.branches is not None:
        return node.total + node.branches.likeliest
    return node.total if node.closed is None else -math.inf
