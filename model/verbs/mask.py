"""`mask`: who may look at whom, written out from a specification; what soft masks add, and layers and heads with masks of their own."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from model.errors import Refusal
from model.layers.masks import Shaded, blind_rows, parse_plan

LONGEST = 4_096
HEADS = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    """A specification and a length."""
    parser.add_argument("specification", help='such as "causal & window(8)", or "causal + alibi(1); L2: window(4); L3.H5: bidirectional"')
    parser.add_argument("--length", type=int, required=True, metavar="N", help="tokens in the text")
    parser.add_argument("--heads", type=int, default=HEADS, metavar="H", help=f"heads, for soft masks that differ by head (default: {HEADS})")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The pairs that remain and a row a query, "1" where it may look at the key; what is added to a score, by head and distance, where
    something is; and the same of every layer and head with a mask of its own."""
    if not 1 <= options.length <= LONGEST:
        raise Refusal("verbs.length", "--length runs from 1 to {most}; got {given}", most=LONGEST, given=options.length)
    if not 1 <= options.heads <= LONGEST:
        raise Refusal("verbs.heads", "--heads runs from 1 to {most}; got {given}", most=LONGEST, given=options.heads)
    plan = parse_plan(options.specification)
    found = {"specification": str(plan), **_told(plan.everywhere, options.length, options.heads)}
    own = [{"place": str(spot), "mask": str(shaded), **_told(shaded, options.length, options.heads)} for spot, shaded in plan.own]
    return found | ({"own": own} if own else {})


def _told(shaded: Shaded, length: int, heads: int) -> dict[str, Any]:
    allowed, position = shaded.mask.build(length), torch.arange(length)
    rows = ["".join("1" if key else "0" for key in row) for row in allowed.tolist()]
    found = {"pairs": int(allowed.sum()), "looks_ahead": bool(allowed.triu(1).any()), "blind_rows": list(blind_rows(allowed)), "rows": rows}
    if not shaded.soft:
        return found
    added = shaded.sight(position[:1, None], position[None, :], heads).added
    return found | {"added": [] if added is None else added[:, 0].tolist()}


def table(result: dict[str, Any]) -> str:
    """The picture, a row a query and a column a key; then one for each layer or head with a mask of its own."""
    own = result.get("own", [])
    first = _picture(result, result["specification"].split(";")[0])
    return "\n\n".join([first, *(_picture(found, f"{found['place']}: {found['mask']}") for found in own)])


def _picture(found: dict[str, Any], name: str) -> str:
    size = len(found["rows"])
    picture = "\n".join("".join("■ " if key == "1" else "· " for key in row).rstrip() for row in found["rows"])
    blind = f"; queries that may look at nothing: {', '.join(map(str, found['blind_rows']))}" if found["blind_rows"] else ""
    added = [f"  head {head}: {' '.join(f'{number:.4g}' for number in row)}" for head, row in enumerate(found.get("added", []))]
    below = "\n".join(["", "added to the scores, by distance:", *added]) if added else ""
    return f"{picture}\n\n{name}: {found['pairs']:,} of {size * size:,} pairs{blind}{below}"
