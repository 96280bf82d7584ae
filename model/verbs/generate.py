"""`generate`: continue a text, one token at a time."""

from __future__ import annotations

import argparse
from typing import Any

from model.checkpoints import OURS, Loaded, load
from model.errors import Refusal
from model.generation import Choose, Greedy, Sample, generate
from model.layers.masks import parse
from model.verbs.given import add_checkpoint, add_text, read_ids
from model.verbs.layout import columns

FILTERS = {
    "temperature": (float, "divide the logits by it; 0 takes the most probable token"),
    "top_k": (int, "keep the K most probable tokens"),
    "top_p": (float, "keep the fewest tokens that reach this probability"),
    "min_p": (float, "keep tokens at least this share as probable as the best"),
    "seed": (int, "draws the same tokens each time"),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """A text, a model, how many tokens, and how to choose them."""
    add_text(parser)
    add_checkpoint(parser)
    parser.add_argument("--tokens", type=int, default=20, metavar="N", help="how many to write (default: 20)")
    for name, (kind, does) in FILTERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=name[0].upper(), help=does)
    parser.add_argument("--repetition-penalty", type=float, default=1.0, metavar="R", help="make tokens that occurred less likely")
    parser.add_argument("--mask", metavar="SPEC", help='who may look at whom, such as "causal & window(8)"')
    parser.add_argument("--stop", action="store_true", help="end where the document ends")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The whole text and each new token with the model's own probability and rank, before any filter."""
    if options.tokens < 1:
        raise Refusal("verbs.tokens", "--tokens is 1 or more, got {given}", given=options.tokens)
    loaded = load(options.checkpoint)
    ids = read_ids(options, loaded)
    mask = None if options.mask is None else parse(options.mask)
    stop = loaded.tokenizer.begin if options.stop and loaded.tokenizer else None
    steps = list(generate(loaded.model, ids, choose=_choose(options), tokens=options.tokens, stop=stop, mask=mask))
    return {
        "text": _text([*ids, *(step.id for step in steps)], loaded),
        "steps": [{"id": step.id, "piece": _piece(step.id, loaded), "probability": step.probability, "rank": step.rank} for step in steps],
    }


def table(result: dict[str, Any]) -> str:
    """The text, then a row a token."""
    rows = ((step["piece"], f"{step['probability']:.1%}", step["rank"], step["id"]) for step in result["steps"])
    return f"{result['text']}\n\n{columns(('token', 'probability', 'rank', 'id'), rows)}"


def _choose(options: argparse.Namespace) -> Choose:
    """The most probable token every time, unless something about sampling is asked for."""
    given = {name: getattr(options, name) for name in FILTERS if getattr(options, name) is not None}
    if not given or options.temperature == 0:
        return Greedy(repetition_penalty=options.repetition_penalty)
    return Sample(**given, repetition_penalty=options.repetition_penalty)


def _text(ids: list[int], loaded: Loaded) -> str:
    """The text of all tokens; the begin token that opens ours is no part of it."""
    if loaded.tokenizer is None:
        return " ".join(map(str, ids))
    opened = loaded.report.family == OURS and ids[0] == loaded.tokenizer.begin
    return loaded.tokenizer.decode(ids[1:] if opened else ids)


def _piece(id: int, loaded: Loaded) -> str:
    return str(id) if loaded.tokenizer is None else loaded.tokenizer.piece(id)
