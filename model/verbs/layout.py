"""Results laid out for people: columns in line, numbers in a readable form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def columns(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table: text to the left, numbers to the right, a line under the head."""
    body = [list(row) for row in rows]
    cells = [list(head), *([str(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row] for row in body)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    right = [bool(body) and all(isinstance(row[i], int | float) for row in body) for i in range(len(head))]
    lines = ["  ".join(cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(row, widths, right, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("─" * width for width in widths), *lines[1:]])


def pairs(values: Mapping[str, object]) -> str:
    """One name and its value a line, the values in line."""
    width = max(map(len, values))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in values.items())


def short(number: float, unit: str = "") -> str:
    """A number in three or four figures: 124.4 M, 6.7 GB."""
    for size, letter in UNITS:
        if number >= size:
            return f"{number / size:.4g} {letter}{unit}"
    return f"{number:.4g} {unit}".rstrip()
