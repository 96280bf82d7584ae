"""The finder: every head by one measure, those that lead, what silencing them costs, one head's map, and its relatives."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, page, state
from components.canvas.kin import Relative, kin
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.plate import visible
from components.canvas.roster import Entry, Roster, Standing, roster
from components.controls.arithmetic import door
from components.i18n import Words
from components.page import Session, block, exhibit
from components.pages import attention
from components.pages.heads import recipes
from components.pages.heads.study import Basis, Study, basis, dials, worldly
from components.pages.heads.wanted import COLUMN, HEAD, KIN, LAYER, MEASURE, MEASURES, ROW, SINK, Place, named, revision, traced
from model.analysis.attention import HeadReading, one_head
from model.analysis.head_probes import COUNTS
from model.analysis.heads import COSTS, LOOKS, SURE, Effect, Head
from model.analysis.likeness import Likeness, likeness

LISTED = 8
NEARLY = 0.75
"""The share of the bound from which a head that is missed is said to be close."""
RELATIVES = 5
PAIRS = 4_000
PULSE = 0.5
FULL = {"previous": "previous token", "first": "first token", "current": "current token", "duplicate": "duplicate token"}
"""What the machine calls the measures that a link calls shorter."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The heads of one place by one measure: `scores` and `effects` of each, counted layer by layer, and their `order`, the first leading."""

    measure: str
    heads: tuple[Head, ...]
    scores: tuple[float, ...]
    effects: tuple[Effect | None, ...]

    @property
    def name(self) -> str:
        """What the machine calls the measure."""
        return FULL.get(self.measure, self.measure)

    @property
    def share(self) -> bool:
        """Whether its score is a share of attention, and so can earn a name."""
        return self.measure not in ("distance", "entropy")

    @property
    def order(self) -> list[int]:
        """The numbers of all heads, the highest score first."""
        return sorted(range(len(self.heads)), key=lambda number: -self.scores[number])

    def standing(self, number: int) -> Standing:
        """Whether a head has earned the name, is close to it, or neither."""
        if not self.share:
            return "none"
        score, effect = self.scores[number], self.effects[number]
        if self.name in self.heads[number].labels:
            return "named"
        return "close" if score >= LOOKS or (score >= NEARLY * LOOKS and effect is not None and effect.real) else "none"


def ranking(heads: Sequence[Head], measure: str) -> Ranking:
    """The heads of one place by a measure that they have; where it is no share of attention, silenced over the documents."""
    name = FULL.get(measure, measure)
    if measure in ("distance", "entropy"):
        scores = [head.entropy if measure == "entropy" else head.distance or 0.0 for head in heads]
        effects = [head.effects.get("first token") for head in heads]
    else:
        scores = [{str(key): value for key, value in head.scores.items()}[name] for head in heads]
        effects = [{str(key): value for key, value in head.effects.items()}.get(name) for head in heads]
    return Ranking(measure, tuple(heads), tuple(scores), tuple(effects))


def measures(heads: Sequence[Head]) -> list[str]:
    """The measures that make sense for these heads."""
    known: set[str] = {"entropy", *heads[0].scores} | ({"distance"} if heads[0].distance is not None else set())
    return [name for name in MEASURES if FULL.get(name, name) in known]


# ---------------------------------------------------------------- the block


@block
def finder(session: Session, place: Place, study: Study) -> None:
    """The measure, the ranking, the chosen head's map, and its relatives: one choice moves them all."""
    if len(place.queries) < 2 and worldly(session.specimen) is None:
        return
    found = basis(session, study) if len(place.queries) > 1 or worldly(session.specimen) else None
    heads = [head for head in found.heads if head.where == place.where] if found else []
    if found is None or not heads:
        return
    measure = _measure(session.words, measures(heads))
    ranked = ranking(heads, measure)
    number = chosen(session, place, ranked)
    _definition(session, ranked)
    shown = _roster(session, place, ranked, number, found)
    exhibit(
        session,
        "finder",
        lambda: roster(session.words, "roster", shown, partial(choose, session)),
        in_words(session.words, ranked),
        lambda: every(session.words, heads),
        partial(recipes.finder, ranked.measure, place.where, _how(session, found)),
    )
    _source(session, study, found)
    if len(place.queries) > 1:
        _map(session, place, number)
        _kinship(session, place, number)


def _how(session: Session, found: Basis) -> str:
    """The lines that find the heads again."""
    prompt = session.prompt
    if found.kind == "glance":
        return recipes.glance()
    if worldly(session.specimen) is None:
        return recipes.foreign(prompt.opening, prompt.closing)
    return recipes.world(dials(session.specimen))


def _measure(words: Words, known: list[str]) -> str:
    """The measure: the one asked for where it makes sense, else induction, else the first there is."""
    wanted = state.get(MEASURE)
    shown = wanted if wanted in known else "induction" if "induction" in known else known[0]
    say = {name: words(f"heads.measure.{name}.name") for name in known}
    label = words("heads.finder.measure")
    st.segmented_control(label, known, format_func=say.__getitem__, required=True, label_visibility="collapsed", **state.bind(MEASURE, shown=shown))
    return shown


def _definition(session: Session, ranked: Ranking) -> None:
    """What the score is, in a sentence and as a formula."""
    words = session.words
    about, formula = words(f"heads.measure.{ranked.measure}.about"), words(f"heads.measure.{ranked.measure}.formula")
    st.html(f'<p class="v-promise">{html.escape(about)}<br><code>{html.escape(formula)}</code></p>')


def chosen(session: Session, place: Place, ranked: Ranking) -> int:
    """The head on show: the one asked for where the place has it, else the one that leads."""
    config = session.specimen.config
    layer, head = state.get(LAYER), state.get(HEAD)
    if 0 < layer <= config.depths[place.where.stack] and 0 < head <= config.attention.heads:
        return (layer - 1) * config.attention.heads + head - 1
    return ranked.order[0]


def choose(session: Session, number: int) -> None:
    """Keep the head that the reader chose; its cell is chosen anew."""
    layer, head = divmod(number, session.specimen.config.attention.heads)
    state.put(LAYER, layer + 1)
    state.put(HEAD, head + 1)
    state.reset(ROW)
    state.reset(COLUMN)


# ---------------------------------------------------------------- the ranking


def _roster(session: Session, place: Place, ranked: Ranking, number: int, found: Basis) -> Roster:
    words, config = session.words, session.specimen.config
    most = 1.0 if ranked.share else max(ranked.scores) or 1.0
    listed = ranked.order[:LISTED]
    said = {name: words(f"heads.finder.{name}") for name in ("list", "score", "lost", "cell", "keys", "corner")}
    named_measure = words(f"heads.measure.{ranked.measure}.name")
    said |= {
        "title": words("heads.finder.title", measure=named_measure.lower(), place=words(f"where.{place.where.name}").lower()),
        "grid": words("heads.finder.grid", measure=named_measure.lower()),
        "scale": words(f"heads.finder.scale_{'share' if ranked.share else 'plain'}", measure=named_measure.lower()),
        "low": _written(words, ranked, 0.0),
        "high": _written(words, ranked, most),
    }
    return Roster(
        revision=revision(session, place, ranked.measure, ranked.scores, found.kind),
        layers=config.depths[place.where.stack],
        heads=config.attention.heads,
        entries=tuple(_entry(words, ranked, each, most) for each in range(len(ranked.heads))),
        ranked=tuple(listed if number in listed else [*listed, number]),
        chosen=number,
        said=said,
    )


def _entry(words: Words, ranked: Ranking, number: int, most: float) -> Entry:
    score, effect, standing = ranked.scores[number], ranked.effects[number], ranked.standing(number)
    why = "named" if standing == "named" else "unseen" if effect is None else "unmissed" if score >= LOOKS else "nearly"
    return Entry(
        number=number,
        share=min(1.0, max(0.0, score / most)),
        written=_written(words, ranked, score),
        lost=None if effect is None else effect.nats,
        error=None if effect is None else effect.error,
        told="" if effect is None else nats(words, effect),
        standing=standing,
        chip="" if standing == "none" else words(f"heads.chip.{why}", name=words(f"heads.measure.{ranked.measure}.name").lower()),
    )


def _written(words: Words, ranked: Ranking, score: float) -> str:
    if ranked.share:
        return words.percent(score)
    return words(f"heads.unit.{ranked.measure}", value=words.number(score, 2 if ranked.measure == "entropy" else 1))


def nats(words: Words, effect: Effect) -> str:
    """What was lost, with its sign and its standard error."""
    rounded = round(effect.nats, 4) + 0.0
    return f"{'+' if rounded > 0 else ''}{words.number(rounded, 4)} ± {words.number(effect.error, 4)}"


def in_words(words: Words, ranked: Ranking) -> str:
    """Who leads, what it costs to do without it, and who has earned the name."""
    heads, first = len([head for head in ranked.heads if head.layer == 0]), ranked.order[0]
    effect = ranked.effects[first]
    named_heads = [named(number, heads) for number in ranked.order if ranked.standing(number) == "named"]
    told = {"head": named(first, heads), "score": _written(words, ranked, ranked.scores[first])}
    sentences = [words(f"heads.reading.{'leads' if ranked.share else f'leads_{ranked.measure}'}", **told)]
    if effect is not None:
        cost = "costs" if effect.real else "costs_nothing"
        sentences.append(words(f"heads.reading.{cost}", nats=nats(words, effect)))
    if ranked.share and effect is not None:
        kind = "none" if not named_heads else "one" if len(named_heads) == 1 else "many"
        bounds = {"looks": words.percent(LOOKS), "costs": words.number(COSTS, 3), "sure": words.number(SURE, 0)}
        sentences.append(words(f"heads.reading.named_{kind}", heads=", ".join(named_heads), count=len(named_heads), **bounds))
    return " ".join(sentences)


def every(words: Words, heads: Sequence[Head]) -> pd.DataFrame:
    """Every head of the place with every number that is known of it."""
    columns: dict[str, list[object]] = {
        words("heads.table.layer"): [head.layer + 1 for head in heads],
        words("heads.table.head"): [head.head + 1 for head in heads],
        words("heads.table.labels"): [", ".join(words(f"heads.measure.{_short(name)}.name") for name in head.labels) for head in heads],
    }
    for name in heads[0].scores:
        title = words(f"heads.measure.{_short(name)}.name")
        columns[words("heads.table.score", measure=title)] = [head.scores[name] for head in heads]
        if heads[0].effects:
            columns[words("heads.table.effect", measure=title)] = [head.effects[name].nats for head in heads]
            columns[words("heads.table.error", measure=title)] = [head.effects[name].error for head in heads]
    if heads[0].distance is not None:
        columns[words("heads.table.distance")] = [head.distance for head in heads]
    columns[words("heads.table.entropy")] = [head.entropy for head in heads]
    return pd.DataFrame(columns)


def _short(name: str) -> str:
    return name.removesuffix(" token")


# ---------------------------------------------------------------- where the numbers come from


def _source(session: Session, study: Study, found: Basis) -> None:
    """What the numbers were measured on, and the way to measure again."""
    job = study.job(session)
    alive = job is not None and not job.ended
    with st.container(key="heads-source"):
        st.caption(_told(session, found))
        block(_work, run_every=PULSE if alive else None)(session, study, alive)


def _told(session: Session, found: Basis) -> str:
    words, foreign = session.words, worldly(session.specimen) is None
    if found.kind == "glance":
        return words("heads.source.glance_foreign" if foreign else "heads.source.glance")
    where = "foreign" if foreign else "pairs" if "encoder" in session.specimen.config.depths and session.prompt.source else "world"
    said = words(f"heads.source.{where}", documents=COUNTS["documents"], others=COUNTS["repeats"])
    return f"{words('heads.source.live') if found.since is None else words('heads.source.kept', date=_date(words, found))} {said}"


def _date(words: Words, found: Basis) -> str:
    since = found.since
    assert since is not None
    return f"{since:%d/%m/%Y}" if words.language == "pt-BR" else f"{since:%Y-%m-%d}"


def _work(session: Session, study: Study, beating: bool) -> None:
    """The button, or how far the search is; when it ends, the page is drawn anew."""
    words, job = session.words, study.job(session)
    if job is None or job.ended:
        if beating:
            st.rerun(scope="app")
        name = "start" if basis(session, study).kind == "glance" else "again"
        st.button(words(f"heads.source.{name}"), key="heads-start", on_click=study.start, args=(session,))
        if job is not None and job.failure is not None:
            page.calm(words.refusal(job.failure))
        return
    if not beating:
        st.rerun(scope="app")
    share, left = (job.latest.fraction if job.latest else 0.0), job.remaining
    told = words("heads.source.waiting", turn=job.turn) if job.state == "queued" else words("heads.source.running", share=words.percent(share, 0))
    if left is not None:
        told += " " + words("heads.source.left", time=words.duration(left))
    st.html(
        f'<div class="v-progress"><p>{html.escape(told)}</p><span role="progressbar" aria-valuenow="{100 * share:.0f}" aria-valuemin="0" '
        f'aria-valuemax="100" aria-label="{html.escape(told)}"><i style="width:{share:.1%};background:var(--accent)"></i></span></div>'
    )
    st.button(words("heads.source.stop"), key="heads-stop", on_click=job.stop)


# ---------------------------------------------------------------- one head on the reader's text


def _map(session: Session, place: Place, number: int) -> None:
    words, (layer, head) = session.words, divmod(number, session.specimen.config.attention.heads)
    reading = one_head(traced(session), layer, head, place.where)
    st.subheader(words("heads.map.heading", layer=layer + 1, head=head + 1))
    with st.container(horizontal=True, gap="medium", vertical_alignment="center", key="heads-doors"):
        st.toggle(words("heads.map.sink"), **state.bind(SINK))
        st.button(words("heads.map.attention"), key="heads-attention", type="tertiary", on_click=_to_attention, args=(place, layer, head))
    if state.remember("heads.leaving", list):
        state.forget("heads.leaving")
        st.switch_page(session.pages["attention"])
    left, right = st.columns([11, 10], gap="large")
    with left:
        at = cell(reading)
        _one_map(session, place, reading, at)
        door(session, f"{place.where.site(layer, 'pattern')}[{head},{at[0]},{at[1]}]", "heads")
    with right:
        _relatives(session, place, number)


def _to_attention(place: Place, layer: int, head: int) -> None:
    """The attention page is to open with this head."""
    state.put(attention.WHERE, place.where.name)
    state.put(attention.LAYER, layer + 1)
    state.put(attention.HEAD, head + 1)
    state.remember("heads.leaving", list).append(True)


def cell(reading: HeadReading) -> tuple[int, int]:
    """The cell on show: the one asked for where the text has it, else where the last token looks most."""
    row, column = state.get(ROW), state.get(COLUMN)
    query = row - 1 if 0 < row <= reading.queries else reading.queries - 1
    return query, column - 1 if 0 < column <= reading.keys and row > 0 else reading.strongest(query, without_sink=True)


def _one_map(session: Session, place: Place, reading: HeadReading, at: tuple[int, int]) -> None:
    words, sink = session.words, state.get(SINK)
    title = words("heads.map.title", layer=reading.layer + 1, head=reading.head + 1)
    shape = Matrix(title, reading.pattern, place.queries, place.keys, allowed=reading.allowed, across=not reading.square, omit=-1 if sink else 0)
    name = revision(session, place, reading.layer, reading.head, sink)
    packed = compute.packed("heads.map", name, make=lambda: pack(shape))
    exhibit(
        session,
        "headmap",
        lambda: matrix_map(words, "headmap", shape, packed, name, chosen=at, choose=_keep_cell, height=420),
        _cell_in_words(words, place, reading, at),
        lambda: attention.pairs(words, attention.Place(place.where, place.queries, place.keys), reading),
        partial(recipes.pattern, place.where, reading.layer, reading.head),
    )


def _keep_cell(query: int, key: int) -> None:
    state.put(ROW, query + 1)
    state.put(COLUMN, key + 1)


def _cell_in_words(words: Words, place: Place, reading: HeadReading, at: tuple[int, int]) -> str:
    query, key = at
    names = {"row": query + 1, "query": visible(place.queries[query]), "column": key + 1, "key": visible(place.keys[key])}
    sink = words.percent(float(reading.pattern[1:, 0].mean() if reading.square else reading.pattern[:, 0].mean()))
    return words("heads.map.reading", share=words.percent(float(reading.pattern[query, key])), sink=sink, **names)


# ---------------------------------------------------------------- heads beside each other


def alike(session: Session, place: Place) -> Likeness:
    """How alike the heads of the place are, worked out once for a whole room."""
    specimen, prompt, kind, sink = session.specimen, session.prompt, state.get(KIN), state.get(SINK)
    heads = specimen.config.depths[place.where.stack] * specimen.config.attention.heads
    trace = traced(session)

    def make() -> bytes:
        found = likeness(trace, place.where, "says" if kind == "says" else "looks", sink=sink)
        return b"".join([found.distances.tobytes(), np.array(found.order, np.int64).tobytes(), np.array(found.queries, np.int64).tobytes()])

    data = compute.packed("heads.likeness", specimen.id, prompt.ids, prompt.source_ids, place.where, kind, sink, make=make)
    distances, rest = np.frombuffer(data[: 8 * heads * heads]).reshape(heads, heads), np.frombuffer(data[8 * heads * heads :], np.int64)
    order, queries = tuple(rest[:heads].tolist()), tuple(rest[heads:].tolist())
    return Likeness("says" if kind == "says" else "looks", place.where, specimen.config.attention.heads, distances, order, queries, sink)


def _relatives(session: Session, place: Place, number: int) -> None:
    """The chosen head's map, small, and those of its nearest."""
    words, found, trace = session.words, alike(session, place), traced(session)
    others = found.relatives(number, RELATIVES)

    def relative(other: int) -> Relative:
        layer, head = found.name(other)
        label = words("heads.kin.label", layer=layer + 1, head=head + 1)
        told = words("heads.kin.itself") if other == number else words("heads.kin.alike", share=words.percent(1 - found.distances[number, other]))
        return Relative(other, label, told, one_head(trace, layer, head, place.where).pattern)

    shown = tuple(map(relative, [number, *others]))
    name = revision(session, place, number, others, found.kind, found.sink)
    exhibit(
        session,
        "kin",
        lambda: kin(words, "kin", words(f"heads.kin.title_{found.kind}"), shown, name, partial(choose, session)),
        _nearest(words, found, number, others),
        lambda: _kin_table(words, found, [(number, other) for other in others]),
        partial(recipes.likeness, place.where, found.kind, found.sink),
    )


def _nearest(words: Words, found: Likeness, number: int, others: list[int]) -> str:
    if not others:
        return words("heads.kin.alone", head=named(number, found.heads))
    share = words.percent(1 - found.distances[number, others[0]])
    return words(f"heads.kin.reading_{found.kind}", head=named(number, found.heads), other=named(others[0], found.heads), share=share)


def _kinship(session: Session, place: Place, number: int) -> None:
    """All heads against all, relatives side by side."""
    words = session.words
    st.header(words("heads.likeness.heading"))
    say = {kind: words(f"heads.likeness.kinds.{kind}") for kind in ("looks", "says")}
    left, right = st.columns([13, 8], gap="large")
    with right:
        st.segmented_control(words("heads.likeness.kind"), list(say), format_func=say.__getitem__, required=True, **state.bind(KIN))
        found = alike(session, place)
        st.markdown(" ".join([words(f"heads.likeness.about_{found.kind}"), _bounded(words, place, found)]).strip())
        st.caption(words("heads.likeness.order"))
    with left:
        _matrix(session, place, found, number)


def _matrix(session: Session, place: Place, found: Likeness, number: int) -> None:
    words = session.words
    order = np.array(found.order)
    labels = tuple(named(each, found.heads) for each in found.order)
    values = 1 - found.distances[np.ix_(order, order)]
    said = {each: words(f"heads.likeness.{each}") for each in ("rows", "columns", "cell", "label", "scale")}
    shape = Matrix(words(f"heads.likeness.title_{found.kind}"), values, labels, labels, said=said)
    name = revision(session, place, found.kind, found.sink, "likeness")
    at = found.order.index(number)
    exhibit(
        session,
        "likeness",
        lambda: matrix_map(
            words,
            "likeness",
            shape,
            compute.packed("heads.likeness.map", name, make=lambda: pack(shape)),
            name,
            chosen=(at, at),
            choose=lambda row, _: choose(session, found.order[row]),
            height=640,
        ),
        _closest(words, found),
        lambda: _kin_table(words, found, _pairs(found)),
        partial(recipes.likeness, place.where, found.kind, found.sink),
    )


def _bounded(words: Words, place: Place, found: Likeness) -> str:
    parts = [] if found.kind == "says" or found.sink else [words("heads.likeness.unsunk")]
    if len(found.queries) < len(place.queries) - 1:
        parts.append(words("heads.likeness.bounded", count=len(found.queries)))
    return " ".join(parts)


def _pairs(found: Likeness) -> list[tuple[int, int]]:
    """Pairs of heads, the most alike first, so many of them."""
    first, second = np.triu_indices(len(found.order), 1)
    nearest = np.argsort(found.distances[first, second], kind="stable")[:PAIRS]
    return list(zip(first[nearest].tolist(), second[nearest].tolist(), strict=True))


def _closest(words: Words, found: Likeness) -> str:
    (one, other), *_ = _pairs(found) or [(0, 0)]
    share = words.percent(1 - found.distances[one, other])
    return words("heads.likeness.reading", one=named(one, found.heads), other=named(other, found.heads), share=share)


def _kin_table(words: Words, found: Likeness, pairs: list[tuple[int, int]]) -> pd.DataFrame:
    one, other = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))
    columns = {
        "layer": one // found.heads + 1,
        "head": one % found.heads + 1,
        "other_layer": other // found.heads + 1,
        "other_head": other % found.heads + 1,
        "unlike": found.distances[one, other],
        "alike": 1 - found.distances[one, other],
    }
    return pd.DataFrame({words(f"heads.table.{name}"): values for name, values in columns.items()})
