"""The head view: threads between the tokens that ask and those that are asked, for any heads and any tokens at once, added up."""

from __future__ import annotations

import itertools
import zlib
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas import threads as canvas
from components.canvas.plate import visible
from components.canvas.threads import Choice, Limits, Scene
from components.controls.arithmetic import door
from components.controls.prompt import piece
from components.i18n import Words
from components.page import Session, block, exhibit
from model.analysis.attention import Floats, one_head, rows_at
from model.analysis.places import Where
from model.analysis.threads import Heads, Threads, speaking, strong, sunk, threads
from model.config import Decoder
from model.errors import Refusal
from model.generation import generate
from model.trace import Trace

LIMIT = 4_096
NOTHING = "none"
NEXT = state.option("t.next", 0, (0, 4, 8, 16))
DENSE_TABLE = 4_096  # pairs up to which the table lists every weight
NAMED = 3  # heads, tokens and shares that a sentence names one by one
LEAST = 0.001  # above that, the sum from which it does


# ---------------------------------------------------------------- in the link, counted from 1


def _parts(given: str) -> list[str]:
    written = _TEXT.read(given)
    return [] if written == NOTHING else written.split("~")


_TEXT = state.text("t", "", 4 * LIMIT)


def _read_heads(given: str) -> Heads | None:
    return tuple(dict.fromkeys(_head(part) for part in _parts(given)))


def _head(part: str) -> tuple[int, int]:
    layer, _, head = part.partition(".")
    return _count(layer) - 1, _count(head) - 1


def _write_heads(heads: Heads | None) -> str:
    return _TEXT.write("~".join(f"{layer + 1}.{head + 1}" for layer, head in heads or ()) or NOTHING)


def _read_tokens(given: str) -> tuple[int, ...] | None:
    runs = [_run(part) for part in _parts(given)]
    if any(later.start <= earlier.stop for earlier, later in itertools.pairwise(runs)):
        raise Refusal("threads.order", "tokens are written in order and apart, as 1-3~9; got {given!r}", given=given[:40])
    return tuple(itertools.chain.from_iterable(runs))


def _run(part: str) -> range:
    first, several, last = part.partition("-")
    return range(_count(first) - 1, _count(last if several else first))


def _write_tokens(tokens: tuple[int, ...] | None) -> str:
    runs = [[token for _, token in run] for _, run in itertools.groupby(enumerate(tokens or ()), lambda pair: pair[1] - pair[0])]
    spelled = (str(run[0] + 1) if len(run) == 1 else f"{run[0] + 1}-{run[-1] + 1}" for run in runs)
    return _TEXT.write("~".join(spelled) or NOTHING)


def _count(written: str) -> int:
    if not (written.isascii() and written.isdigit() and len(written) <= 4 and 0 < int(written) <= LIMIT):
        raise Refusal("threads.count", "heads and tokens are counted from 1 to {limit}, got {given!r}", limit=LIMIT, given=written[:40])
    return int(written)


HEADS: state.Field[Heads | None] = state.Field("t.heads", None, _read_heads, _write_heads)
TOKENS: state.Field[tuple[int, ...] | None] = state.Field("t.tokens", None, _read_tokens, _write_tokens)
SIDE = state.option("t.by", "query", ("query", "key"))
DRAW = state.option("t.draw", "columns", ("columns", "arcs"))
SINK = state.flag("t.sink", True)
MEAN = state.flag("t.mean", False)
FIELDS = (HEADS, TOKENS, SIDE, DRAW, SINK, MEAN, NEXT)


def choose(choice: Choice) -> None:
    """Keep what the reader chose."""
    state.put(HEADS, choice.heads)
    state.put(TOKENS, choice.tokens)
    state.put(SIDE, choice.side)
    state.put(DRAW, choice.draw)
    state.put(SINK, choice.sink)
    state.put(MEAN, choice.mean)


def settle(opening: Choice, limits: Limits) -> Choice:
    """What is shown: what was asked for where this model and text have it, else what is worth looking at."""
    side, heads, tokens = state.get(SIDE), state.get(HEADS), state.get(TOKENS)
    there = heads is not None and all(layer < limits.layers and head < limits.heads for layer, head in heads)
    among = limits.keys if side == "key" else limits.queries
    known = tokens is not None and all(token < among for token in tokens)
    shown = (tokens if known else tuple(token for token in opening.tokens if token < among)) or ()
    return Choice((heads if there else opening.heads) or (), shown, side, state.get(DRAW), state.get(SINK), state.get(MEAN))


# ---------------------------------------------------------------- what is looked at


@dataclass(frozen=True, slots=True)
class Loom:
    """The attention that is drawn: where it happens, the tokens of both sides, the ids that were read (the model's own continuation, the
    last `written`, among them), and the query worth looking at."""

    where: Where
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    ids: tuple[int, ...]
    written: int
    at: int

    @property
    def matters(self) -> tuple[int, ...]:
        """The tokens to begin with: what the model has just written, or the query worth looking at."""
        return tuple(range(len(self.ids) - self.written, len(self.ids))) if self.written else (self.at,)


@block
def woven(session: Session, where: Where, queries: tuple[str, ...], keys: tuple[str, ...], at: int, serial: int) -> None:
    """The exhibit: threads, their sum in words and in a table. While a text is short its scene never changes, whatever the reader chooses,
    so that nothing is sent twice."""
    _forget_the_tokens_of_another_text((session.prompt.ids, session.prompt.source_ids, where, state.get(NEXT)))
    words = session.words
    st.subheader(words("threads.title"), anchor=False)
    st.markdown(words("threads.lead"))
    loom = loomed(session, where, queries, keys, at)
    trace = compute.traced(session.specimen, loom.ids, source=session.prompt.source_ids)
    limits = Limits(trace.model.config.depths[where.stack], trace.model.config.attention.heads, len(loom.queries), len(loom.keys))
    choice, scene = compose(session, loom, trace, limits, serial)
    reading = threads(trace, choice.heads, choice.tokens, choice.side, where, sink=choice.sink)
    exhibit(
        session,
        "threads",
        lambda: canvas.threads(words, "threads", scene, choose),
        in_words(words, loom, reading, trace, choice),
        lambda: weights(words, loom, reading, trace),
        lambda: recipe(session.prompt.ids, loom, reading),
    )
    _strongest_door(session, loom, reading, trace)


def _forget_the_tokens_of_another_text(text: object) -> None:
    """Positions mean nothing in a new text, or in another place; the heads stay."""
    if state.remember("threads.text", lambda: text) != text:
        state.forget("threads.text")
        state.remember("threads.text", lambda: text)
        state.reset(TOKENS)


def loomed(session: Session, where: Where, queries: tuple[str, ...], keys: tuple[str, ...], at: int) -> Loom:
    """What is looked at; of a decoder's text with what it writes next, if the reader asks for that."""
    ids = session.prompt.ids
    room = session.specimen.config.context - len(ids)
    if not isinstance(session.specimen.config.form, Decoder) or room <= 0:
        return Loom(where, queries, keys, ids, 0, at)
    _ask_for_more(session.words)
    new = continued(session, min(room, state.get(NEXT)))
    pieces = (*queries, *(piece(session.words, session.specimen, id) for id in new))
    return Loom(where, pieces, pieces, (*ids, *new), len(new), at)


def _ask_for_more(words: Words) -> None:
    named = {count: words("threads.next_none") if not count else words("threads.next_count", count=count) for count in (0, 4, 8, 16)}
    st.segmented_control(words("threads.next"), list(named), format_func=named.__getitem__, required=True, **state.bind(NEXT))


def continued(session: Session, count: int) -> tuple[int, ...]:
    """What the model writes next, likeliest token by likeliest token."""
    specimen, ids = session.specimen, session.prompt.ids

    def make() -> bytes:
        return array("q", [step.id for step in generate(specimen.loaded.model, ids, tokens=count)]).tobytes()

    kept = array("q")
    kept.frombytes(compute.packed("threads.next", specimen.id, ids, count, make=make) if count else b"")
    return tuple(kept)


def compose(session: Session, loom: Loom, trace: Trace, limits: Limits, serial: int) -> tuple[Choice, Scene]:
    """What is chosen, and the scene; of a short text the scene holds what was chosen when it was first shown."""
    key = (session.specimen.id, loom.ids, session.prompt.source_ids, loom.where)
    opening = Choice(_opening(key, trace, loom), loom.matters)
    choice = settle(opening, limits)
    revision = f"{session.specimen.id}:{zlib.crc32(repr(key[1:]).encode()):08x}"
    frame = Scene(
        revision=revision,
        serial=serial,
        limits=limits,
        queries=loom.queries,
        keys=None if loom.where.branch == "attn" else loom.keys,
        written=loom.written,
        choice=_first(revision, serial, choice) if limits.dense else choice,
        opening=opening,
    )
    return choice, _whole(frame, key, trace, loom) if limits.dense else _parted(frame, key, trace, loom)


def _first(revision: str, serial: int, choice: Choice) -> Choice:
    kept = state.remember("threads.first", dict)
    if kept.get("of") != (revision, serial):
        kept.update(of=(revision, serial), choice=choice)
    return kept["choice"]


def _opening(key: tuple[object, ...], trace: Trace, loom: Loom) -> Heads:
    def make() -> bytes:
        return array("q", [number for pair in speaking(trace, loom.matters[-1], loom.where) for number in pair]).tobytes()

    kept = array("q")
    kept.frombytes(compute.packed("threads.opening", *key, loom.matters[-1], make=make))
    return tuple(zip(kept[::2], kept[1::2], strict=True))


def _whole(scene: Scene, key: tuple[object, ...], trace: Trace, loom: Loom) -> Scene:
    config, where, everyone = trace.model.config, loom.where, range(len(loom.queries))

    def make() -> bytes:
        return canvas.pack_maps(np.stack([rows_at(trace, where, layer, everyone) for layer in range(config.depths[where.stack])]))

    return replace(scene, maps=compute.packed("threads.maps", *key, make=make))


def _parted(scene: Scene, key: tuple[object, ...], trace: Trace, loom: Loom) -> Scene:
    choice = scene.choice
    kept = choice.sink or choice.side == "query"

    def packed(layer: int, head: int) -> Callable[[], bytes]:
        return lambda: canvas.pack_strong(strong(one_head(trace, layer, head, loom.where).pattern))

    def sums() -> bytes:
        return canvas.pack_sums(threads(trace, choice.heads, choice.tokens, choice.side, loom.where, sink=kept))

    of = tuple(compute.packed("threads.strong", *key, head, make=packed(*head)) for head in choice.heads)
    added = compute.packed("threads.sums", *key, choice.heads, choice.tokens, choice.side, kept, make=sums)
    return replace(scene, strong=of, sums=added)


# ---------------------------------------------------------------- in words


def in_words(words: Words, loom: Loom, reading: Threads, trace: Trace, choice: Choice) -> str:
    """What the sum is made of, where most of it goes, and what the first token takes."""
    if not reading.heads:
        return words("threads.no_heads")
    others = loom.keys if reading.side == "query" else loom.queries
    shown = reading.averaged if choice.mean else reading.summed
    best = [place for place in np.argsort(-shown, kind="stable")[:NAMED] if shown[place] > 0]
    told_as = "share_told" if reading.side == "query" else "share_from"
    shares = [words(f"threads.{told_as}", share=value(words, float(shown[place]), mean=choice.mean), token=visible(others[place])) for place in best]
    listed = _listed(words, shares) or words("threads.nothing")
    kind = "mean" if choice.mean else "sum"
    named = {"heads": _heads_named(words, reading.heads), "tokens": _tokens_named(words, loom, reading)}
    told = words(f"threads.reading_{reading.side}_{kind}", shares=listed, **named)
    return " ".join([told, _sink_in_words(words, loom, reading, trace, choice)]).strip()


def value(words: Words, number: float, *, mean: bool) -> str:
    """A mean is a share, in per cent; a sum is a number, 1 being all that one token gives in one head."""
    if mean:
        return words.percent(number)
    return f"<\u202f{words.number(0.01, 2)}" if 0 < number < 0.005 else words.number(number, 2 if number < 99.995 else 0)


def _heads_named(words: Words, heads: Heads) -> str:
    if len(heads) == 1:
        return words("threads.head_named", layer=heads[0][0] + 1, head=heads[0][1] + 1)
    if len(heads) > NAMED:
        return words("threads.heads_count", count=len(heads))
    names = [words("threads.head_short", layer=layer + 1, head=head + 1) for layer, head in heads]
    return words("threads.heads_named", names=_listed(words, names))


def _listed(words: Words, names: list[str]) -> str:
    return words("threads.and").join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _tokens_named(words: Words, loom: Loom, reading: Threads) -> str:
    own = loom.queries if reading.side == "query" else loom.keys
    if not reading.tokens:
        return words("threads.every", count=len(own))
    if len(reading.tokens) > NAMED:
        return words("threads.tokens_count", count=len(reading.tokens))
    return _listed(words, [f"“{visible(own[token])}”" for token in reading.tokens])


def _sink_in_words(words: Words, loom: Loom, reading: Threads, trace: Trace, choice: Choice) -> str:
    chosen = reading.tokens if reading.side == "query" else ()
    share = words.percent(sunk(trace, reading.heads, chosen, loom.where))
    name = "sink_in" if choice.sink else "sink_out"
    return words(f"threads.{name}{'' if chosen else '_all'}", share=share, token=visible(loom.keys[0]))


# ---------------------------------------------------------------- in a table, in a notebook


def weights(words: Words, loom: Loom, reading: Threads, trace: Trace) -> pd.DataFrame:
    """The chosen tokens' weights, pair by pair, a column a head and their sum, the largest first; of many pairs only the sums from `LEAST`."""
    many = reading.chosen * reading.by_head.shape[1] > DENSE_TABLE
    chosen = list(reading.tokens or range(reading.chosen))
    maps = [_picked(one_head(trace, *head, loom.where).pattern, chosen, reading) for head in reading.heads]
    added = np.sum(maps, axis=0) if maps else np.zeros((0, 0), np.float32)
    rows, columns = np.nonzero(added >= LEAST if many else added > 0)
    order = np.argsort(-added[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    own = np.asarray(chosen)[rows] if len(rows) else rows
    query, key = (own, columns) if reading.side == "query" else (columns, own)
    named = {"row": query + 1, "query": _named(loom.queries, query), "column": key + 1, "key": _named(loom.keys, key)}
    titles = [words("threads.head_named", layer=layer + 1, head=head + 1) for layer, head in reading.heads]
    heads = {title: one[rows, columns] for title, one in zip(titles, maps, strict=True)}
    title = words("threads.table.sum_from", least=words.percent(LEAST)) if many else words("threads.table.sum")
    return pd.DataFrame({words(f"attention.table.{name}"): column for name, column in named.items()} | heads | {title: added[rows, columns]})


def _picked(pattern: Floats, chosen: list[int], reading: Threads) -> Floats:
    if not reading.sink:
        pattern[:, 0] = 0
    return pattern[chosen] if reading.side == "query" else pattern[:, chosen].T


def _named(pieces: tuple[str, ...], places: np.ndarray) -> np.ndarray:
    return np.array([visible(piece) for piece in pieces], object)[places]


def recipe(ids: tuple[int, ...], loom: Loom, reading: Threads) -> str:
    """The sums again, from the model and the text alone."""
    new = loom.ids[len(ids) :]
    more = ["from model.trace import Tracer", f"trace = Tracer(model).trace([*ids, *{list(new)}])"] if new else []
    where, axis = loom.where, 0 if reading.side == "query" else 1
    at = f"[{list(reading.tokens)}]" if reading.side == "query" else f"[:, {list(reading.tokens)}]"
    lines = [
        "import numpy as np",
        *more,
        f"heads = {list(reading.heads)}  # (layer, head), counted from 0",
        f'maps = [trace.pattern(layer, "{where.branch}", "{where.stack}")[head].numpy().copy() for layer, head in heads]',
        *([] if reading.sink else ["for one in maps:", "    one[:, 0] = 0  # the sink is left out"]),
        f"by_head = np.array([one{at if reading.tokens else ''}.sum({axis}) for one in maps])",
        f'numbers = {{"by_head": by_head, "sum": by_head.sum(0), "mean": by_head.sum(0) / {max(1, len(reading.heads) * reading.chosen)}}}',
    ]
    return "\n".join(lines)


def _strongest_door(session: Session, loom: Loom, reading: Threads, trace: Trace) -> None:
    """To the arithmetic of the strongest thread on show; only of what the reader wrote, which is what that page reads."""
    if loom.written or not reading.heads or not reading.tokens or not reading.whole:
        return
    head, other = divmod(int(reading.by_head.argmax()), reading.by_head.shape[1])
    layer, index = reading.heads[head]
    pattern = _picked(one_head(trace, layer, index, loom.where).pattern, list(reading.tokens), reading)
    own = reading.tokens[int(pattern[:, other].argmax())]
    query, key = (own, other) if reading.side == "query" else (other, own)
    door(session, f"{loom.where.site(layer, 'pattern')}[{index},{query},{key}]", "threads")
