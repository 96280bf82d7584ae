"""Tokens as this page writes them, and the lines with which a notebook reads the text as it stands."""

from __future__ import annotations

from components.canvas.plate import visible
from components.controls import prompt
from components.page import Session
from components.writing import Filled, Line

BLANK = "▁▁▁"


def revision(session: Session, line: Line) -> str:
    """What is on the player: the model, what was written last, and the cursor."""
    return f"{session.specimen.id}.{line.revision}.{line.at}"


def piece(session: Session, id: int) -> str:
    """A token of the vocabulary as the model says it."""
    return prompt.predicted(session.words, session.specimen, id)


def pieces(session: Session, ids: tuple[int, ...]) -> tuple[str, ...]:
    """A text's pieces: as the prompt shows them where they are the prompt's, else as the model says them."""
    given = session.prompt
    shown = (given.pieces[place] if id == given.ids[place] else None for place, id in enumerate(ids[: len(given.given)]))
    return tuple(piece(session, id) if own is None else own for id, own in zip(ids, [*shown, *[None] * len(ids)], strict=False))


def around(session: Session, line: Filled) -> str:
    """The blank that is looked at, between what stands before it and after it."""
    shown = [visible(text) for text in pieces(session, line.seen)]
    return " ".join([*shown[max(0, line.place - 1) : line.place], BLANK, *shown[line.place + 1 : line.place + 2]])


# ---------------------------------------------------------------- in a notebook


def read_again(line: Line) -> str:
    """The lines that read the text as it stands at the cursor; `place` is where the model is asked."""
    return READ_AGAIN.format(text=list(line.seen), place=line.place if isinstance(line, Filled) else len(line.seen) - 1)


READ_AGAIN = """
import re

import numpy as np
import torch

from model.trace import Tracer

text, place = {text}, {place}  # as it stands at the cursor, and where the model is asked
here = Tracer(model).trace(torch.tensor(text), source=torch.tensor(source) if source else None)
"""
