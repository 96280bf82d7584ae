"""All heads of all layers together: where a token's information comes from, rolled out or as a flow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas.lit import Lit, lit_text
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.plate import visible
from components.i18n import Words
from components.page import Session, block, exhibit, note
from components.pages.heads import recipes
from components.pages.heads.wanted import DEPTH, TOKEN, WAY, WEIGH, Place, revision, traced
from model.analysis.rollout import FLOWS, Reach, reach
from model.config import Encoder

NORMS = 512
"""The most tokens whose values' norms are worked out."""
FINE = 300
"""The most tokens whose rollout is kept in single precision; a longer one in half of it."""


@block
def reached(session: Session, place: Place) -> None:
    """The way, the layer, the text lit for one token, and the map."""
    words = session.words
    st.header(words("heads.reach.heading"))
    st.markdown(words("heads.reach.lead"))
    way, weigh, depth = _controls(session, place)
    pieces = _pieces(session, place)
    if way == "flow" and len(pieces) > FLOWS:
        note(session, words("heads.reach.long_flow", limit=FLOWS, given=len(pieces)))
        way = "rollout"
    if weigh == "norms" and len(pieces) > NORMS:
        note(session, words("heads.reach.long_norms", limit=NORMS, given=len(pieces)))
        weigh = "weights"
    st.caption(" ".join([words(f"heads.reach.about_{way}"), words(f"heads.reach.about_{weigh}"), words("heads.reach.isnt")]))
    token = _token(session, place)
    found = reading(session, place, token, way, weigh)
    left, right = st.columns([10, 11], gap="large")
    with left:
        _text(session, place, found, depth, pieces)
    with right:
        _map(session, place, found, depth, pieces)


def _controls(session: Session, place: Place) -> tuple[str, str, int]:
    words, layers = session.words, session.specimen.config.depths[place.where.stack]
    ways = {way: words(f"heads.reach.ways.{way}") for way in ("rollout", "flow")}
    weights = {weigh: words(f"heads.reach.weights.{weigh}") for weigh in ("weights", "norms")}
    wanted = state.get(DEPTH)
    depth = wanted if 0 < wanted <= layers else layers
    with st.container(horizontal=True, gap="medium", key="heads-reach"):
        st.segmented_control(words("heads.reach.way"), list(ways), format_func=ways.__getitem__, required=True, **state.bind(WAY))
        st.segmented_control(words("heads.reach.weigh"), list(weights), format_func=weights.__getitem__, required=True, **state.bind(WEIGH))
        if layers > 1:
            st.slider(words("heads.reach.depth"), 1, layers, step=1, width=320, **state.bind(DEPTH, shown=depth))
    return state.get(WAY), state.get(WEIGH), depth - 1


def _pieces(session: Session, place: Place) -> tuple[str, ...]:
    """The tokens that information comes from: a source's first, where the place looks at one."""
    source = session.prompt.source
    return (*source.pieces, *place.queries) if source is not None and place.where.stack == "decoder" else place.queries


def _token(session: Session, place: Place) -> int:
    """The token asked about: the one chosen where the text has it, else an encoder's blank or the last token."""
    prompt, wanted = session.prompt, state.get(TOKEN)
    if 0 < wanted <= len(place.queries):
        return wanted - 1
    if isinstance(session.specimen.config.form, Encoder):
        return prompt.blanks[0] if prompt.blanks else max(0, len(prompt.ids) - 1 - prompt.closing)
    return len(place.queries) - 1


def reading(session: Session, place: Place, token: int, way: str, weigh: str) -> Reach:
    """The reading, worked out once for a whole room: a rollout for all tokens, a flow for one."""
    specimen, prompt, where = session.specimen, session.prompt, place.where
    trace, layers, size = traced(session), specimen.config.depths[where.stack], len(_pieces(session, place))
    kind = "norms" if weigh == "norms" else "weights"
    precision = np.float32 if size <= FINE else np.float16

    def make() -> bytes:
        found = reach(trace, where, token, "flow" if way == "flow" else "rollout", kind)
        return (found.rows if found.maps is None else found.maps).astype(precision).tobytes()

    about = token if way == "flow" else None
    data = compute.packed("heads.reach", specimen.id, prompt.ids, prompt.source_ids, where, way, weigh, about, make=make)
    values = np.frombuffer(data, precision).astype(np.float64)
    source = size - len(place.queries)
    if way == "flow":
        return Reach("flow", kind, where.stack, token, source, values.reshape(layers, size), None)
    maps = values.reshape(layers, len(place.queries), size)
    return Reach("rollout", kind, where.stack, token, source, maps[:, token], maps)


def _choose(token: int) -> None:
    state.put(TOKEN, token + 1)


def _text(session: Session, place: Place, found: Reach, depth: int, pieces: tuple[str, ...]) -> None:
    words, token = session.words, visible(place.queries[found.token])
    said = {name: words(f"heads.reach.{name}") for name in ("keys", "source", "text", "hint")} | {
        "title": words("heads.reach.text_title", token=token, place=found.token + 1, layer=depth + 1),
        "cell": words(f"heads.reach.cell_{found.way}"),
        "scale": words(f"heads.reach.scale_{found.way}"),
    }
    name = revision(session, place, found.way, found.weigh, found.token, depth)
    shown = Lit(name, found.rows[depth], pieces, found.source, found.token, said)
    exhibit(
        session,
        "reach",
        lambda: lit_text(words, "lit", shown, _choose),
        in_words(words, place, found, depth, pieces),
        lambda: table(words, found, pieces),
        lambda: recipes.reach(place.where, found.token, found.way, found.weigh),
    )


def in_words(words: Words, place: Place, found: Reach, depth: int, pieces: tuple[str, ...]) -> str:
    """What reached the token most, besides itself."""
    row, own = found.rows[depth], found.source + found.token
    others = [int(at) for at in np.argsort(-row, kind="stable") if at != own and row[at] >= 0.005][:3]
    told = {"token": visible(place.queries[found.token]), "layer": depth + 1, "own": words.percent(float(row[own]))}
    if not others:
        return words("heads.reach.reading_alone", **told)
    named = ", ".join(words("heads.reach.share", token=visible(pieces[at]), share=words.percent(float(row[at]))) for at in others)
    return words(f"heads.reach.reading_{found.way}", others=named, **told)


def _map(session: Session, place: Place, found: Reach, depth: int, pieces: tuple[str, ...]) -> None:
    words = session.words
    if found.maps is None:
        rows = tuple(words("heads.reach.layer", layer=layer + 1) for layer in range(len(found.rows)))
        values, at, pick = found.rows, (depth, found.source + found.token), lambda row, _: state.put(DEPTH, row + 1)
        title = words("heads.reach.map_flow", token=visible(place.queries[found.token]))
    else:
        rows, values = place.queries, found.maps[depth]
        at, pick = (found.token, found.source + found.token), lambda row, _: _choose(row)
        title = words("heads.reach.map_rollout", layer=depth + 1)
    said = {name: words(f"heads.reach.{name}_{found.way}") for name in ("rows", "label", "scale")} | {
        "columns": words("heads.reach.columns"),
        "cell": words(f"heads.reach.map_cell_{found.way}"),
    }
    shape = Matrix(title, values, rows, pieces, said=said)
    name = revision(session, place, found.way, found.weigh, depth if found.maps is not None else found.token, "map")
    packed = compute.packed("heads.reach.map", name, make=lambda: pack(shape))
    exhibit(
        session,
        "reachmap",
        lambda: matrix_map(words, "reachmap", shape, packed, name, chosen=at, choose=pick, height=460),
        words(f"heads.reach.map_reading_{found.way}"),
        lambda: map_table(words, place, found, depth, pieces),
        lambda: recipes.reach(place.where, found.token, found.way, found.weigh),
    )


def table(words: Words, found: Reach, pieces: tuple[str, ...]) -> pd.DataFrame:
    """The token's row after every layer."""
    layer, at = np.indices(found.rows.shape)
    names = np.array([visible(piece) for piece in pieces], object)
    columns = {"layer": layer.ravel() + 1, "place": at.ravel() + 1, "token": names[at.ravel()], "share": found.rows.ravel()}
    return pd.DataFrame({words(f"heads.table.{name}"): values for name, values in columns.items()})


def map_table(words: Words, place: Place, found: Reach, depth: int, pieces: tuple[str, ...]) -> pd.DataFrame:
    """The map's cells from a thousandth on, the largest first."""
    if found.maps is None:
        return table(words, found, pieces)
    values = found.maps[depth]
    row, at = np.nonzero(values >= 0.001)
    order = np.argsort(-values[row, at], kind="stable")
    row, at = row[order], at[order]
    asking, asked = (np.array([visible(piece) for piece in names], object) for names in (place.queries, pieces))
    columns = {"row": row + 1, "query": asking[row], "place": at + 1, "token": asked[at], "share": values[row, at]}
    return pd.DataFrame({words(f"heads.table.{name}"): column for name, column in columns.items()})
