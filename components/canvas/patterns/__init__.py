"""Masks as little pictures to choose from, one radio button each: by mouse, by touch or with the arrow keys."""

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
from model.analysis.masking import shrunk
from model.errors import Refusal

SIDE = 48  # cells a side of a picture; a longer text is drawn by square regions, lit where any pair is allowed
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A mask (T, S) under a name to send back and a label to read."""

    name: str
    label: str
    allowed: NDArray[np.bool_]


def layout(title: str, pictures: Sequence[Picture], chosen: str, *, ahead: bool = True) -> dict[str, Any]:
    """What the view draws: for every picture, all of one shape, the bits of its cells, by rows, each picture from a whole byte on;
    `ahead` says whether a column beyond its row is the future."""
    small = [shrunk(picture.allowed, SIDE)[0] > 0 for picture in pictures]
    bits = b"".join(np.packbits(cells).tobytes() for cells in small)
    return {
        "title": title,
        "rows": small[0].shape[0] if small else 0,
        "columns": small[0].shape[1] if small else 0,
        "ahead": ahead,
        "pictures": [{"name": picture.name, "label": picture.label} for picture in pictures],
        "bits": base64.b64encode(bits).decode(),
        "chosen": chosen,
        "painted": f"{chosen}.{zlib.crc32(bits):08x}",
    }


_view = component(
    "vitrine.patterns",
    html='<div class="room"><div class="patterns" role="radiogroup"></div></div>',
    js=plate.script(HERE),
    css=(HERE / "view.css").read_text(encoding="utf-8"),
)


def patterns(key: str, title: str, pictures: Sequence[Picture], chosen: str, then: Callable[[str], None], *, ahead: bool = True) -> None:
    """Show the pictures; `then` is given the name of the one that was chosen."""

    def choice() -> None:
        with suppress(Refusal):
            then(received(state.sent(key, "choice"), pictures))

    _view(key=key, data=layout(title, pictures, chosen, ahead=ahead), on_choice_change=choice)


def received(given: Any, pictures: Sequence[Picture]) -> str:
    """The name the browser sent. Raises `Refusal` unless it is one of the pictures'."""
    names = [picture.name for picture in pictures]
    if given not in names:
        raise Refusal("patterns.choice", "a picture is one of {names}; got {given}", names=", ".join(names), given=repr(given)[:40])
    return given
