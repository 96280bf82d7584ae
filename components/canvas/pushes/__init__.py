"""Pushes: a grid of everyone who writes to a position, lit by how far each pushes one token's logit up or down; and beside it the tokens
that the chosen writer pushes furthest either way.

Layers lie as in the lens, the embedding at the bottom. Choosing a cell chooses the writer, a token in the lists follows it.
"""

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
from model.analysis.lens import Writer
from model.errors import Refusal

HERE = Path(__file__).parent
OWN = ("grid_keys", "cell", "scale", "up", "down", "follow", "layer", "heads", "cross", "all", "mlp", "embedding")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Board:
    """What is shown: all `writers` with what each adds to the followed token's logit (`values`), which of them is `chosen`, and the tokens
    it pushes most, `up` and `down`: id, name, logits. `titles` are the grid's and the lists'."""

    revision: str
    titles: tuple[str, str]
    writers: tuple[Writer, ...]
    values: NDArray[np.floating[Any]]
    chosen: int
    up: tuple[tuple[int, str, float], ...]
    down: tuple[tuple[int, str, float], ...]
    followed: int
    vocabulary: int


def pack(values: NDArray[np.floating[Any]]) -> bytes:
    """The writers' numbers as float32."""
    return plate.squeeze([values.astype("<f4")])


def cells(writers: tuple[Writer, ...]) -> list[tuple[int, int]]:
    """Where each writer stands: its row (0 the embedding's, then layer by layer) and its column: the heads of attention, all of them, the
    heads across and all of them where there are any, the MLP."""
    heads = 1 + max(writer.head or 0 for writer in writers)
    crosses = any(writer.kind == "cross" for writer in writers)
    starts = {"embedding": 0, "attn": 0, "cross": heads + 1, "mlp": (heads + 1) * (2 if crosses else 1)}
    inner = {"attn": heads, "cross": heads, "mlp": 0, "embedding": 0}
    return [
        (0 if each.kind == "embedding" else each.layer + 1, starts[each.kind] + (inner[each.kind] if each.head is None else each.head))
        for each in writers
    ]


def header(words: Words, board: Board) -> dict[str, Any]:
    """What goes with the numbers."""
    return {
        "revision": board.revision,
        "titles": board.titles,
        "cells": cells(board.writers),
        "names": [name(words, writer) for writer in board.writers],
        "heads": 1 + max(writer.head or 0 for writer in board.writers),
        "crosses": any(writer.kind == "cross" for writer in board.writers),
        "chosen": board.chosen,
        "lists": [[[id, plate.visible(token), value] for id, token, value in side] for side in (board.up, board.down)],
        "followed": board.followed,
        "language": words.language,
        "words": {each: words(f"layers.pushes.{each}") for each in OWN},
    }


def name(words: Words, writer: Writer) -> str:
    """What the screen calls a writer."""
    kind = writer.kind if writer.kind in ("embedding", "mlp") else f"{writer.kind}_{'all' if writer.head is None else 'head'}"
    return words(f"layers.writer.{kind}", layer=writer.layer + 1, head=0 if writer.head is None else writer.head + 1)


_view = component(
    "vitrine.pushes",
    html='<section class="pushes plate"></section>',
    js=plate.script(HERE, "drawing.js"),
    css=plate.style(HERE, "plate.css"),
)


def push_board(words: Words, key: str, board: Board, choose: Callable[[Writer], None], follow: Callable[[int], None]) -> None:
    """Mount the board."""

    def chose() -> None:
        with suppress(Refusal):
            choose(board.writers[plate.index(state.sent(key, "writer"), "writer", len(board.writers))])

    def followed() -> None:
        with suppress(Refusal):
            follow(plate.index(state.sent(key, "follow"), "token", board.vocabulary))

    _view(key=key, data=plate.envelope(header(words, board), pack(board.values)), on_writer_change=chose, on_follow_change=followed)
