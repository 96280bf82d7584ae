"""What it thinks at each layer: the logit lens at every position, a race between tokens, and whom each head and MLP pushes."""

from __future__ import annotations

import itertools
import re
import zlib
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas import lens as canvas
from components.canvas.lens import Scene, Spot, lens_rows
from components.canvas.plate import visible
from components.canvas.pushes import Board, push_board
from components.canvas.pushes import name as writer_name
from components.canvas.race import MOST, Field, race_lines
from components.compute import Specimen
from components.controls.arithmetic import door
from components.controls.prompt import predicted
from components.i18n import Words
from components.page import Page, Session, block, calm, exhibit
from model.analysis.lens import (
    NOBODY,
    Lens,
    Neurons,
    Point,
    Race,
    Writer,
    credited,
    lens,
    likeliest,
    neurons,
    pushed,
    race,
    speaks_for,
    writers,
)
from model.analysis.residual import Attribution, attribution
from model.config import Config, Encoder, EncoderDecoder, Serial, Tied, Transformed
from model.errors import Refusal
from model.trace import Trace

LIGHT = state.option("l.light", "probability", ("probability", "entropy", "divergence"))
HALVES = state.flag("l.halves", False)
AT = state.integer("l.at", 0, 0, 4_096)
"""The chosen position, counted from 1; 0 leaves it to the page."""
MEASURE = state.option("l.measure", "rank", ("rank", "probability"))
FIRST = 5  # the likeliest tokens that race unless others are chosen


def _point(given: str) -> str:
    if not re.fullmatch(r"(\d{1,3}[ac]?)?", given, re.ASCII):
        raise Refusal("link.point", "a point of the stream is written 3, 3a or 3c; got {given!r}", given=given[:40])
    return given


def _ids(given: str) -> tuple[int, ...]:
    found = tuple(int(part) for part in given.split(".") if part) if re.fullmatch(r"[\d.]{0,64}", given, re.ASCII) else None
    if found is None or len(set(found)) != len(found) or len(found) > MOST:
        raise Refusal("link.tokens", "up to {most} different tokens race, written 17.4.230; got {given!r}", most=MOST, given=given[:40])
    return found


def _writer(given: str) -> Writer | None:
    found = re.fullmatch(r"(embedding)|(?:(attn|cross)\.(\d{1,3})(?:\.(\d{1,3}))?)|(?:(mlp)\.(\d{1,3}))", given, re.ASCII)
    if given and not found:
        raise Refusal("link.writer", "who writes is named embedding, attn.2, attn.2.1, cross.2.1 or mlp.2; got {given!r}", given=given[:40])
    match found and found.groups():
        case ("embedding", *_):
            return Writer("embedding")
        case (_, "attn" | "cross" as branch, str(layer), head, *_):
            return Writer(branch, int(layer) - 1, None if head is None else int(head) - 1)
        case (*_, "mlp", str(layer)):
            return Writer("mlp", int(layer) - 1)
    return None


def spelled(writer: Writer | None) -> str:
    """A writer as a link writes it, counted from 1."""
    if writer is None or writer.kind == "embedding":
        return "" if writer is None else "embedding"
    return f"{writer.kind}.{writer.layer + 1}" + ("" if writer.head is None else f".{writer.head + 1}")


WRITER: state.Field[Writer | None] = state.Field("l.writer", None, _writer, spelled)
POINT = state.Field("l.point", "", _point)
TOKENS: state.Field[tuple[int, ...]] = state.Field("l.tokens", (), _ids, lambda ids: ".".join(map(str, ids)))
FOLLOWED = state.integer("l.token", 0, 0, 9_999_999)
"""The token whose pushes are counted, its id and one; 0 leaves it to the page."""
PUSHED = 10  # tokens listed either way
ADD = state.text("l.add", "", 40)
"""What is being typed; no link carries it."""


# ---------------------------------------------------------------- the page


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at: the trace, the packed lens and what it says, the chosen cell, and the revision that names text and points."""

    trace: Trace
    numbers: bytes
    found: Lens
    spot: Spot
    revision: str

    @property
    def real(self) -> int | None:
        """The token that the text really has at the chosen position."""
        token = int(self.found.real[self.spot.position])
        return None if token == NOBODY else token


def render(session: Session) -> None:
    """The page: the lens and what it is not, the race, the pushes."""
    st.title(session.words("layers.title"))
    st.markdown(session.words("layers.lead"))
    forget_the_place_in_another_text((session.specimen.id, session.prompt.ids, session.prompt.source_ids))
    serial = next(state.remember("layers.serial", itertools.count))
    _reading(session, serial, _view(session).spot)


@block
def _reading(session: Session, serial: int, anchor: Spot) -> None:
    """Everything that follows the chosen cell. The lens keeps the `anchor` it began with, so that no choice sends it anew."""
    words = session.words
    st.header(words("layers.lens.heading"))
    _lens_controls(words)
    view = _view(session)
    _lens(session, view, serial, anchor)
    _what_it_is_not(words, session.specimen.config)
    st.header(words("layers.race.heading"))
    _race(session, view)
    st.header(words("layers.pushes.heading"))
    st.markdown(words("layers.pushes.lead"))
    _pushes(session, view)


def _view(session: Session) -> View:
    """The lens of this text with the cell that the link or the reader asks for."""
    prompt, halves = session.prompt, state.get(HALVES)
    trace = compute.traced(session.specimen, prompt.ids, source=prompt.source_ids)
    key = (session.specimen.id, prompt.ids, prompt.source_ids, halves, _unknown(session))
    numbers = compute.packed("layers.lens", *key, make=lambda: canvas.pack(lens(trace, halves=halves, blanks=_unknown(session))))
    found = canvas.unpacked(numbers)
    asked = state.get(AT)
    position = asked - 1 if 0 < asked <= len(prompt.ids) else _telling(session)
    return View(trace, numbers, found, Spot(_chosen(found.points), position), f"{session.specimen.id}:{zlib.crc32(repr(key[1:]).encode()):08x}")


def _unknown(session: Session) -> tuple[int, ...]:
    """The places whose real token nobody knows: an encoder's blanks."""
    return session.prompt.blanks if isinstance(session.specimen.config.form, Encoder) else ()


def _telling(session: Session) -> int:
    """The position worth looking at first: an encoder's first blank, else the last token that the reader wrote."""
    prompt = session.prompt
    return prompt.blanks[0] if prompt.blanks else max(0, len(prompt.ids) - 1 - prompt.closing)


def _chosen(found: tuple[Point, ...]) -> int:
    """Which of the points is chosen: the link's, the end of its layer where it is not read, or else the answer."""
    keys, asked = [canvas.key_of(point) for point in found], state.get(POINT)
    return next((keys.index(key) for key in (asked, asked.rstrip("ac")) if key in keys), len(keys) - 1)


def choose(found: tuple[Point, ...], spot: Spot) -> None:
    """Keep the cell that the reader chose."""
    state.put(AT, spot.position + 1)
    state.put(POINT, canvas.key_of(found[spot.point]) if spot.point < len(found) - 1 else "")


def forget_the_place_in_another_text(text: object) -> None:
    """A position means nothing in a new text."""
    if state.remember("layers.text", lambda: text) == text:
        return
    state.forget("layers.text")
    state.remember("layers.text", lambda: text)
    state.reset(AT)


# ---------------------------------------------------------------- the lens


def _lens_controls(words: Words) -> None:
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom", key="layers-controls"):
        lights = {name: words(f"layers.lens.lights.{name}") for name in ("probability", "entropy", "divergence")}
        st.segmented_control(words("layers.lens.light"), list(lights), format_func=lights.__getitem__, required=True, **state.bind(LIGHT))
        st.toggle(words("layers.lens.halves"), help=words("layers.lens.halves_help"), **state.bind(HALVES))


def _lens(session: Session, view: View, serial: int, anchor: Spot) -> None:
    words, config = session.words, session.specimen.config
    scene = Scene(
        revision=view.revision,
        serial=serial,
        numbers=view.numbers,
        names=tuple(predicted(words, session.specimen, id) for id in canvas.named(view.numbers)),
        pieces=session.prompt.pieces,
        light=state.get(LIGHT),
        vocabulary=config.vocabulary,
        choice=Spot(min(anchor.point, len(view.found.points) - 1), anchor.position),
        writes=not isinstance(config.form, Encoder),
    )
    exhibit(
        session,
        "lens",
        lambda: lens_rows(words, "lens", scene, partial(choose, view.found.points), partial(follow, session, view)),
        lens_in_words(session, view),
        lambda: lens_table(session, view),
        lambda: lens_recipe(state.get(HALVES), _unknown(session)),
    )
    door(session, address(view), "lens")


def address(view: View) -> str:
    """Where the chosen cell's arithmetic begins: the answer's logit, or the stream's first number at that point."""
    point, position = view.found.points[view.spot.point], view.spot.position
    if view.spot.point == len(view.found.points) - 1:
        return f"logits[{position},{int(view.found.top[-1, position, 0])}]"
    return f"{point.site}[{position},0]"


def lens_in_words(session: Session, view: View) -> str:
    """From which layer on the lens reads the answer at the chosen position, and how often the text's own token is likeliest."""
    words, found, position = session.words, view.found, view.spot.position
    guesses = found.top[:, position, 0]
    begin = _settled(guesses == guesses[-1])
    told = {"piece": visible(session.prompt.pieces[position]), "position": position + 1, "token": _name(session, guesses[-1])}
    told["share"] = words.percent(float(found.chance[-1, position, 0]))
    if begin == 0:
        return f"{words('layers.lens.reading_all', **told)} {_hits(session, found)}".rstrip()
    other = {"point": canvas.label(words, found.points[begin]), "other": _name(session, guesses[begin - 1])}
    return f"{words('layers.lens.reading_from', **told, **other)} {_hits(session, found)}".rstrip()


def _hits(session: Session, found: Lens) -> str:
    """How often the text's own token is likeliest; of a text that the model wrote itself there is nothing to be said."""
    known = int((found.real != NOBODY).sum())
    if session.prompt.own:
        return session.words("layers.lens.reading_own")
    return session.words("layers.lens.reading_hits", hits=int((found.rank[-1] == 1).sum()), known=known) if known else ""


def _settled(agrees: np.ndarray) -> int:
    """From which point on everything agrees."""
    apart = np.flatnonzero(~agrees)
    return int(apart[-1]) + 1 if len(apart) else 0


def _name(session: Session, id: int) -> str:
    return visible(predicted(session.words, session.specimen, int(id)))


def lens_table(session: Session, view: View) -> pd.DataFrame:
    """The lens cell by cell, with the five likeliest tokens of each."""
    words = session.words
    found = lens(view.trace, halves=state.get(HALVES), blanks=_unknown(session))
    point, position, order = (axis.ravel() for axis in np.indices(found.top.shape))
    named = {id: _name(session, id) for id in np.unique(found.top).tolist()}
    columns = {
        "position": position + 1,
        "token": np.array([visible(piece) for piece in session.prompt.pieces], object)[position],
        "point": np.array([canvas.label(words, each) for each in found.points], object)[point],
        "order": order + 1,
        "guess": [named[id] for id in found.top.ravel().tolist()],
        "probability": found.chance.ravel(),
        "entropy": found.entropy[point, position],
        "divergence": found.divergence[point, position],
        "real_rank": found.rank[point, position],
    }
    return pd.DataFrame({words(f"layers.table.{name}"): column for name, column in columns.items()})


def lens_recipe(halves: bool, blanks: tuple[int, ...]) -> str:
    """Lines that compute the lens again."""
    return f"""from model.analysis.lens import lens

found = lens(trace, halves={halves}, blanks={blanks})
numbers = {{
    "top": found.top, "chance": found.chance, "entropy": found.entropy,
    "divergence": found.divergence, "rank": found.rank, "hit": found.hit,
}}"""


def _what_it_is_not(words: Words, config: Config) -> None:
    """What holds of every logit lens, and what is so in this model."""
    with st.container(key="layers-not", gap="small"):
        st.markdown(f"**{words('layers.not.title')}**")
        st.markdown(" ".join(words(f"layers.not.{name}") for name in caveats(config)))


def caveats(config: Config) -> list[str]:
    """What has to be said of the lens in a model of this configuration."""
    after = config.arrangement == Serial(norm_place="after")
    said = {
        "base": True,
        "tied": isinstance(config.output, Tied),
        "free": not isinstance(config.output, Tied),
        "after": after,
        "bare": not config.final_norm,
        "transformed": isinstance(config.readout, Transformed),
        "encoder": isinstance(config.form, Encoder),
        "pair": isinstance(config.form, EncoderDecoder),
    }
    return [name for name, holds in said.items() if holds]


# ---------------------------------------------------------------- the race


def runners(view: View, vocabulary: int) -> tuple[int, ...]:
    """The tokens that race: those the reader chose, else the likeliest at the end and what the text really has."""
    asked = tuple(id for id in state.get(TOKENS) if id < vocabulary)
    if asked:
        return asked
    usual = likeliest(view.trace, view.spot.position, FIRST)
    return usual if view.real is None or view.real in usual else (*usual, view.real)


def follow(session: Session, view: View, token: int) -> None:
    """Count who pushes a token, and let it race; in a full field it takes the last one's place."""
    state.put(FOLLOWED, token + 1)
    state.put(TOKENS, joined(runners(view, session.specimen.config.vocabulary), token))


def joined(field: tuple[int, ...], token: int) -> tuple[int, ...]:
    """A field with one more token, at most `MOST`."""
    return field if token in field else (*field[: MOST - 1], token)


def take(session: Session, view: View, token: int) -> None:
    """Take a token out of the race; the last one stays."""
    left = tuple(id for id in runners(view, session.specimen.config.vocabulary) if id != token)
    if left:
        state.put(TOKENS, left)


def leave_it_to_the_page() -> None:
    """Back to the likeliest tokens, in the race and in the pushes."""
    state.reset(TOKENS)
    state.reset(FOLLOWED)


def token_of(words: Words, specimen: Specimen, given: str) -> int:
    """The token that a reader wrote, as a word is written in the middle of a text if there is such a token. Raises `Refusal` for what is no
    token of this model, or several."""
    tokenizer, limit = specimen.loaded.tokenizer, specimen.config.vocabulary
    if tokenizer is None:
        if not re.fullmatch(r"\s*\d{1,7}\s*", given, re.ASCII) or int(given) >= limit:
            raise Refusal("token.number", "the tokens of this model are the numbers 0 to {last}; got {given!r}", last=limit - 1, given=given[:40])
        return int(given)
    if given.strip() == words("shell.prompt.end"):
        return tokenizer.begin
    found = [tokenizer.encode(written).ids for written in (f" {given.strip()}", given.strip())]
    one = next((ids[0] for ids in found if len(ids) == 1 and ids[0] < limit), None)
    if one is None:
        sentence = "{given!r} is no single token of this model, but {count}; try one of its words"
        raise Refusal("token.several", sentence, given=given.strip()[:40], count=len(found[1]))
    return one


def _race(session: Session, view: View) -> None:
    words, specimen = session.words, session.specimen
    _race_controls(session, view)
    ids = runners(view, specimen.config.vocabulary)
    raced = race(view.trace, view.spot.position, ids, halves=state.get(HALVES))
    field = Field(
        revision=f"{view.revision}/{view.spot.position}/{'.'.join(map(str, ids))}",
        title=words("layers.race.title", piece=visible(session.prompt.pieces[view.spot.position]), position=view.spot.position + 1),
        race=raced,
        names=tuple(predicted(words, specimen, id) for id in ids),
        measure=state.get(MEASURE),
        vocabulary=specimen.config.vocabulary,
        real=view.real if view.real in ids else None,
    )
    exhibit(
        session,
        "race",
        lambda: race_lines(words, "race", field, partial(take, session, view)),
        race_in_words(session, view, raced),
        lambda: race_table(session, raced),
        lambda: race_recipe(raced, state.get(HALVES)),
    )


def _race_controls(session: Session, view: View) -> None:
    words, specimen = session.words, session.specimen
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom", key="race-controls"):
        measures = {name: words(f"layers.race.measures.{name}") for name in ("rank", "probability")}
        st.segmented_control(words("layers.race.measure"), list(measures), format_func=measures.__getitem__, required=True, **state.bind(MEASURE))
        example = _name(session, likeliest(view.trace, view.spot.position, 1)[0])
        bound = state.bind(ADD, partial(_add, session, view), accept=partial(_token_written, words, specimen))
        st.text_input(words("layers.race.add"), max_chars=40, width=300, help=words("layers.race.add_help", example=example), **bound)
        if state.get(TOKENS) or state.get(FOLLOWED):
            st.button(words("layers.race.again"), key="race-again", on_click=leave_it_to_the_page, type="tertiary")
    refused = state.refusal(ADD)
    if refused:
        calm(words.refusal(refused))


def _token_written(words: Words, specimen: Specimen, given: str) -> str:
    token_of(words, specimen, given)
    return given


def _add(session: Session, view: View) -> None:
    follow(session, view, token_of(session.words, session.specimen, state.get(ADD)))
    state.reset(ADD)


def race_in_words(session: Session, view: View, raced: Race) -> str:
    """How the likeliest of the runners came to lead, and where the text's own token ends."""
    words, best = session.words, int(raced.rank[-1].argmin())
    ranks = raced.rank[:, best]
    told = {"token": _name(session, raced.tokens[best]), "begin": words.number(int(ranks[0]), 0)}
    told["share"] = words.percent(float(raced.chance[-1, best]))
    if ranks[-1] == 1:
        said = words("layers.race.reading_won", point=canvas.label(words, raced.points[_settled(ranks == 1)]), **told)
    else:
        said = words("layers.race.reading_behind", rank=words.number(int(ranks[-1]), 0), **told)
    if view.real not in raced.tokens or raced.tokens[best] == view.real:
        return said
    own = raced.tokens.index(view.real)
    end = {"rank": words.number(int(raced.rank[-1, own]), 0), "share": words.percent(float(raced.chance[-1, own]))}
    return f"{said} {words('layers.race.reading_real', token=_name(session, view.real), **end)}"


def race_table(session: Session, raced: Race) -> pd.DataFrame:
    """The race, token by token and point by point."""
    words = session.words
    point, runner = (axis.ravel() for axis in np.indices(raced.rank.shape))
    columns = {
        "guess": np.array([_name(session, id) for id in raced.tokens], object)[runner],
        "point": np.array([canvas.label(words, each) for each in raced.points], object)[point],
        "rank": raced.rank.ravel(),
        "probability": raced.chance.ravel(),
    }
    return pd.DataFrame({words(f"layers.table.{name}"): column for name, column in columns.items()})


def race_recipe(raced: Race, halves: bool) -> str:
    """Lines that compute the race again."""
    return f"""from model.analysis.lens import race

found = race(trace, {raced.position}, {raced.tokens}, halves={halves})
numbers = {{"rank": found.rank, "chance": found.chance}}"""


# ---------------------------------------------------------------- who pushes whom


@dataclass(frozen=True, slots=True, eq=False)
class Push:
    """What is counted at one position: who pushes the followed `token` how far (`credits`, as many as `writers`), in all its `logit`; and
    whom the chosen `writer` pushes (`logits`, one for every token of the vocabulary)."""

    position: int
    token: int
    writers: tuple[Writer, ...]
    credits: np.ndarray
    asked: Attribution
    writer: Writer
    logits: np.ndarray

    @property
    def up(self) -> np.ndarray:
        """The ids pushed up furthest, the furthest first."""
        return np.argsort(-self.logits, kind="stable")[:PUSHED]

    @property
    def down(self) -> np.ndarray:
        """The ids pushed down furthest, the furthest first."""
        return np.argsort(self.logits, kind="stable")[:PUSHED]


def pushing(trace: Trace, position: int, token: int, writer: Writer | None) -> Push:
    """Everybody's push of a token, and one writer's of all tokens: of the one asked for if this model has it, else of the head or MLP that
    pushes the token most."""
    everyone, asked = writers(trace.model.config), attribution(trace, position, (token,))
    credits = np.array([credited(asked, each)[0] for each in everyone])
    single = np.array([each.head is not None or each.kind == "mlp" for each in everyone])
    chosen = writer if writer in everyone and writer is not None else everyone[int(np.where(single, credits, -np.inf).argmax())]
    return Push(position, token, everyone, credits, asked, chosen, pushed(trace, position, chosen))


def _followed(view: View, vocabulary: int) -> int:
    """The token whose pushes are counted: the one followed, else the answer."""
    wanted = state.get(FOLLOWED) - 1
    return wanted if 0 <= wanted < vocabulary else likeliest(view.trace, view.spot.position, 1)[0]


def _pushes(session: Session, view: View) -> None:
    words, specimen, position = session.words, session.specimen, view.spot.position
    token = _followed(view, specimen.config.vocabulary)
    _pushes_controls(session, view, token)
    push = pushing(view.trace, position, token, state.get(WRITER))
    told = {"token": _name(session, token), "piece": visible(session.prompt.pieces[position]), "position": position + 1}
    board = Board(
        revision=f"{view.revision}/{position}/{token}/{spelled(push.writer)}",
        titles=(words("layers.pushes.grid", **told), words("layers.pushes.lists", writer=writer_name(words, push.writer))),
        writers=push.writers,
        values=push.credits,
        chosen=push.writers.index(push.writer),
        up=_listed(session, push, push.up),
        down=_listed(session, push, push.down),
        followed=token,
        vocabulary=specimen.config.vocabulary,
    )
    exhibit(
        session,
        "pushes",
        lambda: push_board(words, "pushes", board, partial(state.put, WRITER), partial(follow, session, view)),
        pushes_in_words(session, push),
        lambda: pushes_table(session, push),
        lambda: pushes_recipe(push),
    )
    kind = "transformed" if isinstance(specimen.config.readout, Transformed) else "plain"
    st.caption(f"{words('layers.pushes.direct')} {words(f'layers.pushes.held_{kind}')}")
    if push.writer.kind == "mlp":
        _neurons(session, view.trace, push)


def _pushes_controls(session: Session, view: View, token: int) -> None:
    """The followed token, among those that race."""
    field = runners(view, session.specimen.config.vocabulary)
    options = [id + 1 for id in (field if token in field else (*field, token))]
    label, say = session.words("layers.pushes.follow_label"), lambda option: _name(session, option - 1)
    st.selectbox(label, options, format_func=say, width=300, **state.bind(FOLLOWED, shown=token + 1))


def _listed(session: Session, push: Push, ids: np.ndarray) -> tuple[tuple[int, str, float], ...]:
    return tuple((int(id), predicted(session.words, session.specimen, int(id)), float(push.logits[id])) for id in ids)


def _signed(words: Words, value: float) -> str:
    return ("+" if value > 0.005 else "") + words.number(round(float(value), 2) + 0.0, 2)


def pushes_in_words(session: Session, push: Push) -> str:
    """Whom the chosen writer pushes, who pushes the followed token most, and how its logit adds up."""
    words, asked, (up, down) = session.words, push.asked, (int(push.up[0]), int(push.down[0]))
    one = {"writer": writer_name(words, push.writer), "token": _name(session, push.token), "value": _signed(words, push.logits[push.token])}
    ends = {"up": _name(session, up), "up_value": _signed(words, push.logits[up])}
    ends |= {"down": _name(session, down), "down_value": _signed(words, push.logits[down])}
    parts = {
        "logit": _signed(words, float(asked.logits[0])),
        "embedding": _signed(words, float(asked.embedding[0])),
        "attention": _signed(words, sum(float(heads.sum() + asked.biases[branch].sum()) for branch, heads in asked.heads.items())),
        "mlp": _signed(words, float(asked.mlp.sum())),
        "rest": _signed(words, float(asked.offsets[0] + asked.bias[0])),
    }
    return f"{words('layers.pushes.reading', **one, **ends)} {words('layers.pushes.sum', token=one['token'], **parts)}"


def pushes_table(session: Session, push: Push) -> pd.DataFrame:
    """Everybody's push of the followed token, then the chosen writer's of the tokens it pushes furthest."""
    words, ids = session.words, [*push.up.tolist(), *push.down[::-1].tolist()]
    named, own = [writer_name(words, each) for each in push.writers], writer_name(words, push.writer)
    columns = {
        "writer": named + [own] * len(ids),
        "guess": [_name(session, push.token)] * len(named) + [_name(session, id) for id in ids],
        "logits": [*push.credits.tolist(), *push.logits[ids].tolist()],
    }
    return pd.DataFrame({words(f"layers.table.{name}"): column for name, column in columns.items()})


def pushes_recipe(push: Push) -> str:
    """Lines that compute the pushes again."""
    return f"""import numpy as np
from model.analysis.lens import Writer, credited, pushed, writers
from model.analysis.residual import attribution

asked = attribution(trace, {push.position}, ({push.token},))
logits = pushed(trace, {push.position}, {push.writer!r})
up, down = np.argsort(-logits, kind="stable")[:{PUSHED}], np.argsort(logits, kind="stable")[:{PUSHED}]
numbers = {{
    "credits": np.array([credited(asked, writer)[0] for writer in writers(model.config)]),
    "up": up, "up_logits": logits[up], "down": down, "down_logits": logits[down],
}}"""


# ---------------------------------------------------------------- the neurons of an MLP


def _neurons(session: Session, trace: Trace, push: Push) -> None:
    """The neurons of the chosen MLP that do most to the followed token's logit, either way."""
    words, found = session.words, neurons(trace, push.position, push.writer.layer, push.token)
    frame = neurons_table(session, trace, push, found)
    st.markdown(f"**{words('layers.neurons.title', layer=push.writer.layer + 1, token=_name(session, push.token))}**")
    exhibit(
        session,
        "neurons",
        lambda: st.dataframe(frame, hide_index=True, key="neurons"),
        neurons_in_words(session, push, found, frame),
        lambda: neurons_table(session, trace, push, found, len(found.credits)),
        lambda: neurons_recipe(push),
    )


def neurons_table(session: Session, trace: Trace, push: Push, found: Neurons, count: int = PUSHED) -> pd.DataFrame:
    """The `count` neurons that do most, and of the first of them whom they speak for."""
    words, order = session.words, np.argsort(-np.abs(found.credits), kind="stable")[:count]
    spoken = [", ".join(_name(session, id) for id in speaks_for(trace, push.position, found.layer, int(each))) for each in order[:PUSHED]]
    columns = {"neuron": order + 1, "activated": found.activated[order], "logits": found.credits[order]}
    columns["speaks_for"] = [*spoken, *[""] * (len(order) - len(spoken))]
    return pd.DataFrame({words(f"layers.table.{name}"): column for name, column in columns.items()})


def neurons_in_words(session: Session, push: Push, found: Neurons, frame: pd.DataFrame) -> str:
    """The neuron that does most, and how much all of them do."""
    words, most = session.words, int(np.abs(found.credits).argmax())
    told = {"neuron": most + 1, "activated": words.number(round(float(found.activated[most]), 2) + 0.0, 2), "tokens": frame.iloc[0, -1]}
    values = {"value": _signed(words, float(found.credits[most])), "whole": _signed(words, float(found.credits.sum()) + found.bias)}
    return words("layers.neurons.reading", count=words.number(len(found.credits), 0), token=_name(session, push.token), **told, **values)


def neurons_recipe(push: Push) -> str:
    """Lines that compute the neurons again."""
    return f"""from model.analysis.lens import neurons

found = neurons(trace, {push.position}, {push.writer.layer}, {push.token})
numbers = {{"activated": found.activated, "credits": found.credits}}"""


PAGE = Page("layers", render, (LIGHT, HALVES, AT, POINT, MEASURE, TOKENS, FOLLOWED, WRITER))
