"""The tree in words and in numbers: its sentences, its tables, and how a notebook computes them again."""

from __future__ import annotations

import html
from collections.abc import Sequence

import pandas as pd

from components.canvas.plate import visible
from components.canvas.tree import logarithm
from components.controls import prompt
from components.page import Session
from components.pages.tree.growing import Grown
from model.generation.tree import Continuations, Continued, Filled, Node, Verdict, leaves

LISTED = 8
"""Leaves in the table below the tree."""
ENDING = 15
"""Characters of the text that the root shows."""
GIVEN = 160
"""Characters of it that the card shows."""
BLANK = " ▁▁▁"


# ---------------------------------------------------------------- texts


def ending(session: Session) -> str:
    """The end of the text that the tree grows from; of a text with blanks, how many there are."""
    if session.prompt.blanks:
        return session.words("tree.blanks", count=session.words.number(len(session.prompt.blanks)))
    text = visible(_given(session))
    return text if len(text) <= ENDING else f"…{text[1 - ENDING :]}"


def whole(session: Session, asked: Continuations, node: Node) -> tuple[str, str]:
    """A path's whole text: what was given (its end, where it is long), and what follows. A text whose blanks are filled is one."""
    if not isinstance(asked, Filled):
        before = _given(session)
        return before if len(before) <= GIVEN else f"…{before[1 - GIVEN :]}", "".join(_pieces(session, node))
    given, ids = session.prompt, asked.text(node.path)
    written = [_filling(session, id, asked.filler.blank) if place in given.blanks else given.pieces[place] for place, id in enumerate(ids)]
    return "", "".join(written[given.opening : len(written) - given.closing]).strip()


def shown(session: Session, node: Node) -> str:
    """What follows along a path, as a sentence quotes it: a text, or the words for the blanks one by one."""
    pieces = _pieces(session, node)
    if node.place is not None:
        return " · ".join(map(visible, pieces))
    text = "".join(pieces).lstrip(" ").replace("\n", "⏎")
    return text if text == text.rstrip() else f"{text.rstrip()}␣"


def _given(session: Session) -> str:
    given = session.prompt
    return "".join(given.pieces[given.opening : len(given.given)]) or "".join(given.pieces[: len(given.given)])


def _pieces(session: Session, node: Node) -> list[str]:
    return [prompt.predicted(session.words, session.specimen, id) for id in node.path]


def _filling(session: Session, id: int, blank: int) -> str:
    return BLANK if id == blank else prompt.predicted(session.words, session.specimen, id)


def asked_at(session: Session, node: Node) -> int:
    """The place of the given text whose logits its first token came from."""
    return len(session.prompt.given) - 1 if node.place is None else node.place


# ---------------------------------------------------------------- sentences


def reading(session: Session, now: Grown) -> str:
    """The tree in one sentence."""
    words, every, form = session.words, list(now.root.walk()), "blanks" if isinstance(now.asked, Filled) else "text"
    if now.root.branches is None:
        return words("tree.reading.nothing")
    counted = {"nodes": words.number(len(every) - 1), "depth": words.number(max(node.depth for node in every))}
    said = [words(f"tree.reading.tree.{form}", **counted)]
    for best in now.root.children[:1]:
        told = {"token": shown(session, best), "share": words.percent(best.probability), "others": words.percent(now.root.branches.others)}
        said.append(words(f"tree.reading.first.{form}", **told))
    pruned = sum(len(node.branches.pruned) for node in every if node.branches is not None)
    return " ".join([*said, *([words("tree.reading.pruned", count=words.number(pruned))] if pruned else [])])


def verdict_in_words(session: Session, found: Verdict) -> str:
    """Greedy, and whether a more probable text exists."""
    words = session.words
    told = {"greedy": shown(session, found.greedy), "share": words.percent(found.greedy.whole), "tokens": words.number(found.greedy.depth)}
    if not found.better:
        return words("tree.verdict.proven" if found.proven else "tree.verdict.none", **told)
    ratio = found.best.whole / found.greedy.whole
    times = words.number(ratio, 3 if ratio < 1.1 else 1 if ratio < 10 else 0)
    said = words("tree.verdict.better", **told, best=shown(session, found.best), other=words.percent(found.best.whole), times=times)
    return f"{said} {words('tree.verdict.certain')}" if found.proven else said


# ---------------------------------------------------------------- the most probable texts


def ends(now: Grown, count: int | None = None) -> list[Node]:
    """The likeliest leaves, all of them unless a `count` is given, with greedy's text and a better one wherever they stand."""
    found = leaves(now.root)[:count]
    there = {node.path for node in found}
    beside = () if now.found is None else (now.found.best, now.found.greedy)
    unique = {node.path: node for node in beside if node.path not in there}
    return sorted([*found, *unique.values()], key=lambda node: -node.total)


def _kind(now: Grown, node: Node) -> str:
    return "best" if node.path == now.best else "greedy" if node.path == now.greedy else ""


def listed(session: Session, now: Grown) -> str:
    """The ranking as a table; tokens are data and stay it."""
    words = session.words
    heads = "".join(f'<th scope="col">{html.escape(words(f"tree.table.{name}"))}</th>' for name in ("text", "tokens", "whole", "total", "perplexity"))
    rows = "".join(_row(session, node, _kind(now, node)) for node in ends(now, LISTED))
    title = html.escape(words("tree.table.title"))
    table = f"<table><caption>{title}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="v-leaves" tabindex="0" role="region" aria-label="{title}">{table}</div>'


def _row(session: Session, node: Node, kind: str) -> str:
    words = session.words
    mark = f' <span class="v-mark v-mark-{kind}">{html.escape(words(f"tree.table.{kind}"))}</span>' if kind else ""
    cells = (words.number(node.depth), words.percent(node.whole), logarithm(words, node.total, 2), words.number(node.perplexity, 2))
    text = f'<th scope="row"><bdi>{html.escape(shown(session, node))}</bdi>{mark}</th>'
    return f'<tr class="{kind or "plain"}">{text}{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _table(session: Session, nodes: Sequence[Node], beside: dict[str, list[object]]) -> pd.DataFrame:
    columns: dict[str, list[object]] = {
        "text": [shown(session, node) for node in nodes],
        "ids": [" ".join(map(str, node.path)) for node in nodes],
        "tokens": [node.depth for node in nodes],
        "step": [node.probability for node in nodes],
        "nats": [node.nats for node in nodes],
        "whole": [node.whole for node in nodes],
        "total": [node.total for node in nodes],
        "perplexity": [node.perplexity for node in nodes],
    } | beside
    return pd.DataFrame({session.words(f"tree.table.{name}"): values for name, values in columns.items()})


def nodes_table(session: Session, now: Grown) -> pd.DataFrame:
    """Every node but the root, parents first."""
    nodes = [node for node in now.root.walk() if node.path]
    return _table(session, nodes, {"others": [None if node.branches is None else node.branches.others for node in nodes]})


def leaves_table(session: Session, now: Grown) -> pd.DataFrame:
    """Every leaf, the most probable first, and greedy's text."""
    nodes = ends(now)
    kinds = [_kind(now, node) for node in nodes]
    return _table(session, nodes, {"which": [session.words(f"tree.table.{kind}") if kind else "" for kind in kinds]})


# ---------------------------------------------------------------- in a notebook


def nodes_again(now: Grown) -> str:
    """The lines that ask the model again for every node, one whole forward pass a parent."""
    return _again(now, [node for node in now.root.walk() if node.path])


def leaves_again(now: Grown) -> str:
    """The same for the leaves and greedy's text."""
    return _again(now, ends(now))


def _again(now: Grown, nodes: Sequence[Node]) -> str:
    match now.asked:
        case Filled() as asked:
            paths = [(node.path, asked.places(node.path)) for node in nodes]
            return FILLED_AGAIN.format(text=list(asked.filler.text), blank=asked.filler.blank, paths=paths)
        case Continued() as asked:
            return CONTINUED_AGAIN.format(text=list(asked.prompt), paths=[node.path for node in nodes])
    raise NotImplementedError(type(now.asked))


OPEN_AGAIN = """
import numpy as np
import torch

from model.trace import Tracer


def read(text):
    here = Tracer(model).trace(torch.tensor(text), source=torch.tensor(source) if source else None)
    return here.logits.double().clone()

"""
CONTINUED_AGAIN = (
    OPEN_AGAIN
    + """
text, known = {text}, {{}}
found = []
for path in {paths}:
    steps = []
    for at, id in enumerate(path):
        if path[:at] not in known:
            known[path[:at]] = read([*text, *path[:at]])[-1].log_softmax(-1)
        steps.append(float(known[path[:at]][id]))
    found.append((len(path), np.exp(steps[-1]), steps[-1], np.exp(sum(steps)), sum(steps), np.exp(-sum(steps) / len(steps))))
names = ("tokens", "step", "nats", "whole", "total", "perplexity")
numbers = dict(zip(names, np.array(found, float).reshape(-1, 6).T, strict=True))
"""
)
FILLED_AGAIN = (
    OPEN_AGAIN
    + """
blank, known = {blank}, {{}}
found = []
for path, places in {paths}:
    steps, text = [], {text}
    for at, (id, place) in enumerate(zip(path, places)):
        if path[:at] not in known:
            logits = read(text)[place]
            logits[blank] = -float("inf")
            known[path[:at]] = logits.log_softmax(-1)
        steps.append(float(known[path[:at]][id]))
        text[place] = id
    found.append((len(path), np.exp(steps[-1]), steps[-1], np.exp(sum(steps)), sum(steps), np.exp(-sum(steps) / len(steps))))
names = ("tokens", "step", "nats", "whole", "total", "perplexity")
numbers = dict(zip(names, np.array(found, float).reshape(-1, 6).T, strict=True))
"""
)
