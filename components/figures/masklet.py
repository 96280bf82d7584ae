"""A mask as a small picture: rows ask, columns answer, lit where a token may look."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from components.theme import DARK, SEQUENTIAL, colour

SIDE = 32  # cells a side; a longer text shows its regions, lit where any pair in them may look
LARGEST = 136  # pixels a side


def svg(allowed: NDArray[np.bool_]) -> str:
    """Booleans (queries, keys) as SVG."""
    small = _shrunk(allowed)
    lit = "".join(f"M{column} {row}h.86v.86h-.86z" for row, column in zip(*np.nonzero(small), strict=True))
    high, wide = small.shape
    plate = f'<rect width="{wide + 1}" height="{high + 1}" rx=".6" fill="{DARK.plate}"/>'
    cells = f'<path transform="translate(.57 .57)" d="{lit}" fill="{colour(SEQUENTIAL, 0.8)}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide + 1} {high + 1}" preserveAspectRatio="none">{plate}{cells}</svg>'


def size(allowed: NDArray[np.bool_]) -> tuple[int, int]:
    """Height and width in pixels: the longer side is the largest there may be."""
    rows, columns = allowed.shape
    return max(12, round(LARGEST * min(1, rows / columns))), max(12, round(LARGEST * min(1, columns / rows)))


def address(allowed: NDArray[np.bool_]) -> str:
    """The same as the address of an image."""
    return f"data:image/svg+xml,{quote(svg(allowed))}"


def _shrunk(allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """At most `SIDE` regions a side, each lit where any of its pairs may look."""
    rows, columns = (np.linspace(0, size, min(size, SIDE) + 1).astype(int) for size in allowed.shape)
    return np.array([[allowed[top:bottom, left:right].any() for left, right in _pairs(columns)] for top, bottom in _pairs(rows)])


def _pairs(edges: NDArray[np.int_]) -> list[tuple[int, int]]:
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
