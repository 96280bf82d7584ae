"""`python -m tests.bench [--json] [--only NAME …]`: every comparison of this folder in one run."""

from __future__ import annotations

import argparse
import importlib
import json
import sys

from tests.bench.race import Row

COURSES = ("forward", "generation", "speculative", "training", "screen", "scale")


def main() -> None:
    """Print the rows of the courses asked for: a table, or one JSON array."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Ours and a peer's, side by side, as ratios: above 1 is faster.")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.add_argument("--only", nargs="+", choices=COURSES, default=COURSES, help="run these courses only")
    options = parser.parse_args()
    rows: list[Row] = []
    for name in options.only:
        print(f"{name} …", file=sys.stderr, flush=True)
        found = importlib.import_module(f"tests.bench.{name}").rows()
        rows += found
        if not options.json:
            print(table(found), flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))


def table(rows: list[Row]) -> str:
    """Rows as columns: name, ours, peer, ratio."""
    wide = max(len(row["name"]) for row in rows)
    return "\n".join(f"{row['name']:<{wide}}  {row['ours']:>12.6g}  {row['peer']:>12.6g}  {row['ratio']:>6.2f}" for row in rows)


if __name__ == "__main__":
    main()
