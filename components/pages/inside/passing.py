"""The flow on its page: which token it follows, what pushes its likeliest continuation, and the same in a table and in a notebook."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas import flow as canvas
from components.canvas.flow import Choice, Scene
from components.canvas.flow.payload import Followed, detailed, followed, pack_maps, pack_numbers
from components.canvas.flow.place import Place
from components.canvas.plate import visible
from components.controls import arithmetic
from components.controls.prompt import predicted
from components.page import Session, block, exhibit
from model.analysis.derivation import Number
from model.analysis.residual import Attribution, Stream, attribution, stream
from model.config import Encoder

# Counted from 1, as the screen does; 0 leaves the choice to the page, as does a token of −1.
AT = state.integer("i.at", 0, 0, 4_096)
SOURCE = state.integer("i.source", 0, 0, 4_096)
TOKEN = state.integer("i.token", -1, -1, 10_000_000)
PLACE = state.Field("i.place", Place(), Place.parse)
FIELDS = (AT, SOURCE, TOKEN, PLACE)


# ---------------------------------------------------------------- the choice


def wanted(session: Session) -> Choice:
    """What is followed: what was asked for where this model and text have it, else the place whose next token is not known yet."""
    prompt, config = session.prompt, session.specimen.config
    asked, source, token = state.get(AT), state.get(SOURCE), state.get(TOKEN)
    return Choice(
        at=asked - 1 if 0 < asked <= len(prompt.ids) else _matters(session),
        source=source - 1 if 0 < source <= len(prompt.source_ids) else max(0, len(prompt.source_ids) - 1),
        token=token if 0 <= token < config.vocabulary else None,
        place=state.get(PLACE).within(config),
    )


def _matters(session: Session) -> int:
    """The last token; of an encoder its first blank, or else the last that the reader wrote."""
    prompt = session.prompt
    if not isinstance(session.specimen.config.form, Encoder):
        return len(prompt.ids) - 1
    return prompt.blanks[0] if prompt.blanks else max(0, len(prompt.ids) - 1 - prompt.closing)


def choose(choice: Choice, usual: Choice) -> None:
    """Keep what the reader chose; what the page would have chosen itself stays out of the link."""
    state.put(AT, 0 if choice.at == usual.at and not state.get(AT) else choice.at + 1)
    state.put(SOURCE, 0 if choice.source == usual.source and not state.get(SOURCE) else choice.source + 1)
    state.put(TOKEN, -1 if choice.token is None else choice.token)
    state.put(PLACE, choice.place)


def forget_what_another_text_followed(text: object) -> None:
    """A token's number means nothing in a new text; the place in the model stays."""
    if state.remember("inside.text", lambda: text) == text:
        return
    state.forget("inside.text")
    state.remember("inside.text", lambda: text)
    for field in (AT, SOURCE, TOKEN):
        state.reset(field)


# ---------------------------------------------------------------- the picture


def flow(session: Session) -> None:
    """The picture, and what it says."""
    forget_what_another_text_followed((session.specimen.id, session.prompt.ids, session.prompt.source_ids))
    serial = next(state.remember("inside.serial", itertools.count))
    spectacle(session, serial, wanted(session))


@block
def spectacle(session: Session, serial: int, anchor: Choice) -> None:
    """While the reader only moves about in it the scene never changes, so that nothing is sent twice."""
    trace, choice = arithmetic.traced(session), wanted(session)
    about = followed(trace, choice.at, choice.source, choice.token)
    scene = compose(session, serial, anchor, choice, about)
    found = attribution(trace, choice.at, (about.tokens[0] if choice.token is None else choice.token,))
    exhibit(
        session,
        "flow",
        lambda: canvas.flow(session.words, "flow", session.specimen.config, scene, lambda given: choose(given, anchor), follow),
        in_words(session, found),
        lambda: table(session, stream(trace), found),
        lambda: arithmetic.again(session) + recipe(found),
    )
    if state.remember("inside.followed", list):
        state.forget("inside.followed")
        st.rerun()


def follow(number: Number) -> None:
    """Open a number's arithmetic, below; the whole page has to hear of it."""
    arithmetic.start(number, state.get(arithmetic.UNDER))
    state.remember("inside.followed", list).append(number)


def compose(session: Session, serial: int, anchor: Choice, choice: Choice, about: Followed) -> Scene:
    """The scene of what is followed; it knows where the reader stands only where that decides what is sent."""
    prompt, specimen, trace = session.prompt, session.specimen, arithmetic.traced(session)
    layers = detailed(specimen.config, max(len(prompt.ids), len(prompt.source_ids)), choice.place.layer, choice.place.stack)
    key = (specimen.id, prompt.ids, prompt.source_ids, arithmetic.held(session))
    opened = tuple(layers.items())
    return Scene(
        revision=f"{specimen.id}:{zlib.crc32(repr((key, about, opened)).encode()):08x}",
        serial=serial,
        pieces=prompt.pieces,
        source=prompt.source.pieces if prompt.source else (),
        names=tuple(predicted(session.words, specimen, token) for token in about.tokens),
        choice=replace(anchor, at=choice.at, source=choice.source),
        maps=compute.packed("inside.maps", *key, make=lambda: pack_maps(trace)),
        numbers=compute.packed("inside.numbers", *key, about, opened, make=lambda: pack_numbers(trace, about, layers)),
    )


# ---------------------------------------------------------------- in words, a table, and a notebook


def terms(found: Attribution) -> Iterator[tuple[str, int, int, float]]:
    """Every term of the sum: what it is, its layer and its head, counted from 1 (0: of none), and what it adds to the logit."""
    yield "embedding", 0, 0, float(found.embedding[0])
    for layer in range(found.mlp.shape[1]):
        for branch, heads in found.heads.items():
            yield from ((branch, layer + 1, head + 1, float(push)) for head, push in enumerate(heads[0, layer]))
            yield f"{branch}_bias", layer + 1, 0, float(found.biases[branch][0, layer])
        yield "mlp", layer + 1, 0, float(found.mlp[0, layer])
    yield "offsets", 0, 0, float(found.offsets[0])
    yield "bias", 0, 0, float(found.bias[0])


def named(session: Session, part: str, layer: int, head: int) -> str:
    """A term as the screen calls it."""
    return session.words(f"inside.part.{part}", layer=layer, head=head)


def in_words(session: Session, found: Attribution) -> str:
    """What pushes the followed token's logit most, what pushes against it, and what was held for this to be a sum."""
    words, token = session.words, visible(predicted(session.words, session.specimen, found.tokens[0]))
    listed = [(push, named(session, part, layer, head)) for part, layer, head, push in terms(found)]
    most, least = max(listed), min(listed)
    told = {"token": token, "logit": words.number(float(found.logits[0])), "at": found.at + 1, "read": visible(session.prompt.pieces[found.at])}
    sentence = words("inside.reading.most", part=most[1], push=words.number(most[0]), **told)
    against = words("inside.reading.against", part=least[1], push=words.number(-least[0])) if least[0] < 0 else ""
    held = [words(f"inside.held.{name.replace(' ', '_')}") for name in found.held]
    return " ".join(part for part in (sentence, against, words("inside.reading.held", held=", ".join(held)) if held else "") if part)


def table(session: Session, sizes: Stream, found: Attribution) -> pd.DataFrame:
    """Every term: layer, part, the norm of what it adds to the stream, and what that adds to the logit; the largest first."""
    words, at = session.words, found.at
    rows = [
        (layer or None, named(session, part, layer, head), _norm(sizes, at, part, layer - 1, head - 1), push)
        for part, layer, head, push in terms(found)
    ]
    rows.sort(key=lambda row: -abs(row[3]))
    return pd.DataFrame(rows, columns=[words(f"inside.table.{name}") for name in ("layer", "part", "norm", "push")])


def _norm(sizes: Stream, at: int, part: str, layer: int, head: int) -> float | None:
    if part == "embedding":
        return float(sizes.norms["before"][0, at])
    if part in ("offsets", "bias"):
        return None
    added = sizes.added[part.removesuffix("_bias")]
    if head >= 0 and added.heads is not None:
        return float(added.heads[layer, head, at])
    return float(added.bias[layer]) if part.endswith("_bias") and added.bias is not None else float(added.norms[layer, at])


def recipe(found: Attribution) -> str:
    """The numbers again, for a notebook."""
    return "\n".join(
        [
            "from model.analysis.residual import attribution, stream",
            "",
            "sizes = stream(trace)",
            f"found = attribution(trace, at={found.at}, tokens=({found.tokens[0]},))",
            'numbers = {f"stream.{name}": norms for name, norms in sizes.norms.items()}',
            'numbers |= {f"added.{part}": added.norms for part, added in sizes.added.items()}',
            'numbers |= {f"heads.{branch}": heads[0] for branch, heads in found.heads.items()}',
            'numbers |= {"embedding": found.embedding, "mlp": found.mlp[0], "logit": found.logits}',
        ]
    )
