"""Heads that were found, kept beside their model: what a search of half a minute said, and of which weights it said so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from model.analysis.heads import Effect, Head
from model.analysis.places import CROSS, Where

FILE = "heads.json"
DIGITS = 4
"""Decimals that are printed: another processor adds in another order, and agrees that far."""
FINE = 7
"""Decimals that are kept, so that a name earned is a name kept."""


@dataclass(frozen=True, slots=True)
class Found:
    """Every head of the model of this identity (`checkpoints.identity`), and the day on which they were measured."""

    model: str
    computed: date
    heads: tuple[Head, ...]


def row(head: Head, digits: int = DIGITS) -> dict[str, Any]:
    """A head as it is printed: `labels` are all its names, `scores`, `effects` and their standard `errors` hold every name that makes
    sense there. Of a head that was never silenced, the effect and its error are `None`."""
    effect = head.effects.get(head.closest)
    return {
        "stack": head.where.name,
        "layer": head.layer,
        "head": head.head,
        "label": head.label,
        "labels": list(head.labels),
        "closest": head.closest,
        "score": round(head.scores[head.closest], digits),
        "silenced_effect": None if effect is None else round(effect.nats, digits),
        "standard_error": None if effect is None else round(effect.error, digits),
        "scores": {name: round(score, digits) for name, score in head.scores.items()},
        "effects": {name: round(effect.nats, digits) for name, effect in head.effects.items()},
        "errors": {name: round(effect.error, digits) for name, effect in head.effects.items()},
        "distance": None if head.distance is None else round(head.distance, digits),
        "entropy": round(head.entropy, digits),
    }


def head(row: dict[str, Any]) -> Head:
    """The head that `row` wrote."""
    where = CROSS if row["stack"] == CROSS.name else Where(row["stack"])
    effects = {name: Effect(nats, row["errors"][name]) for name, nats in row["effects"].items()}
    return Head(where, row["layer"], row["head"], row["scores"], effects, row["distance"], row["entropy"])


def keep(found: Found, path: Path) -> None:
    """Write them down, a head a line."""
    lines = ",\n".join(json.dumps(row(each, FINE)) for each in found.heads)
    path.write_text(f'{{"model": "{found.model}", "computed": "{found.computed}", "heads": [\n{lines}\n]}}\n', encoding="utf-8")


def kept(path: Path) -> Found:
    """What `keep` wrote. Raises `OSError` where there is nothing."""
    given = json.loads(path.read_text(encoding="utf-8"))
    return Found(given["model"], date.fromisoformat(given["computed"]), tuple(map(head, given["heads"])))
