"""A tree of continuations, from left to right: a node a token, lit by how probable it is, an edge as thick as its probability, and after
every node's children what is left to all other tokens.

Where things lie is decided here: leaves one below the other, a parent in the middle of its children (the tidy tree of Wetherell and
Shannon 1979, for nodes of one height). A phone is too narrow for columns: it shows the same nodes as an indented list, by their `line`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.errors import Refusal
from model.generation.tree import DEEPEST, Branches, Node, Ranks

HERE = Path(__file__).parent
REST = 0.66
"""How high what is left to the others is, in rows."""
WIDEST = 6
"""Children a node has at most: a choice is written as one digit."""
SENTENCES = ("keys", "scale", "thick", "label", "label_root", "here", "here_root", "others", "others_pruned", "tree", "fit", "unfit")
STATES = ("open", "shut", "end", "context", "blanks", "depth")
FACTS = ("step", "nats", "whole", "total", "perplexity")


# ---------------------------------------------------------------- ranks as text


def spell(ranks: Ranks) -> str:
    """Choices as a digit each; the root is an empty text."""
    return "".join(map(str, ranks))


def ranked(given: Any) -> Ranks:
    """What `spell` wrote. Raises `Refusal` for anything else."""
    if not isinstance(given, str) or not re.fullmatch(rf"[0-{WIDEST - 1}]{{0,{DEEPEST}}}", given):
        sentence = "a path in the tree is up to {deepest} digits from 0 to {last}; got {given}"
        raise Refusal("link.path", sentence, deepest=DEEPEST, last=WIDEST - 1, given=repr(given)[:40])
    return tuple(map(int, given))


# ---------------------------------------------------------------- layout


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node lies: its column (its depth), its middle in rows from the top, and its line in the indented list. `parent` is the
    number of its parent among the places, −1 for the root."""

    node: Node
    parent: int
    column: int
    row: float
    line: int


@dataclass(frozen=True, slots=True)
class Rest:
    """Where it is said what is left to the other tokens after a node (the number `parent` among the places)."""

    branches: Branches
    parent: int
    column: int
    row: float
    line: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Every node, parents before their children, every remainder, and how much room they take: in rows, columns and lines."""

    places: tuple[Place, ...]
    rests: tuple[Rest, ...]
    rows: float
    columns: int
    lines: int


def arranged(root: Node) -> Layout:
    """The tree in its place."""
    rows, rests = _rows(root)
    places: list[Place] = []
    remainders: list[Rest] = []
    line = 0
    for kind, node, parent in _lines(root, -1, [0]):
        if kind == "rest":
            assert node.branches is not None
            remainders.append(Rest(node.branches, parent, node.depth + 1, rests[node.ranks], line))
        else:
            places.append(Place(node, parent, node.depth, rows[node.ranks], line))
        line += 1
    high = max([place.row + 0.5 for place in places] + [rest.row + REST / 2 for rest in remainders])
    deep = max([place.column for place in places] + [rest.column for rest in remainders])
    return Layout(tuple(places), tuple(remainders), high, deep + 1, line)


def _lines(node: Node, parent: int, count: list[int]) -> Iterator[tuple[Literal["node", "rest"], Node, int]]:
    """The indented list from the top: a node, its children, what is left to the others."""
    number = count[0]
    count[0] += 1
    yield "node", node, parent
    for child in node.children:
        yield from _lines(child, number, count)
    if node.branches is not None and node.branches.count:
        yield "rest", node, number


def _rows(root: Node) -> tuple[dict[Ranks, float], dict[Ranks, float]]:
    """The middles of all nodes, and of what is left after each open one, by the choices that lead there."""
    rows: dict[Ranks, float] = {}
    rests: dict[Ranks, float] = {}
    top = 0.0

    def settle(node: Node) -> float:
        nonlocal top
        middles = [settle(child) for child in node.children]
        high = REST if middles else 1.0
        if node.branches is not None and node.branches.count:
            rests[node.ranks] = top + high / 2
        if not middles or node.ranks in rests:
            top += high
        middles = middles or [top - high / 2]
        rows[node.ranks] = (middles[0] + middles[-1]) / 2
        return rows[node.ranks]

    settle(root)
    return rows, rests


# ---------------------------------------------------------------- what is sent


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A tree as it is to be seen: `given` is the end of the text it grows from, `name` a token as the screen writes it, `chosen` the
    node that stands in the card below, `text` its whole text (what was given, what follows), `greedy` and `best` the paths marked;
    `filled` says that its levels are blanks."""

    root: Node
    given: str
    name: Callable[[int], str]
    chosen: Node
    text: tuple[str, str]
    greedy: tuple[int, ...]
    best: tuple[int, ...]
    filled: bool
    revision: str


def layout(words: Words, scene: Scene) -> dict[str, Any]:
    """What the view draws."""
    arrangement = arranged(scene.root)
    return {
        "nodes": [_node(words, scene, place) for place in arrangement.places],
        "rests": [_rest(words, rest) for rest in arrangement.rests],
        "rows": round(arrangement.rows, 3),
        "columns": arrangement.columns,
        "lines": arrangement.lines,
        "chosen": spell(scene.chosen.ranks),
        "text": list(scene.text),
        "facts": _facts(words, scene.chosen),
        "state": words(f"tree.canvas.state.{_state(scene.chosen)}" if scene.chosen.path else "tree.canvas.choose"),
        "language": words.language,
        "words": {"heading": words("tree.canvas.heading_blanks" if scene.filled else "tree.canvas.heading")}
        | {name: words(f"tree.canvas.{name}") for name in SENTENCES}
        | {"states": {name: words(f"tree.canvas.state.{name}") for name in STATES}}
        | {"marks": {name: words(f"tree.canvas.mark.{name}") for name in ("greedy", "best")}},
        "revision": scene.revision,
    }


def _node(words: Words, scene: Scene, place: Place) -> dict[str, Any]:
    node = place.node
    return {
        "id": spell(node.ranks),
        "parent": place.parent,
        "column": place.column,
        "row": round(place.row, 3),
        "line": place.line,
        "piece": plate.visible(scene.name(node.path[-1])) if node.path else scene.given,
        "share": float(f"{node.probability:.6g}"),
        "whole": words.percent(node.whole),
        "total": logarithm(words, node.total, 2),
        "perplexity": words.number(node.perplexity, 2),
        "state": _state(node),
        "marks": [name for name, path in (("greedy", scene.greedy), ("best", scene.best)) if node.path and path[: node.depth] == node.path],
    }


def _rest(words: Words, rest: Rest) -> dict[str, Any]:
    told = {"share": words.percent(rest.branches.others), "count": words.number(rest.branches.count, 0)}
    pruned = len(rest.branches.pruned)
    said = words("tree.canvas.others_pruned", **told, pruned=words.number(pruned)) if pruned else words("tree.canvas.others", **told)
    return {
        "parent": rest.parent,
        "column": rest.column,
        "row": round(rest.row, 3),
        "line": rest.line,
        "share": float(f"{rest.branches.others:.6g}"),
        "said": said,
    }


def _facts(words: Words, node: Node) -> list[list[str]]:
    """The chosen path's numbers, each with its name; the root has none."""
    if not node.path:
        return []
    whole = words.percent(node.whole, 2 if 0.001 <= node.whole < 0.0995 else None)
    values = (words.percent(node.probability), logarithm(words, node.nats), whole, logarithm(words, node.total), words.number(node.perplexity, 2))
    return [[words(f"tree.canvas.fact.{name}"), value] for name, value in zip(FACTS, values, strict=True)]


def logarithm(words: Words, nats: float, digits: int = 3) -> str:
    """A log-probability; one close to 0 by its power of ten."""
    return words.number(nats, digits if nats <= -0.01 else None)


def _state(node: Node) -> str:
    return node.closed or ("shut" if node.branches is None else "open")


# ---------------------------------------------------------------- what comes back


def parse(sent: Any, root: Node) -> Node:
    """The node that was pressed. Raises `Refusal` for what is none of the tree's."""
    ranks = ranked(sent.get("node") if isinstance(sent, dict) else None)
    found = next((node for node in root.walk() if node.ranks == ranks), None)
    if found is None:
        raise Refusal("tree.node", "there is no path {given} in this tree any more", given=spell(ranks))
    return found


_view = component(
    "vitrine.tree",
    html='<section class="grown plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def tree(words: Words, key: str, scene: Scene, pressed: Callable[[Node], None]) -> None:
    """Mount the tree; `pressed` is given the node that the reader pressed."""

    def heard() -> None:
        with suppress(Refusal):
            pressed(parse(state.sent(key, "press"), scene.root))

    _view(key=key, data=layout(words, scene), on_press_change=heard)
