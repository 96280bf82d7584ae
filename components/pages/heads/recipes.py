"""The numbers of this page's pictures as lines of Python for a notebook."""

from __future__ import annotations

from model.analysis.places import Where


def _place(where: Where) -> str:
    return f'Where("{where.stack}", "{where.branch}")'


def finder(measure: str, where: Where, kind: str, preset: str | None) -> str:
    """Every head's score, and what silencing it adds to the loss."""
    dials = "None" if preset is None else f'session.read("{preset}").dials'
    found = {
        "glance": ["from model.analysis.heads import glance", "", "heads = glance(trace)"],
        "foreign": [
            "from model.analysis.head_probes import plain",
            "from model.analysis.heads import search",
            "",
            "*_, last = search(model, plain(model.config, tuple(ids), tuple(source), getattr(tokenizer, 'blank', None)))",
            "heads = last.heads",
        ],
    }.get(kind) or [
        "from model.analysis.heads import find",
        "from model.training import session",
        "",
        f"heads = find(model, tokenizer, {dials})  # about half a minute",
    ]
    name = f"{measure} token" if measure in ("previous", "first", "current", "duplicate") else measure
    score = f"head.{measure}" if measure in ("distance", "entropy") else f'head.scores["{name}"]'
    effect = "first token" if measure in ("distance", "entropy") else name
    silenced = [
        f'numbers |= {{"effect": np.array([head.effects["{effect}"].nats for head in heads])}}',
        f'numbers |= {{"error": np.array([head.effects["{effect}"].error for head in heads])}}',
    ]
    lines = [
        "import numpy as np",
        "from model.analysis.places import Where",
        *found,
        f"heads = [head for head in heads if head.where == {_place(where)}]",
        f'numbers = {{"score": np.array([{score} for head in heads])}}',
        *([] if kind == "glance" else silenced),
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
