"""Masks as little pictures to choose from, in groups, one radio button each: by mouse, by touch or with the arrow keys."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from streamlit.components.v2 import component

from components import state
from components.canvas import plate
from model.errors import Refusal

SIDE = 32  # cells a side of a picture; a longer text is drawn by square regions
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Picture:
    """A mask under a name to send back, a label to read and a title that says all of it; `cells` is what `cells` made of it."""

    name: str
    label: str
    title: str
    cells: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that belong together, and what they are called."""

    label: str
    pictures: tuple[Picture, ...]


def cells(allowed: NDArray[np.bool_], weight: NDArray[np.floating[Any]] | None = None) -> bytes:
    """A mask (T, S) as a byte a cell, by rows: 0 where none of a region's pairs is allowed, else how much of it counts, up to 255. `weight`
    (T, S), 0 to 1, is what a soft mask leaves of each pair."""
    kept = allowed.astype(np.float32)
    lit = kept if weight is None else kept * weight.astype(np.float32)
    block = -(-max(allowed.shape) // SIDE)
    total, count = (_summed(plane, block) for plane in (lit, kept))
    share = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return np.where(count > 0, np.clip(np.rint(share * 255), 1, 255), 0).astype(np.uint8).tobytes()


def _summed(plane: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    rows, columns = (np.arange(0, length, block) for length in plane.shape)
    return np.add.reduceat(np.add.reduceat(plane, rows, 0), columns, 1)


def layout(title: str, groups: Sequence[Group], chosen: str, shape: tuple[int, int], *, ahead: bool = True) -> dict[str, Any]:
    """What the view draws: the cells of every picture, all of a mask of this `shape`, one after the other; `ahead` says whether a column
    beyond its row is the future."""
    block = -(-max(shape) // SIDE)
    levels = b"".join(picture.cells for group in groups for picture in group.pictures)
    told = [
        {"label": group.label, "pictures": [{"name": one.name, "label": one.label, "title": one.title} for one in group.pictures]} for group in groups
    ]
    return {
        "title": title,
        "rows": -(-shape[0] // block),
        "columns": -(-shape[1] // block),
        "ahead": ahead,
        "groups": told,
        "cells": base64.b64encode(levels).decode(),
        "chosen": chosen,
        "painted": f"{chosen}.{zlib.crc32(levels):08x}",
    }


_view = component(
    "vitrine.patterns",
    html='<div class="patterns" role="radiogroup"></div>',
    js=plate.script(HERE),
    css=(HERE / "view.css").read_text(encoding="utf-8"),
)


def patterns(
    key: str, title: str, groups: Sequence[Group], chosen: str, shape: tuple[int, int], then: Callable[[str], None], *, ahead: bool = True
) -> None:
    """Show the pictures; `then` is given the name of the one that was chosen."""

    def choice() -> None:
        with suppress(Refusal):
            then(received(state.sent(key, "choice"), groups))

    _view(key=key, data=layout(title, groups, chosen, shape, ahead=ahead), on_choice_change=choice)


def received(given: Any, groups: Sequence[Group]) -> str:
    """The name the browser sent. Raises `Refusal` unless it is one of the pictures'."""
    names = [picture.name for group in groups for picture in group.pictures]
    if given not in names:
        raise Refusal("patterns.choice", "a picture is one of {names}; got {given}", names=", ".join(names), given=repr(given)[:40])
    return given
