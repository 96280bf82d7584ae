"""`mask`: who may look at whom, written out from a specification."""

from __future__ import annotations

import argparse
from typing import Any

from model.errors import Refusal
from model.layers.masks import blind_rows, parse

LONGEST = 4_096


def arguments(parser: argparse.ArgumentParser) -> None:
    """A specification and a length."""
    parser.add_argument("specification", help='such as "causal & window(8)"')
    parser.add_argument("--length", type=int, required=True, metavar="N", help="tokens in the text")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The pairs that remain and a row a query, "1" where it may look at the key."""
    if not 1 <= options.length <= LONGEST:
        raise Refusal("verbs.length", "--length runs from 1 to {most}; got {given}", most=LONGEST, given=options.length)
    mask = parse(options.specification)
    allowed = mask.build(options.length)
    rows = ["".join("1" if key else "0" for key in row) for row in allowed.tolist()]
    return {"specification": str(mask), "pairs": int(allowed.sum()), "blind_rows": list(blind_rows(allowed)), "rows": rows}


def table(result: dict[str, Any]) -> str:
    """The picture, a row a query and a column a key."""
    size = len(result["rows"])
    picture = "\n".join("".join("■ " if key == "1" else "· " for key in row).rstrip() for row in result["rows"])
    blind = f"; queries that may look at nothing: {', '.join(map(str, result['blind_rows']))}" if result["blind_rows"] else ""
    return f"{picture}\n\n{result['specification']}: {result['pairs']:,} of {size * size:,} pairs{blind}"
