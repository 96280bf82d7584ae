"""`corpus`: documents of the micro-world, with what each one's choices make its exact log-probability."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from model.errors import Refusal
from model.text.kinds import KINDS
from model.text.world import Dials, World
from model.verbs.layout import columns


def arguments(parser: argparse.ArgumentParser) -> None:
    """How many, from which seed, in which world."""
    usual = Dials()
    parser.add_argument("--docs", type=int, default=5, metavar="N", help="how many (default: 5)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed writes the same documents (default: 0)")
    parser.add_argument("--kind", choices=KINDS, help="only this kind")
    parser.add_argument("--portuguese", type=float, default=usual.portuguese, metavar="P", help="share written in Portuguese")
    parser.add_argument("--noise", type=float, default=usual.noise, metavar="P", help="share of noise")
    parser.add_argument("--bias", type=float, default=usual.bias, metavar="P", help="how often a job goes to the gender it is said to belong to")
    parser.add_argument("--biographies", type=int, default=usual.biographies, metavar="N", help="how many people the world knows")
    parser.add_argument("--forget", type=int, nargs="+", default=[], metavar="PERSON", help="biographies, by number, that are never written")


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One entry a document: text, kind, language, log-probability in nats."""
    if options.docs < 1:
        raise Refusal("verbs.docs", "--docs is 1 or more, got {given}", given=options.docs)
    dials = Dials(
        portuguese=options.portuguese, noise=options.noise, bias=options.bias, biographies=options.biographies, forget=tuple(options.forget)
    )
    world = World(options.seed, dials)
    return [asdict(world.document(options.kind)) for _ in range(options.docs)]


def table(result: list[dict[str, Any]]) -> str:
    """A row a document."""
    rows = ((document["kind"], document["language"], f"{document['log_probability']:.2f}", document["text"]) for document in result)
    return columns(("kind", "language", "log p", "text"), rows)
