"""`tree`: the most probable continuations of a text, or fillings of its blanks, as a tree."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from model.checkpoints import Loaded, load
from model.config import Encoder, EncoderDecoder
from model.errors import Refusal
from model.generation.blanks import ORDERS
from model.generation.tree import DEEPEST, Continuations, Continued, Filled, Keep, Node, grow, leaves, verdict
from model.verbs.generate import begun, fitting, given
from model.verbs.given import add_checkpoint, add_source, add_text, located, read_source

DEPTH, WIDTH, LISTED = 2, 3, 5


def arguments(parser: argparse.ArgumentParser) -> None:
    """A text or a source, a model, and how large the tree is."""
    add_text(parser, required=False)
    add_source(parser)
    add_checkpoint(parser)
    parser.set_defaults(checkpoint=None)
    parser.add_argument("--depth", type=int, default=DEPTH, metavar="N", help=f"tokens from the text to a leaf (default: {DEPTH})")
    parser.add_argument("--width", type=int, default=WIDTH, metavar="N", help=f"the likeliest children of a node (default: {WIDTH})")
    parser.add_argument("--threshold", type=float, default=0.0, metavar="P", help="leave out tokens less probable than this")
    parser.add_argument("--path-threshold", type=float, default=0.0, metavar="P", help="leave out paths less probable than this")
    parser.add_argument("--stop", action="store_true", help="end where the document ends")
    parser.add_argument("--order", choices=ORDERS, default=ORDERS[0], help="which blank is filled first: the surest (default), or from the left")
    parser.add_argument("--blank", type=int, metavar="ID", help="the token that stands for a blank, where there is no tokenizer to say so")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Every node with its probability and its path's; the most probable leaves; greedy's text and the best one as long."""
    if not 1 <= options.depth <= DEEPEST:
        raise Refusal("verbs.depth", "--depth is 1 to {deepest}, got {given}", deepest=DEEPEST, given=options.depth)
    loaded = load(located(options.checkpoint or fitting(options)))
    asked = _asked(options, loaded)
    keep = Keep(width=options.width, step=options.threshold, whole=options.path_threshold)
    root = grow(asked, lambda ranks: len(ranks) < options.depth, keep)
    found = verdict(asked, root)
    said = {} if found is None else {"greedy": _told(found.greedy, loaded), "best": _told(found.best, loaded), "proven": found.proven}
    return {"nodes": list(_nodes(root, loaded)), "leaves": [_told(leaf, loaded) for leaf in leaves(root)[:LISTED]], **said}


def table(result: dict[str, Any]) -> str:
    """The tree, a line a node, indented; then greedy's text and the best."""
    lines = [line for node in result["nodes"] for line in _lines(node)]
    if "greedy" in result:
        proof = "" if result["proven"] else ", as far as is known"
        lines += ["", f"greedy  {result['greedy']['text']!r} {result['greedy']['whole']:.2%}"]
        lines += [f"best    {result['best']['text']!r} {result['best']['whole']:.2%}{proof}"]
    return "\n".join(lines)


def _lines(node: dict[str, Any]) -> Iterator[str]:
    depth = len(node["path"])
    if depth:
        yield f"{'  ' * (depth - 1)}{node['piece'].strip() or repr(node['piece'])} {node['probability']:.1%}  ({node['whole']:.2%})"


def _asked(options: argparse.Namespace, loaded: Loaded) -> Continuations:
    stop = loaded.marks.stop if options.stop else None
    match loaded.model.config.form:
        case Encoder():
            blank = options.blank if options.blank is not None or loaded.tokenizer is None else loaded.tokenizer.blank
            if blank is None:
                raise Refusal("verbs.blank", "this checkpoint has no token of its own for a blank; name its id with --blank")
            return Filled(loaded.model, given(options, loaded), blank, options.order)
        case EncoderDecoder():
            return Continued(loaded.model, begun(options, loaded), source=read_source(options, loaded), stop=stop)
        case _:
            return Continued(loaded.model, given(options, loaded), stop=stop)


def _nodes(root: Node, loaded: Loaded) -> Iterator[dict[str, Any]]:
    for node in root.walk():
        left = {} if node.branches is None else {"others": node.branches.others, "pruned": len(node.branches.pruned)}
        yield _told(node, loaded) | left


def _told(node: Node, loaded: Loaded) -> dict[str, Any]:
    pieces = [str(id) if loaded.tokenizer is None else loaded.tokenizer.piece(id) for id in node.path]
    place = {} if node.place is None else {"place": node.place}
    return {
        "path": list(node.path),
        "piece": pieces[-1] if pieces else "",
        "text": (" " if loaded.tokenizer is None else "").join(pieces),
        "probability": node.probability,
        "log_probability": node.nats,
        "whole": node.whole,
        "cumulative": node.total,
        "perplexity": node.perplexity,
        **place,
    }
