"""What `generate` tells where it searches: several beams, or candidates weighed against their likeness with what stands there."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from math import exp
from typing import Any

from model.errors import Refusal
from model.generation import HALTS, Beams, BeamStep, Contrast, ContrastStep, beam_search, contrastive_search, variety
from model.transformer import Transformer
from model.verbs.layout import columns

Piece = Callable[[int], str]
FOR_BEAMS = ("length_penalty", "halt")
NEVER = ("temperature", "top_p", "min_p", "typical", "seed", "mask", "draft", "ahead", "sure")
"""What a search has no use for: it throws no dice."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--beams` with its settings, and `--contrastive`, whose candidates `--top-k` counts."""
    parser.add_argument("--beams", type=int, metavar="B", help="keep the B most probable texts alive and give the best of them")
    parser.add_argument("--length-penalty", type=float, metavar="X", help="compare texts by log-probability / length^X (default: 1)")
    parser.add_argument("--halt", choices=HALTS, help="when B texts are finished: stop if no other is likely (default), at once, or when sure")
    what = "take one of the K likeliest tokens (--top-k, default 5) that resembles nothing before it; ALPHA from 0 to 1 weighs the likeness"
    parser.add_argument("--contrastive", type=float, metavar="ALPHA", help=what)


def wanted(options: argparse.Namespace) -> bool:
    """Whether a search is asked for. Raises `Refusal` for settings that do not go together."""
    way = "beams" if options.beams is not None else "contrastive" if options.contrastive is not None else None
    unfit = {"beams": (*NEVER, "top_k", "contrastive"), "contrastive": (*NEVER, *FOR_BEAMS), None: FOR_BEAMS}[way]
    given = [name for name in unfit if getattr(options, name) is not None]
    if given:
        sentence = "{option} goes with --beams" if way is None else "{option} and {way} do not go together; leave one of them out"
        raise Refusal("verbs.search", sentence, option=f"--{given[0].replace('_', '-')}", way=f"--{way}")
    return way is not None


def search(
    options: argparse.Namespace, model: Transformer, ids: Sequence[int], *, tokens: int, stop: int | None, source: Sequence[int] | None, piece: Piece
) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The new tokens, and what the search weighed as plain values."""
    if options.beams is not None:
        penalty = 1.0 if options.length_penalty is None else options.length_penalty
        how = Beams(width=options.beams, tokens=tokens, length_penalty=penalty, halt=options.halt or "likely", stop=stop)
        found = list(beam_search(model, ids, how, source=source))
        return found[-1].finished[0].text.ids, _beams(found, piece)
    top = {} if options.top_k is None else {"top_k": options.top_k}
    steps = list(contrastive_search(model, ids, Contrast(alpha=options.contrastive, tokens=tokens, stop=stop, **top), source=source))
    return tuple(step.id for step in steps), _contrast(steps, piece)


def _beams(steps: Sequence[BeamStep], piece: Piece) -> dict[str, Any]:
    found = [
        {
            "ids": list(one.text.ids),
            "text": "".join(map(piece, one.text.ids)).strip(),
            "log_probability": one.text.log_probability,
            "score": one.score,
            "perplexity": one.text.perplexity,
            "ended": one.ended,
        }
        for one in steps[-1].finished
    ]
    return {"found": found, "weighed": [[_candidate(one, piece) for one in step.candidates] for step in steps]}


def _candidate(one: Any, piece: Piece) -> dict[str, Any]:
    told = {"beam": one.parent, "id": one.id, "piece": piece(one.id), "probability": exp(one.log_probability)}
    return told | {"log_probability": one.total, "fate": one.fate}


def _contrast(steps: Sequence[ContrastStep], piece: Piece) -> dict[str, Any]:
    trials = [
        [
            {"id": one.id, "piece": piece(one.id), "probability": one.probability, "likeness": one.likeness, "place": one.place, "score": one.score}
            for one in step.trials
        ]
        for step in steps
    ]
    return {"trials": trials, "chosen": [step.chosen for step in steps], "variety": variety([step.id for step in steps])}


def table(result: dict[str, Any]) -> str:
    """A row a text that was found, or a row a candidate, the one taken marked."""
    if "found" in result:
        head = ("score", "log-probability", "tokens", "perplexity", "text")
        rows = [_row(one) for one in result["found"]]
        return columns(head, rows)
    head = ("step", "token", "probability", "likeness", "with token", "score", "")
    steps = zip(result["trials"], result["chosen"], strict=True)
    return columns(head, [_tried(number, one, at == chosen) for number, (trials, chosen) in enumerate(steps) for at, one in enumerate(trials)])


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    return f"{one['score']:.3f}", f"{one['log_probability']:.2f}", len(one["ids"]), f"{one['perplexity']:.2f}", one["text"]


def _tried(number: int, one: dict[str, Any], taken: bool) -> tuple[Any, ...]:
    return number, one["piece"], f"{one['probability']:.1%}", f"{one['likeness']:.3f}", one["place"], f"{one['score']:.3f}", "taken" if taken else ""
