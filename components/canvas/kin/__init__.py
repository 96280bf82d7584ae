"""A head and its nearest relatives, each with its map, small."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from components.i18n import Words
from model.errors import Refusal

SIDE = 48  # cells a side of a map; a longer text's are pooled, the largest of each square kept
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, eq=False)
class Relative:
    """A head by its `number`, its `label`, what is said below it, and its map (T, S)."""

    number: int
    label: str
    told: str
    pattern: NDArray[np.floating[Any]]


def pack(relatives: tuple[Relative, ...]) -> bytes:
    """Their maps one after the other, as codes of their roots."""
    return plate.squeeze([plane for each in relatives for plane in plate.rooted(small(each.pattern), fine=False)])


def small(pattern: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """A map at no more than `SIDE` cells a side."""
    block = -(-max(pattern.shape) // SIDE)
    rows, columns = (np.arange(0, size, block) for size in pattern.shape)
    return np.maximum.reduceat(np.maximum.reduceat(pattern, rows, 0), columns, 1)


def header(title: str, relatives: tuple[Relative, ...], revision: str) -> dict[str, Any]:
    """What goes with the maps, all of one shape."""
    rows, columns = small(relatives[0].pattern).shape if relatives else (0, 0)
    return {
        "revision": revision,
        "title": title,
        "rows": rows,
        "columns": columns,
        "heads": [{"number": each.number, "label": each.label, "told": each.told} for each in relatives],
    }


_view = component(
    "vitrine.kin",
    html='<section class="kin plate"></section>',
    js=plate.script(HERE),
    css=plate.style(HERE, "plate.css"),
)


def kin(words: Words, key: str, title: str, relatives: tuple[Relative, ...], revision: str, choose: Callable[[int], None]) -> None:
    """Mount the maps, the head itself first; `choose` is given the number of another that was chosen."""
    numbers = [each.number for each in relatives]

    def chose() -> None:
        with suppress(Refusal):
            choose(numbers[plate.index(state.sent(key, "chosen"), "relative", len(numbers))])

    data = plate.envelope(header(title, relatives, revision) | {"language": words.language}, pack(relatives))
    _view(key=key, data=data, on_chosen_change=chose)
