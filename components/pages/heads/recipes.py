"""The numbers of this page's pictures as lines of Python for a notebook."""

from __future__ import annotations

from model.analysis.places import Where
from model.text.world import Dials


def _place(where: Where) -> str:
    return f'Where("{where.stack}", "{where.branch}")'


def glance() -> str:
    """Where every head looks in this text."""
    return "from model.analysis.heads import glance\n\nheads = glance(trace)"


def foreign(opening: int, closing: int) -> str:
    """Every head of a model that cannot read the micro-world, silenced."""
    lines = [
        "from model.analysis.head_probes import plain",
        "from model.analysis.heads import search",
        "",
        "blank = getattr(tokenizer, 'blank', None)",
        f"*_, last = search(model, plain(model.config, tuple(ids), tuple(source), blank, {opening}, {closing}))",
        "heads = last.heads",
    ]
    return "\n".join(lines)


def world(dials: Dials | None) -> str:
    """Every head of a model that reads the micro-world, silenced over texts of that world's `dials`."""
    usual = dials is None or dials == Dials()
    lines = [
        "from model.analysis.heads import find",
        *([] if usual else ["from model.text.world import Dials"]),
        "",
        f"heads = find(model, tokenizer{'' if usual else f', {dials!r}'})  # about half a minute",
    ]
    return "\n".join(lines)


def finder(measure: str, where: Where, how: str) -> str:
    """Every head's score, and what silencing it adds to the loss; `how` are the lines that find `heads`."""
    name = f"{measure} token" if measure in ("previous", "first", "current", "duplicate") else measure
    score = f"head.{measure}" if measure in ("distance", "entropy") else f'head.scores["{name}"]'
    effect = "first token" if measure in ("distance", "entropy") else name
    effects = f'[head.effects["{effect}"] for head in heads if head.effects]'
    lines = [
        "import numpy as np",
        "from model.analysis.places import Where",
        how,
        f"heads = [head for head in heads if head.where == {_place(where)}]",
        f"effects = {effects}",
        f'numbers = {{"score": np.array([{score} for head in heads])}}',
        'numbers |= {"effect": np.array([each.nats for each in effects]), "error": np.array([each.error for each in effects])}',
    ]
    return "\n".join(lines)


def pattern(where: Where, layer: int, head: int) -> str:
    """One head's map."""
    return f'numbers = {{"pattern": trace["{where.site(layer, "pattern")}"][{head}].numpy()}}'


def likeness(where: Where, kind: str, sink: bool) -> str:
    """Every head's distance from every other, and the order of the picture."""
    lines = [
        "import numpy as np",
        "from model.analysis.likeness import likeness",
        "from model.analysis.places import Where",
        "",
        f'found = likeness(trace, {_place(where)}, "{kind}", sink={sink})',
        'numbers = {"distances": found.distances, "order": np.array(found.order)}',
    ]
    return "\n".join(lines)


def reach(where: Where, token: int, way: str, weigh: str) -> str:
    """Where one token's information comes from, after every layer."""
    lines = [
        "from model.analysis.places import Where",
        "from model.analysis.rollout import reach",
        "",
        f'numbers = {{"rows": reach(trace, {_place(where)}, {token}, "{way}", "{weigh}").rows}}',
    ]
    return "\n".join(lines)
