"""The tree a session is growing: how wide, what is pruned, which nodes are open and which one is chosen; all of it in the link."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components import state
from components.canvas.tree import WIDEST, ranked, spell
from components.page import Session
from components.state import Field
from components.writing import ORDER, STOP
from model.config import Encoder
from model.errors import Refusal
from model.generation.tree import Continuations, Continued, Filled, Keep, Node, Ranks, Verdict, grow, ripest, verdict

LEAST = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Thresholds offered."""
DEPTHS = (1, 2, 3)
BY_HAND = 64
"""Nodes opened or closed by hand at most."""


def _flips(given: str) -> tuple[Ranks, ...]:
    paths = tuple(ranked(path) for path in given.split("-")) if len(given) < 2_000 else ()
    if not paths or not all(paths) or len(set(paths)) < len(paths) or len(paths) > BY_HAND:
        sentence = "at most {limit} paths of a tree, each once, are written as digits joined by -; got {given!r}"
        raise Refusal("link.paths", sentence, limit=BY_HAND, given=given[:40])
    return paths


WIDTH = state.integer("tree.width", 3, 1, WIDEST)
THRESHOLD = state.option("tree.least", LEAST[0], LEAST)
OF = state.option("tree.of", "step", ("step", "whole"))
"""Whether the threshold is for one step or for the whole path."""
DEPTH = state.integer("tree.depth", 2, DEPTHS[0], DEPTHS[-1])
FLIPS: Field[tuple[Ranks, ...]] = Field("tree.flip", (), _flips, lambda paths: "-".join(map(spell, paths)))
"""The nodes that are open though they are deeper than `DEPTH`, or closed though they are not."""
AT: Field[Ranks] = Field("tree.at", (), ranked, spell)
FIELDS = (WIDTH, THRESHOLD, OF, DEPTH, FLIPS, AT)


# ---------------------------------------------------------------- the tree as the fields say it is


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """The tree, the node that is chosen in it, and what greedy makes of the same text (`None` while nothing follows)."""

    asked: Continuations
    root: Node
    chosen: Node
    found: Verdict | None

    @property
    def greedy(self) -> tuple[int, ...]:
        """Greedy's path."""
        return () if self.found is None else self.found.greedy.path

    @property
    def best(self) -> tuple[int, ...]:
        """A path more probable than greedy's, as long or over sooner; empty where the tree has none."""
        return self.found.best.path if self.found is not None and self.found.better else ()


def grown(session: Session) -> Grown:
    """This session's tree. Raises `Refusal` for a text that nothing can follow in this form of model, such as one without blanks."""
    asked = asked_of(session)
    root = grow(asked, wanted, keep())
    chosen = max((node for node in root.walk() if state.get(AT)[: node.depth] == node.ranks), key=lambda node: node.depth)
    return Grown(asked, root, chosen, verdict(asked, root))


def keep() -> Keep:
    """Which children stay."""
    least = {state.get(OF): state.get(THRESHOLD)}
    return Keep(width=state.get(WIDTH), **least)


def wanted(ranks: Ranks) -> bool:
    """Whether a node is open."""
    return not ranks or (len(ranks) < state.get(DEPTH)) != (ranks in state.get(FLIPS))


def asked_of(session: Session) -> Continuations:
    """The text whose continuations are asked for, begun anew for another model or text: nothing is open in it yet."""
    key = _key(session)
    kept = state.remember("tree.asked", lambda: (key, _asked(session)))
    if kept[0] != key:
        if kept[0][:-1] != key[:-1]:
            restart()
        state.forget("tree.asked")
        kept = state.remember("tree.asked", lambda: (key, _asked(session)))
    return kept[1]


def _key(session: Session) -> tuple[Any, ...]:
    """What a tree's paths depend on, and last whether it ends with the document."""
    order = state.get(ORDER) if isinstance(session.specimen.config.form, Encoder) else ""
    return session.specimen.id, session.prompt.given, session.prompt.source_ids, order, state.get(STOP)


def _asked(session: Session) -> Continuations:
    specimen, prompt = session.specimen, session.prompt
    model = specimen.loaded.model
    if isinstance(specimen.config.form, Encoder):
        return Filled(model, prompt.ids, prompt.ids[prompt.blanks[0]] if prompt.blanks else -1, state.get(ORDER))
    return Continued(model, prompt.given, source=prompt.source_ids or None, stop=specimen.loaded.marks.stop if state.get(STOP) else None)


# ---------------------------------------------------------------- what the reader does


def press(node: Node) -> None:
    """Choose a node and open it; one that is chosen already is opened or closed."""
    chosen = state.get(AT) == node.ranks
    state.put(AT, node.ranks)
    if chosen or node.branches is None:
        flip(node)


def flip(node: Node) -> None:
    """Open or close a node, where that is possible: the root stays open, and so much by hand only."""
    flips = state.get(FLIPS)
    if not node.ranks or node.closed is not None:
        return
    if node.ranks in flips:
        state.put(FLIPS, tuple(path for path in flips if path != node.ranks))
    elif len(flips) < BY_HAND:
        state.put(FLIPS, (*flips, node.ranks))


def ripen(root: Node) -> None:
    """Open the most probable leaf: one step of a best-first search."""
    leaf = ripest(root)
    if leaf is not None:
        state.put(AT, leaf.ranks)
        flip(leaf)


def restart() -> None:
    """As the tree was at first, the threshold and the width aside."""
    state.reset(FLIPS)
    state.reset(AT)
