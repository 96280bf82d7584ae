"""Attention: every head at a glance, one of them large, one token both ways, and the arithmetic of one cell."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas import theatre
from components.canvas.ledger import ledger
from components.canvas.ledger.arithmetic import of_cell
from components.canvas.plate import visible
from components.canvas.theatre import Choice, Scene
from components.i18n import Words
from components.page import Page, Session, block, exhibit
from model.analysis.attention import Cell, CellArithmetic, HeadReading, arithmetic, one_head, one_token, overview
from model.trace import Trace

# Counted from 1, as the screen does; 0 leaves the choice to the page.
LAYER = state.integer("a.layer", 0, 0, 96)
HEAD = state.integer("a.head", 0, 0, 128)
ROW = state.integer("a.row", 0, 0, 4_096)
COLUMN = state.integer("a.column", 0, 0, 4_096)
SINK = state.flag("a.sink", True)

LISTED = 256  # tokens up to which the table lists every pair
LEAST = 0.001  # above that, the weight from which it does


# ---------------------------------------------------------------- the choice


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the link or the reader asks for, counted from 1; 0 where they leave it to the page."""

    layer: int = 0
    head: int = 0
    row: int = 0
    column: int = 0
    sink: bool = True


def wanted() -> Wanted:
    """What this session asks for."""
    return Wanted(state.get(LAYER), state.get(HEAD), state.get(ROW), state.get(COLUMN), state.get(SINK))


def settle(asked: Wanted, trace: Trace, telling: tuple[int, int]) -> tuple[Choice, HeadReading]:
    """What is shown: what was asked for where this model and text have it, else what is worth looking at."""
    attention = trace.model.config.attention
    there = 0 < asked.layer <= trace.model.config.layers and 0 < asked.head <= attention.heads
    reading = one_head(trace, *((asked.layer - 1, asked.head - 1) if there else telling))
    return Choice(reading.layer, reading.head, *_cell(asked, reading), asked.sink), reading


def _cell(asked: Wanted, reading: HeadReading) -> tuple[int, int]:
    if not 0 < asked.row <= reading.length:
        return reading.telling
    if 0 < asked.column <= reading.length:
        return asked.row - 1, asked.column - 1
    return asked.row - 1, reading.strongest(asked.row - 1, without_sink=not asked.sink)


def choose(choice: Choice) -> None:
    """Keep what the reader chose in the theatre."""
    state.put(LAYER, choice.layer + 1)
    state.put(HEAD, choice.head + 1)
    state.put(ROW, choice.query + 1)
    state.put(COLUMN, 0 if choice.key is None else choice.key + 1)
    state.put(SINK, choice.sink)


def forget_the_cell_of_another_text(ids: tuple[int, ...]) -> None:
    """A row and a column mean nothing in a new text; the head stays."""
    if state.remember("attention.ids", lambda: ids) == ids:
        return
    state.forget("attention.ids")
    state.remember("attention.ids", lambda: ids)
    state.reset(ROW)
    state.reset(COLUMN)


# ---------------------------------------------------------------- the page


def render(session: Session) -> None:
    """The page: one paragraph, the theatre, the arithmetic."""
    st.title(session.words("attention.title"))
    st.markdown(session.words("attention.lead"))
    forget_the_cell_of_another_text(session.prompt.ids)
    trace = compute.traced(session.specimen, session.prompt.ids)
    maps = compute.packed("attention.maps", session.specimen.id, session.prompt.ids, make=lambda: pack_maps(trace))
    serial = next(state.remember("attention.serial", itertools.count))
    anchor, _ = settle(wanted(), trace, theatre.telling(maps))
    spectacle(session, maps, serial, anchor)


def pack_maps(trace: Trace) -> bytes:
    """Every head of a trace, as the theatre receives them."""
    return theatre.pack_all(overview(trace, theatre.SMALL), trace.mask.numpy())


@block
def spectacle(session: Session, maps: bytes, serial: int, anchor: Choice) -> None:
    """The theatre and what one cell of it is made of. While a text is short its scene never changes, whatever the reader
    chooses, so that nothing is sent twice."""
    trace = compute.traced(session.specimen, session.prompt.ids)
    choice, reading = settle(wanted(), trace, theatre.telling(maps))
    scene = compose(session, maps, serial, anchor, choice, reading)
    numbers = arithmetic(trace, Cell(choice.layer, choice.head, choice.query, choice.key or 0))
    words, pieces = session.words, session.prompt.pieces
    exhibit(
        session,
        "attention",
        lambda: theatre.theatre(words, "theatre", scene, choose),
        head_in_words(words, pieces, reading, choice) + credited(session, trace, theatre.telling(maps), choice),
        lambda: pairs(words, pieces, reading),
    )
    heads = trace.model.config.attention.heads
    revision = f"{scene.revision}/{choice.layer}/{choice.head}/{choice.query}/{choice.key}"
    exhibit(
        session,
        "arithmetic",
        lambda: ledger(words, "ledger", of_cell(words, numbers, pieces, heads, revision)),
        cell_in_words(words, pieces, numbers),
        lambda: vectors(words, pieces, numbers),
    )


def compose(session: Session, maps: bytes, serial: int, anchor: Choice, choice: Choice, reading: HeadReading) -> Scene:
    """The scene: of a long text with the exact map of the head on stage."""
    prompt, specimen = session.prompt, session.specimen
    revision = f"{specimen.id}:{zlib.crc32(repr(prompt.ids).encode()):08x}"
    if reading.length <= theatre.SMALL:
        return Scene(revision=revision, serial=serial, tokens=prompt.pieces, maps=maps, choice=anchor)
    stage = (choice.layer, choice.head)
    exact = compute.packed("attention.map", specimen.id, prompt.ids, stage, make=lambda: theatre.pack_one(reading.pattern))
    return Scene(revision=revision, serial=serial, tokens=prompt.pieces, maps=maps, choice=choice, stage=stage, exact=exact)


# ---------------------------------------------------------------- in words


def head_in_words(words: Words, pieces: tuple[str, ...], reading: HeadReading, choice: Choice) -> str:
    """Where the chosen row looks, up to three tokens of at least 5 %, and who looks at it most."""
    read = one_token(reading, choice.query)
    place = {"layer": choice.layer + 1, "head": choice.head + 1, "row": choice.query + 1, "query": visible(pieces[choice.query])}
    if not reading.allowed[choice.query].any():
        return words("attention.reading.blind", **place)
    first, *others = np.argsort(-read.looks, kind="stable")[:3]
    named = [first, *(key for key in others if read.looks[key] >= 0.05)]
    shares = [words("attention.reading.share", share=words.percent(float(read.looks[key])), key=visible(pieces[key])) for key in named]
    listed = words("attention.reading.and").join([", ".join(shares[:-1]), shares[-1]] if len(shares) > 1 else shares)
    return " ".join([words("attention.reading.row", shares=listed, **place), _looked(words, pieces, reading, choice.query)])


def credited(session: Session, trace: Trace, telling: tuple[int, int], choice: Choice) -> str:
    """Why the page opens with this head; nothing for any other."""
    tokenizer = session.specimen.loaded.tokenizer
    if tokenizer is None or (choice.layer, choice.head) != telling:
        return ""
    return " " + session.words("attention.reading.credit", token=visible(tokenizer.piece(int(trace.logits[-1].argmax()))))


def _looked(words: Words, pieces: tuple[str, ...], reading: HeadReading, position: int) -> str:
    others = np.arange(reading.length) != position
    if not (reading.allowed[:, position] & others).any():
        return words("attention.reading.last" if position == reading.length - 1 else "attention.reading.unseen")
    looked = np.where(others, one_token(reading, position).looked, 0)
    most = int(looked.argmax())
    return words("attention.reading.looked", row=most + 1, query=visible(pieces[most]), share=words.percent(float(looked[most])))


def cell_in_words(words: Words, pieces: tuple[str, ...], cell: CellArithmetic) -> str:
    """What the whole calculation comes to."""
    names = {"query": visible(pieces[cell.cell.query]), "key": visible(pieces[cell.cell.key]), "score": words.number(cell.score)}
    if not cell.may_look:
        return words("attention.arithmetic.blocked", **names)
    lengths = {"contribution": cell.contribution, "before": cell.before}
    told = {name: words.number(float(np.linalg.norm(vector))) for name, vector in lengths.items()}
    return words("attention.arithmetic.reading", weight=words.percent(cell.weight), **names, **told)


# ---------------------------------------------------------------- in tables


def pairs(words: Words, pieces: tuple[str, ...], reading: HeadReading) -> pd.DataFrame:
    """The head's map pair by pair, the strongest first; of a long text only the weights from `LEAST`."""
    short = reading.length <= LISTED
    query, key = np.nonzero(reading.allowed if short else reading.pattern >= LEAST)
    weight = reading.pattern[query, key]
    order = np.argsort(-weight, kind="stable")
    query, key, names = query[order], key[order], np.array([visible(piece) for piece in pieces], object)
    title = words("attention.table.weight") if short else words("attention.table.weight_from", least=words.percent(LEAST))
    columns = {"row": query + 1, "query": names[query], "column": key + 1, "key": names[key]}
    return pd.DataFrame({words(f"attention.table.{name}"): column for name, column in columns.items()} | {title: weight[order]})


def vectors(words: Words, pieces: tuple[str, ...], cell: CellArithmetic) -> pd.DataFrame:
    """Every vector of the calculation, number by number."""
    term, names = (lambda name: words(f"attention.term.{name}")), [visible(piece) for piece in pieces]
    row = {term("scores"): cell.scores, "exp": cell.exponentials, term("softmax"): cell.weights}
    head = {"q": cell.q, "k": cell.k, "q × k": cell.products, "v": cell.v, term("weighted"): cell.weighted, term("head_output"): cell.mixed}
    stream = {term("written"): cell.contribution, term("before"): cell.before, term("attention"): cell.attention, term("after"): cell.after}
    listed = [(name, index, float(value)) for name, vector in (head | row | stream).items() for index, value in enumerate(vector)]
    label = [f"{index + 1} {names[index]}" if name in row else str(index + 1) for name, index, _ in listed]
    titles = [words(f"attention.vector.{name}") for name in ("vector", "index", "value")]
    return pd.DataFrame(dict(zip(titles, ([name for name, *_ in listed], label, [value for *_, value in listed]), strict=True)))


PAGE = Page("attention", render, (LAYER, HEAD, ROW, COLUMN, SINK))
