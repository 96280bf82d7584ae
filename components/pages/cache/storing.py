"""What the cache stores and what each step only reads: the reader's text and a few tokens the model adds to it, pass by pass."""

from __future__ import annotations

import zlib
from array import array
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas import cache as view
from components.canvas.cache import PARTS, Part, Scene, Spot
from components.canvas.plate import visible
from components.controls.arithmetic import door
from components.controls.prompt import predicted
from components.page import Session, block, exhibit
from model.analysis.caching import Cached, cached, keys_again
from model.analysis.derivation.code import source as code_of
from model.analysis.places import CROSS, Where
from model.config import EncoderDecoder
from model.generation import generate
from model.layers.attention import Attention
from model.layers.past import Past, Rolling

STEPS = 12
"""Tokens that are read one by one."""
OWN, ACROSS = "text", "source"

# Counted from 1, as the screen does; 0 leaves the choice to the page.
STEP = state.integer("kv.step", 7, 0, STEPS)
LAYER = state.integer("kv.layer", 0, 0, 128)
HEAD = state.integer("kv.head", 0, 0, 128)
PLACE = state.option("kv.of", OWN, (OWN, ACROSS))
PART: state.Field[Part] = state.option("kv.part", "k", PARTS)
ROW = state.integer("kv.row", 0, 0, 1_024)
TOKEN = state.integer("kv.token", 0, 0, 8_192)
FIELDS = (STEP, LAYER, HEAD, PLACE, PART, ROW, TOKEN)


# ---------------------------------------------------------------- the text


@dataclass(frozen=True, slots=True)
class Line:
    """A text as it is read with a cache: its first tokens at once, the others one by one. `pieces` are the tokens as they are written;
    `written` of them are the model's own."""

    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    first: int
    written: int

    @property
    def asking(self) -> tuple[str, ...]:
        """The last token of each pass."""
        return self.pieces[self.first - 1 :]


def line_of(session: Session) -> Line:
    """The reader's text and what the model likeliest writes next; where the context has no room for it, the text's own last tokens are
    read one by one."""
    given = session.prompt.given
    ids = (*given, *_written(session, given))
    shown = session.prompt.pieces[: len(given)]
    pieces = (*shown, *(predicted(session.words, session.specimen, id) for id in ids[len(given) :]))
    own = len(ids) - len(given)
    return Line(ids, pieces, len(given) if own else max(1, len(ids) - STEPS), own)


def _written(session: Session, given: tuple[int, ...]) -> tuple[int, ...]:
    """The likeliest tokens, of a decoder into the next document, of an encoder–decoder to the end of its translation."""
    specimen, source = session.specimen, session.prompt.source_ids
    end = specimen.loaded.marks.stop if isinstance(specimen.config.form, EncoderDecoder) else None

    def make() -> bytes:
        steps = generate(specimen.loaded.model, given, tokens=STEPS, stop=end, source=source or None)
        return array("q", [step.id for step in steps if step.id != end]).tobytes()

    if len(given) >= specimen.config.context:
        return ()
    kept = array("q")
    kept.frombytes(compute.packed("cache.written", specimen.id, given, source, make=make))
    return tuple(kept)


# ---------------------------------------------------------------- what is shown


@block
def stored(session: Session, line: Line) -> None:
    """The choice of a layer and a head, the picture, the number chosen and its way to the arithmetic, the code."""
    words = session.words
    st.header(words("cache.stored.title"))
    where, layer, head = _choices(session)
    found = _found(session, line, where, layer)
    at = min(state.get(STEP), len(found.ledgers) - 1)
    scene = _scene(session, line, found, head, at)
    numbers = compute.packed("cache.numbers", *_key(session, line), where, layer, head, make=lambda: view.pack(found, head))
    exhibit(
        session,
        "stored",
        lambda: view.cache(words, "cache-strips", scene, numbers, stepped=partial(state.put, STEP), chosen=_choose),
        f"{_told(session, line, found, at)} {_looked(session, scene)} {_proof(session, found, at)}",
        lambda: table(session, found, head, at, scene.pieces),
        lambda: RECIPE.format(ids=list(line.ids), first=line.first, site=where.site(layer, ""), head=head, group=found.group(head), at=at),
    )
    _chosen(session, line, scene)
    _code(session)


def _choices(session: Session) -> tuple[Where, int, int]:
    """Where, in which layer and in which head; the last layer and the first head unless told."""
    words, config = session.words, session.specimen.config
    with st.container(horizontal=True, gap="medium", key="cache-choices"):
        where = Where("decoder")
        if isinstance(config.form, EncoderDecoder):
            say = {name: words(f"cache.stored.of.{name}") for name in (OWN, ACROSS)}
            st.segmented_control(words("cache.stored.of.label"), list(say), format_func=say.__getitem__, required=True, **state.bind(PLACE))
            where = CROSS if state.get(PLACE) == ACROSS else where
        layer = _pick(words("cache.stored.layer"), LAYER, config.depths["decoder"])
        head = _pick(words("cache.stored.head"), HEAD, config.attention.heads)
    return where, layer, head


def _pick(label: str, field: state.Field[int], count: int) -> int:
    """A choice among `count`, counted from 0: the first unless the state names another."""
    wanted = state.get(field)
    chosen = wanted if 0 < wanted <= count else 1
    st.selectbox(label, range(1, count + 1), width=120, **state.bind(field, shown=chosen))
    return chosen - 1


def _key(session: Session, line: Line) -> tuple[object, ...]:
    return session.specimen.id, line.ids, line.first, session.prompt.source_ids


def _found(session: Session, line: Line, where: Where, layer: int) -> Cached:
    """The reading, kept for as long as the reader stays with this text and layer."""
    asked = (*_key(session, line), where, layer)
    make = lambda: (asked, cached(session.specimen.loaded.model, line.ids, line.first, layer, where, session.prompt.source_ids))  # noqa: E731
    if state.remember("cache.found", make)[0] != asked:
        state.forget("cache.found")
    return state.remember("cache.found", make)[1]


def _scene(session: Session, line: Line, found: Cached, head: int, at: int) -> Scene:
    pieces = line.pieces if found.where.branch == "attn" or session.prompt.source is None else session.prompt.source.pieces
    shown = f"{zlib.crc32(repr(_key(session, line)[1:]).encode()):08x}.{found.where.name}.{found.layer}.{head}"
    revision = f"{session.specimen.id}.{shown}.{session.words.language}"
    return Scene(found, head, pieces, line.asking, session.specimen.config.depths["decoder"], at, revision, _spot(found, pieces))


def _spot(found: Cached, pieces: tuple[str, ...]) -> Spot | None:
    """The number that was chosen, where this text and head have it."""
    row, token, size = state.get(ROW), state.get(TOKEN), found.k.shape[-1]
    return Spot(state.get(PART), row - 1, token - 1) if 0 < row <= size and 0 < token <= len(pieces) else None


def _choose(spot: Spot) -> None:
    state.put(PART, spot.part)
    state.put(ROW, spot.row + 1)
    state.put(TOKEN, spot.column + 1)


# ---------------------------------------------------------------- in words


def _told(session: Session, line: Line, found: Cached, at: int) -> str:
    """One pass counted."""
    words, ledger, layers = session.words, found.ledgers[at], session.specimen.config.depths["decoder"]
    whole = lambda value: words.number(value, 0)  # noqa: E731
    told = {"computed": whole(ledger.computed), "reused": whole(ledger.reused), "length": whole(ledger.length), "layers": layers, "step": at}
    kind = "source" if found.where.branch == "cross" else "first" if at == 0 else "window" if ledger.gone else "step"
    said = words(f"cache.reading.{kind}", **told, token=visible(line.asking[at]), gone=whole(ledger.gone))
    source = words("cache.reading.with_source", source=whole(len(session.prompt.source_ids))) if session.prompt.source_ids else ""
    return f"{said} {words('cache.reading.bytes', bytes=whole(ledger.bytes), source=source)}"


def _looked(session: Session, scene: Scene) -> str:
    """Which stored key the new token's query fits best."""
    words, row = session.words, scene.cached.pattern[scene.at, scene.head]
    most = int(row.argmax())
    told = {"token": visible(scene.pieces[most]), "place": words.number(most + 1, 0), "share": words.percent(float(row[most]))}
    return words("cache.reading.looks", head=scene.head + 1, **told)


def _proof(session: Session, found: Cached, at: int) -> str:
    """How far the logits lie from those without a cache, and what was saved by then."""
    words, first = session.words, found.ledgers[0].length
    said = words("cache.reading.proof", most=words.number(float(found.apart.max())), passes=len(found.apart))
    if at == 0 or found.where.branch == "cross":
        return said
    kept, anew = keys_again(found.ledgers[at].length, first)
    return f"{said} {words('cache.reading.saved', kept=words.number(kept, 0), anew=words.number(anew, 0))}"


def table(session: Session, found: Cached, head: int, at: int, pieces: tuple[str, ...]) -> pd.DataFrame:
    """Every number on show: keys and values of the tokens so far, what the new token asks and takes, and how it looks."""
    words, ledger, group = session.words, found.ledgers[at], found.group(head)
    size, columns = found.k.shape[-1], range(ledger.gone, ledger.length)
    kept, asked, numbers = {"k": found.k[group], "v": found.v[group]}, {"q": found.q[at, head], "mixed": found.mixed[at, head]}, range(size)
    rows = [(name, token, number, float(values[token, number])) for name, values in kept.items() for token in columns for number in numbers]
    rows += [(name, None, number, float(values[number])) for name, values in asked.items() for number in numbers]
    rows += [("weights", token, None, float(found.pattern[at, head, token])) for token in columns]
    names = np.array([visible(piece) for piece in pieces], object)
    named = {
        "vector": [words(f"cache.view.{name}") for name, *_ in rows],
        "position": pd.array([None if token is None else token + 1 for _, token, *_ in rows], "Int64"),
        "token": ["" if token is None else names[token] for _, token, *_ in rows],
        "number": pd.array([None if number is None else number + 1 for *_, number, _ in rows], "Int64"),
        "value": [value for *_, value in rows],
    }
    return pd.DataFrame({words(f"cache.table.{name}"): values for name, values in named.items()})


# ---------------------------------------------------------------- one number, and the code


def _chosen(session: Session, line: Line, scene: Scene) -> None:
    """The number that was chosen, and the door to its arithmetic where it is one of the reader's own text."""
    words, spot, found = session.words, scene.chosen, scene.cached
    if spot is None:
        st.caption(words("cache.chosen.none"))
        return
    asks = line.first - 1 + scene.at
    group, token = found.group(scene.head), asks if spot.part in ("q", "mixed", "pattern") else spot.column
    where = {"k": f"{group},{spot.column},{spot.row}", "v": f"{group},{spot.column},{spot.row}", "pattern": f"{scene.head},{asks},{spot.column}"}
    index = where.get(spot.part, f"{scene.head},{asks},{spot.row}")
    address = f"{found.where.site(found.layer, spot.part)}[{index}]"
    across = found.where.branch == "cross" and spot.part in ("k", "v")
    if across or line.ids[: token + 1] == session.prompt.ids[: token + 1]:
        door(session, address, "cache")
    else:
        st.caption(words("cache.chosen.written", address=f"`{address}`"))


def _code(session: Session) -> None:
    """The lines that make it a cache, as they stand in the project."""
    words, config = session.words, session.specimen.config
    drawer = st.expander(words("cache.code.title"), key="cache-code", on_change="rerun")
    if drawer.open:
        with drawer:
            st.caption(words("cache.code.note"))
            rolls = Rolling if config.attention.window is not None else Past
            st.code("\n\n".join(map(code_of, (rolls.extend, Attention.meet))), language="python")


RECIPE = """
import numpy as np
import torch

text, first = {ids}, {first}  # the first tokens are read at once, the others one by one
about = model.encode(torch.tensor([source])) if source else None
past = model.past(capacity=len(text), rolled=model.config.attention.window is not None)
seen = {{name: [] for name in ("q", "k", "v", "pattern", "mixed")}}


def watch(name, value):
    part = name.removeprefix({site!r})
    if part in seen:
        seen[part].append(value[0].clone())
    return value


passes = [text[:first], *([id] for id in text[first:])][: {at} + 1]
with torch.no_grad():
    for new in passes:  # only the new tokens go in: what they need of the others lies in the cache
        logits = model(torch.tensor([new]), memory=about, past=past, tap=watch)
    again = model(torch.tensor([text[: first + {at}]]), memory=about)  # without a cache

across = {site!r}.endswith("cross.")
keys, values = (seen[name][0] if across else torch.cat(seen[name], 1) for name in "kv")
asked, took, looked = (seen[name][-1][{head}, -1] for name in ("q", "mixed", "pattern"))
start = keys.shape[1] - len(looked)  # behind the window nothing is stored
numbers = {{
    "k": keys[{group}, start:].numpy(),
    "v": values[{group}, start:].numpy(),
    "q": asked.numpy(),
    "mixed": took.numpy(),
    "weights": looked.numpy(),
    "by_hand": (looked @ values[{group}, start:]).numpy(),  # what the head takes: its weights times the stored values
    "difference": (logits[0, -1] - again[0, -1]).abs().max().numpy(),
}}
"""
