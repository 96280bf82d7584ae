"""Attention: every head at a glance, one of them large, one token both ways, and the arithmetic of one cell."""

from __future__ import annotations

import itertools
import json
import zlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from components import compute, state
from components.canvas import theatre
from components.canvas.ledger import ledger
from components.canvas.ledger.arithmetic import of_cell
from components.canvas.plate import visible
from components.canvas.theatre import Choice, Scene
from components.controls import where as places
from components.controls.arithmetic import door
from components.controls.prompt import predicted
from components.i18n import Words
from components.page import Page, Session, block, exhibit, titled
from components.pages import threads
from model.analysis.attention import Cell, CellArithmetic, HeadReading, arithmetic, one_head, overview, thumbnail
from model.analysis.places import Where
from model.config import Decoder, Encoder, Serial
from model.trace import Trace

# Counted from 1, as the screen does; 0 leaves the choice to the page.
WHERE = places.field("a.where")
LAYER = state.integer("a.layer", 0, 0, 96)
HEAD = state.integer("a.head", 0, 0, 128)
ROW = state.integer("a.row", 0, 0, 4_096)
COLUMN = state.integer("a.column", 0, 0, 4_096)
SINK = state.flag("a.sink", True)

LISTED = 256  # tokens up to which the table lists every pair
LEAST = 0.001  # above that, the weight from which it does
EXPECTED = 3  # tokens that an encoder's expectation names


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


def settle(asked: Wanted, trace: Trace, where: Where, telling: tuple[int, int, int]) -> tuple[Choice, HeadReading]:
    """What is shown: what was asked for where this model and text have it, else what is worth looking at."""
    config = trace.model.config
    there = 0 < asked.layer <= config.depths[where.stack] and 0 < asked.head <= config.attention.heads
    reading = one_head(trace, *((asked.layer - 1, asked.head - 1) if there else telling[:2]), where)
    return Choice(reading.layer, reading.head, *_cell(asked, reading, telling[2]), asked.sink), reading


def _cell(asked: Wanted, reading: HeadReading, telling: int) -> tuple[int, int]:
    if not 0 < asked.row <= reading.queries:
        return telling, reading.strongest(telling, without_sink=True)
    if 0 < asked.column <= reading.keys:
        return asked.row - 1, asked.column - 1
    return asked.row - 1, reading.strongest(asked.row - 1, without_sink=not asked.sink)


def choose(choice: Choice) -> None:
    """Keep what the reader chose in the theatre."""
    state.put(LAYER, choice.layer + 1)
    state.put(HEAD, choice.head + 1)
    state.put(ROW, choice.query + 1)
    state.put(COLUMN, 0 if choice.key is None else choice.key + 1)
    state.put(SINK, choice.sink)


def forget_the_cell_of_another_text(text: object) -> None:
    """A row and a column mean nothing in a new text, or in another place; the head stays."""
    if state.remember("attention.text", lambda: text) == text:
        return
    state.forget("attention.text")
    state.remember("attention.text", lambda: text)
    state.reset(ROW)
    state.reset(COLUMN)


# ---------------------------------------------------------------- the page


@dataclass(frozen=True, slots=True)
class Place:
    """Where the page looks: the attention, the tokens that ask there and those that are asked."""

    where: Where
    queries: tuple[str, ...]
    keys: tuple[str, ...]


def render(session: Session) -> None:
    """The page: one paragraph, the place, the theatre, the arithmetic."""
    titled(session, "attention")
    where = places.choice(session.words, WHERE, session.specimen)
    forget_the_cell_of_another_text((session.prompt.ids, session.prompt.source_ids, where))
    trace, place = traced(session), Place(where, *places.pieces(session.prompt, where))
    maps = compute.packed("attention.maps", *_key(session, where), make=lambda: pack_maps(trace, where, at=_matters(session)))
    serial = next(state.remember("attention.serial", itertools.count))
    anchor, _ = settle(wanted(), trace, where, theatre.telling(maps))
    spectacle(session, place, maps, serial, anchor)


def traced(session: Session) -> Trace:
    """The text as this model reads it."""
    return compute.traced(session.specimen, session.prompt.ids, source=session.prompt.source_ids)


def _key(session: Session, where: Where) -> tuple[object, ...]:
    return session.specimen.id, session.prompt.ids, session.prompt.source_ids, where, _matters(session)


def _matters(session: Session) -> int | None:
    """The query that matters to an encoder: its first blank, or else its last token."""
    if not isinstance(session.specimen.config.form, Encoder):
        return None
    prompt = session.prompt
    return prompt.blanks[0] if prompt.blanks else max(0, len(prompt.ids) - 1 - prompt.closing)


def pack_maps(trace: Trace, where: Where, at: int | None = None) -> bytes:
    """Every head of a trace in one place, as the theatre receives them."""
    config, allowed = trace.model.config, trace.allowed(where.branch, where.stack)
    side = thumbnail(config.depths[where.stack], config.attention.heads)
    return theatre.pack_all(overview(trace, side, where, at), allowed.numpy())


@block
def spectacle(session: Session, place: Place, maps: bytes, serial: int, anchor: Choice) -> None:
    """The theatre and what one cell of it is made of. While a text is short its scene never changes, whatever the reader
    chooses, so that nothing is sent twice."""
    trace, where = traced(session), place.where
    choice, reading = settle(wanted(), trace, where, theatre.telling(maps))
    scene = compose(session, place, maps, serial, anchor, choice, reading)
    numbers = arithmetic(trace, Cell(choice.layer, choice.head, choice.query, choice.key or 0), where)
    words = session.words
    exhibit(
        session,
        "attention",
        lambda: theatre.theatre(words, "theatre", scene, choose),
        head_in_words(words, place, reading, choice) + credited(session, trace, place, theatre.telling(maps), choice),
        lambda: pairs(words, place, reading),
        lambda: HEAD_AGAIN.format(where=where, layer=choice.layer, head=choice.head),
    )
    threads.woven(session, where, place.queries, place.keys, theatre.telling(maps)[2], serial)
    heads = trace.model.config.attention.heads
    revision = f"{scene.revision}/{choice.layer}/{choice.head}/{choice.query}/{choice.key}"
    exhibit(
        session,
        "arithmetic",
        lambda: ledger(words, "ledger", of_cell(words, numbers, place.queries[choice.query], place.keys, heads, revision)),
        cell_in_words(words, place, numbers),
        lambda: vectors(words, place, numbers),
        lambda: CELL_AGAIN.format(where=where, cell=numbers.cell),
    )
    door(session, f"{where.site(choice.layer, 'pattern')}[{choice.head},{choice.query},{choice.key or 0}]", "attention")


def compose(session: Session, place: Place, maps: bytes, serial: int, anchor: Choice, choice: Choice, reading: HeadReading) -> Scene:
    """The scene: of a long text with the exact map of the head on stage."""
    key = _key(session, place.where)
    scene = Scene(
        revision=f"{session.specimen.id}:{zlib.crc32(repr(key[1:]).encode()):08x}",
        serial=serial,
        queries=place.queries,
        keys=None if reading.square else place.keys,
        expected=expected(session, place.where),
        writes=place.where.stack == "decoder",
        maps=maps,
        choice=anchor,
    )
    if theatre.whole(maps):
        return scene
    stage = (choice.layer, choice.head)
    exact = compute.packed("attention.map", *key, stage, make=lambda: theatre.pack_one(reading.pattern, reading.allowed))
    return replace(scene, choice=choice, stage=stage, exact=exact)


def expected(session: Session, where: Where) -> tuple[str, ...]:
    """What the model expects at each token, likeliest first: an encoder in its place, an encoder–decoder after it. Nothing for tokens
    that are only read, and for a decoder, whose text is long and whose next token has a page of its own."""
    config, prompt = session.specimen.config, session.prompt
    if isinstance(config.form, Decoder) or where.stack != config.main:
        return ()
    key = session.specimen.id, prompt.ids, prompt.source_ids, session.words.language
    return tuple(json.loads(compute.packed("attention.expected", *key, make=lambda: json.dumps(_expectations(session)).encode())))


def _expectations(session: Session) -> list[str]:
    words, best = session.words, traced(session).logits.softmax(-1).topk(EXPECTED)
    rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [", ".join(f"“{_spelled(session, id)}” {words.percent(share)}" for id, share in zip(*row, strict=True) if share >= 0.005) for row in rows]


def _spelled(session: Session, id: int) -> str:
    return visible(predicted(session.words, session.specimen, id))


# ---------------------------------------------------------------- in words


def head_in_words(words: Words, place: Place, reading: HeadReading, choice: Choice) -> str:
    """Where the chosen row looks, up to three tokens of at least 5 %, and who looks at it most."""
    looks, keys = reading.pattern[choice.query], place.keys
    told = {"layer": choice.layer + 1, "head": choice.head + 1, "row": choice.query + 1, "query": visible(place.queries[choice.query])}
    if not reading.allowed[choice.query].any():
        return words("attention.reading.blind", **told)
    first, *others = np.argsort(-looks, kind="stable")[:3]
    named = [first, *(key for key in others if looks[key] >= 0.05)]
    shares = [words("attention.reading.share", share=words.percent(float(looks[key])), key=visible(keys[key])) for key in named]
    listed = words("attention.reading.and").join([", ".join(shares[:-1]), shares[-1]] if len(shares) > 1 else shares)
    looked = _looked(words, place, reading, choice.query) if reading.square else _looked_across(words, place, reading, choice.key or 0)
    return " ".join([words("attention.reading.row", shares=listed, **told), looked])


def credited(session: Session, trace: Trace, place: Place, telling: tuple[int, int, int], choice: Choice) -> str:
    """Why the page opens with this head; nothing for any other."""
    config, form = trace.model.config, trace.model.config.form
    if (choice.layer, choice.head) != telling[:2]:
        return ""
    if place.where.stack != config.main:
        return " " + session.words("attention.reading.credit_decided")
    if config.arrangement == Serial(norm_place="after"):
        return ""
    kind = "credit" if isinstance(form, Decoder) else "credit_place" if isinstance(form, Encoder) else "credit_after"
    token = _spelled(session, int(trace.logits[telling[2]].argmax()))
    return " " + session.words(f"attention.reading.{kind}", token=token, query=visible(place.queries[telling[2]]))


def _looked(words: Words, place: Place, reading: HeadReading, position: int) -> str:
    others = np.arange(reading.queries) != position
    if not (reading.allowed[:, position] & others).any():
        return words("attention.reading.last" if position == reading.queries - 1 else "attention.reading.unseen")
    looked = np.where(others, reading.pattern[:, position], 0)
    most = int(looked.argmax())
    return words("attention.reading.looked", row=most + 1, query=visible(place.queries[most]), share=words.percent(float(looked[most])))


def _looked_across(words: Words, place: Place, reading: HeadReading, key: int) -> str:
    looked = reading.pattern[:, key]
    most = int(looked.argmax())
    names = {"key": visible(place.keys[key]), "query": visible(place.queries[most])}
    return words("attention.reading.looked_across", row=most + 1, share=words.percent(float(looked[most])), **names)


def cell_in_words(words: Words, place: Place, cell: CellArithmetic) -> str:
    """What the whole calculation comes to."""
    names = {"query": visible(place.queries[cell.cell.query]), "key": visible(place.keys[cell.cell.key]), "score": words.number(cell.score)}
    if not cell.may_look:
        return words("attention.arithmetic.blocked", **names)
    lengths = {"contribution": cell.contribution, "before": cell.before}
    told = {name: words.number(float(np.linalg.norm(vector))) for name, vector in lengths.items()}
    return words("attention.arithmetic.reading", weight=words.percent(cell.weight), **names, **told)


# ---------------------------------------------------------------- in tables


def pairs(words: Words, place: Place, reading: HeadReading) -> pd.DataFrame:
    """The head's map pair by pair, the strongest first; of a long text only the weights from `LEAST`."""
    short = max(reading.queries, reading.keys) <= LISTED
    query, key = np.nonzero(reading.allowed if short else reading.pattern >= LEAST)
    weight = reading.pattern[query, key]
    order = np.argsort(-weight, kind="stable")
    query, key = query[order], key[order]
    asking, asked = (np.array([visible(piece) for piece in pieces], object) for pieces in (place.queries, place.keys))
    title = words("attention.table.weight") if short else words("attention.table.weight_from", least=words.percent(LEAST))
    columns = {"row": query + 1, "query": asking[query], "column": key + 1, "key": asked[key]}
    return pd.DataFrame({words(f"attention.table.{name}"): column for name, column in columns.items()} | {title: weight[order]})


def vectors(words: Words, place: Place, cell: CellArithmetic) -> pd.DataFrame:
    """Every vector of the calculation, number by number."""
    term, names = (lambda name: words(f"attention.term.{name}")), [visible(piece) for piece in place.keys]
    row = {term("scores"): cell.scores, "exp": cell.exponentials, term("softmax"): cell.weights}
    head = {"q": cell.q, "k": cell.k, "q × k": cell.products, "v": cell.v, term("weighted"): cell.weighted, term("head_output"): cell.mixed}
    stream = {term("written"): cell.contribution, term("before"): cell.before, term("attention"): cell.attention, term("after"): cell.after}
    listed = [(name, index, float(value)) for name, vector in (head | row | stream).items() for index, value in enumerate(vector)]
    label = [f"{index + 1} {names[index]}" if name in row else str(index + 1) for name, index, _ in listed]
    titles = [words(f"attention.vector.{name}") for name in ("vector", "index", "value")]
    return pd.DataFrame(dict(zip(titles, ([name for name, *_ in listed], label, [value for *_, value in listed]), strict=True)))


# ---------------------------------------------------------------- in a notebook

HEAD_AGAIN = """
from model.analysis.attention import one_head
from model.analysis.places import Where

head = one_head(trace, {layer}, {head}, {where})
numbers = {{"weight": head.pattern, "allowed": head.allowed}}
"""
CELL_AGAIN = """
from model.analysis.attention import Cell, arithmetic
from model.analysis.places import Where

cell = arithmetic(trace, {cell}, {where})
head = {{"q": cell.q, "k": cell.k, "q × k": cell.products, "v": cell.v, "weighted": cell.weighted, "mixed": cell.mixed}}
row = {{"scores": cell.scores, "exponentials": cell.exponentials, "weights": cell.weights}}
stream = {{"contribution": cell.contribution, "before": cell.before, "attention": cell.attention, "after": cell.after}}
numbers = head | row | stream
"""


PAGE = Page("attention", render, (WHERE, LAYER, HEAD, ROW, COLUMN, SINK, *threads.FIELDS))
