"""Where the model looked to choose the next token."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from components.canvas.gaze import Gaze, gaze_rows
from components.canvas.plate import visible
from components.page import Session, exhibit
from components.pages.generation.pieces import pieces, read_again, revision
from components.writing import Filled, Line, Moment


def looked(session: Session, line: Line, now: Moment) -> None:
    """Where every head looked in the text."""
    filled = isinstance(line, Filled)
    title = session.words("generation.gaze.title_blank") if filled else ""
    gaze = Gaze(now.pattern, pieces(session, line.seen), revision(session, line), title)
    said = looked_in_words(session, gaze, "looked_blank" if filled else "looked")
    recipe = partial(_gaze_again, session, line, "attn")
    exhibit(session, "gaze", lambda: gaze_rows(session.words, "gaze", gaze), said, lambda: gaze_table(session, gaze), recipe)


def looked_across(session: Session, line: Line, now: Moment) -> None:
    """Where every head looked in the source."""
    source = session.prompt.source.pieces if session.prompt.source else ()
    last = visible(pieces(session, line.ids)[-1])
    gaze = Gaze(now.crossed, source, revision(session, line), session.words("generation.gaze.title_source", token=last))
    exhibit(
        session,
        "across",
        lambda: gaze_rows(session.words, "across", gaze),
        looked_in_words(session, gaze, "looked_source", last),
        lambda: gaze_table(session, gaze),
        lambda: _gaze_again(session, line, "cross"),
    )


def looked_in_words(session: Session, gaze: Gaze, kind: str = "looked", token: str = "") -> str:
    """Where the heads look on average, and the strongest gaze apart from the first token, which many heads look at for want of another."""
    words, shown = session.words, [visible(text) for text in gaze.pieces]
    most = int(gaze.mean.argmax())
    told = {"token": token or shown[-1], "most": shown[most], "share": words.percent(gaze.mean[most])}
    if len(shown) == 1:
        return words("generation.reading.looked_alone", token=shown[-1])
    layer, head, column = (int(at) for at in np.unravel_index(gaze.pattern[:, :, 1:].argmax(), gaze.pattern[:, :, 1:].shape))
    weight = words.percent(gaze.pattern[layer, head, column + 1])
    return words(f"generation.reading.{kind}", **told, layer=layer + 1, head=head + 1, at=shown[column + 1], weight=weight)


def gaze_table(session: Session, gaze: Gaze) -> pd.DataFrame:
    """Every weight, a row each."""
    layers, heads, length = gaze.pattern.shape
    layer, head, column = (index.ravel() for index in np.indices((layers, heads, length)))
    names = ("layer", "head", "position", "token", "weight")
    values = (layer + 1, head + 1, column + 1, np.array(gaze.pieces, dtype=object)[column], gaze.pattern.ravel())
    return pd.DataFrame({session.words(f"generation.table.{name}"): each for name, each in zip(names, values, strict=True)})


def _gaze_again(session: Session, line: Line, branch: str) -> str:
    layers = session.specimen.config.depths[session.specimen.config.main]
    return read_again(line) + f"numbers = {{'weight': np.stack([here.pattern(layer, {branch!r})[:, place] for layer in range({layers})])}}"
