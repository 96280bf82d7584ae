"""The families chosen, in miniature and of equal size, on the reader's text: what each may look at, where it looks, how fast it is."""

from __future__ import annotations

import html
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas.map import Matrix, matrix_map, pack
from components.canvas.plate import visible
from components.compute import Specimen
from components.controls import where as places
from components.controls.prompt import read
from components.figures import masklet, weighing
from components.i18n import Words
from components.page import Prompt, Session, block, exhibit
from components.pages.families import choice, training
from components.pages.families.choice import COUNT, DEPTH, HEAD, HEADS, LAYER, LAYERS, PLACE, SEED, WEIGHED, WIDTH, WIDTHS
from model.analysis.places import Where, main, own
from model.analysis.places import places as attentions
from model.checkpoints import Loaded, Report
from model.checkpoints.marks import ours
from model.config import Config, Decoder, Encoder, EncoderDecoder
from model.cost import cache_bytes_per_token, parameters
from model.generation.pace import Pace, Reader, race
from model.trace import Trace
from model.training.objective import tokenizer, usual
from model.transformer import Transformer

SHIPPED = {Decoder: "", Encoder: "masked", EncoderDecoder: "translator"}
"""The trained model of each form that ships, as `compute` calls it."""
RACED = "families.race"
BORN = compute.Shelf(96 * compute.MEGABYTE, lambda specimen: 4 * specimen.parameters)
"""Miniatures with random weights, shared by the room."""


@dataclass(frozen=True)
class Sample:
    """A model in miniature and the text as it reads it."""

    title: str
    specimen: Specimen
    prompt: Prompt

    @property
    def trace(self) -> Trace:
        """Everything that happens in it."""
        return compute.traced(self.specimen, self.prompt.ids, source=self.prompt.source_ids)

    def place(self, wanted: str) -> Where:
        """The attention asked for, where this model has it."""
        config = self.specimen.config
        return attentions(config).get(wanted, main(config))


@dataclass(frozen=True, slots=True)
class Spot:
    """One head of one layer, counted from 0, in one of a model's attentions."""

    where: Where
    layer: int
    head: int


# ---------------------------------------------------------------- the section


def miniatures(session: Session, names: Sequence[str]) -> None:
    """The miniatures, what they may look at and where they look; their speed; the way to train them."""
    words = session.words
    st.header(words("families.run.title"))
    st.markdown(words("families.run.lead"))
    _budget(words, names)
    samples = [_sample(session, name) for name in names]
    st.caption(_origin(words, samples))
    _maps(session, samples)
    _figures(session, samples)
    training.workshop(session, names)


def _budget(words: Words, names: Sequence[str]) -> None:
    """The size that all miniatures have, and whose weights."""
    with st.container(key="families-budget", horizontal=True, gap="medium"):
        for field, options, name in ((WIDTH, WIDTHS, "width"), (DEPTH, LAYERS, "layers"), (COUNT, HEADS, "heads")):
            st.segmented_control(words(f"families.run.{name}"), options, required=True, **state.bind(field))
        offered = _weights(names)
        shown = state.get(WEIGHED) if state.get(WEIGHED) in offered else "random"
        spelled = {name: words(f"families.run.weights.{name}") for name in offered}
        bound = state.bind(WEIGHED, shown=shown)
        st.segmented_control(words("families.run.weights.label"), offered, required=True, format_func=spelled.__getitem__, **bound)
        st.number_input(words("families.run.seed"), 0, 99, step=1, width=110, **state.bind(SEED))


def _weights(names: Sequence[str]) -> list[str]:
    """What can be offered: the models that ship differ by form only, so not to compare two designs of one form; those trained here
    once there are some."""
    forms = [type(choice.find(name).config.form) for name in names]
    shipped = len(set(forms)) == len(forms) and all(compute.specimen_of(SHIPPED[form]) for form in forms)
    return ["random", *(["shipped"] if shipped else []), *(["here"] if training.trained(names) else [])]


def _origin(words: Words, samples: Sequence[Sample]) -> str:
    weights = state.get(WEIGHED) if state.get(WEIGHED) in _weights(choice.chosen()) else "random"
    return words(f"families.run.origin.{weights}", seed=state.get(SEED), count=len(samples))


# ---------------------------------------------------------------- models and their text


def _sample(session: Session, name: str) -> Sample:
    words, weights = session.words, state.get(WEIGHED)
    if weights == "shipped" and "shipped" in _weights(choice.chosen()):
        specimen = compute.specimen_of(SHIPPED[type(choice.find(name).config.form)])
        assert specimen is not None
        return Sample(f"{specimen.name} ({choice.family(words, name)})", specimen, _prompt(session, specimen, writes=True))
    trained = training.specimen(name) if weights == "here" else None
    specimen = trained or _drawn(choice.small(name), state.get(SEED))
    return Sample(choice.family(words, name), specimen, _prompt(session, specimen, writes=trained is not None))


def _drawn(config: Config, seed: int) -> Specimen:
    """A miniature with the weights it was born with; the same for everybody who asks for the same."""

    def born() -> Specimen:
        words = tokenizer(usual(config))
        report = Report("vitrine", parameters(config), formats=("float32",))
        return compute.specimen(Loaded(Transformer(config, seed=seed), words, None, report, ours(words)), "")

    return BORN.get((config, seed), born)


def _prompt(session: Session, specimen: Specimen, *, writes: bool) -> Prompt:
    """The reader's text as this model reads it. An encoder–decoder reads it as its source; one that has learned nothing is also given
    it as its target, because what it would write is noise without end."""
    text = session.prompt.source.text if session.prompt.source else session.prompt.text
    if not isinstance(specimen.config.form, EncoderDecoder):
        return read(session.words, specimen, text)
    return read(session.words, specimen, "" if writes else text, text)


# ---------------------------------------------------------------- masks and maps


@block
def _maps(session: Session, samples: Sequence[Sample]) -> None:
    """What each may look at, and where one head of it looks."""
    words = session.words
    spots = _spots(words, samples)
    exhibit(
        session,
        "families-maps",
        lambda: _drawn_maps(session, samples, spots),
        " ".join(_told(words, sample, spot) for sample, spot in zip(samples, spots, strict=True)),
        lambda: pd.concat([_table(words, sample, spot) for sample, spot in zip(samples, spots, strict=True)]),
    )


def _spots(words: Words, samples: Sequence[Sample]) -> list[Spot]:
    """Where to look: the same layer and head of each, as far as it has them."""
    configs = [sample.specimen.config for sample in samples]
    with st.container(key="families-spot", horizontal=True, gap="medium"):
        _place(words, configs)
        layers, heads = max(max(config.depths.values()) for config in configs), max(config.attention.heads for config in configs)
        layer = _pick(words("families.run.layer"), LAYER, layers)
        head = _pick(words("families.run.head"), HEAD, heads)
    places = [sample.place(state.get(PLACE)) for sample in samples]
    return [
        Spot(where, min(layer, config.depths[where.stack]) - 1, min(head, config.attention.heads) - 1)
        for where, config in zip(places, configs, strict=True)
    ]


def _place(words: Words, configs: Sequence[Config]) -> None:
    """Which of an encoder–decoder's attentions, where there is one."""
    pair = next((config for config in configs if isinstance(config.form, EncoderDecoder)), None)
    if pair is None:
        return
    names = list(attentions(pair))
    spelled = {name: words(f"where.{name}") for name in names}
    bound = state.bind(PLACE, shown=state.get(PLACE) or main(pair).name)
    st.segmented_control(words("where.label"), names, format_func=spelled.__getitem__, required=True, **bound)


def _pick(label: str, field: state.Field[int], count: int) -> int:
    shown = min(state.get(field), count)
    bound = state.bind(field, shown=shown)
    st.selectbox(label, range(1, count + 1), width=110, **bound)
    return shown


def _drawn_maps(session: Session, samples: Sequence[Sample], spots: Sequence[Spot]) -> None:
    for number, (column, sample, spot) in enumerate(zip(st.columns(len(samples), gap="medium"), samples, spots, strict=True)):
        with column:
            weighed = session.words("families.run.parameters", parameters=session.words.count(sample.specimen.parameters))
            st.html(f"<p><b>{html.escape(sample.title)}</b> · {html.escape(weighed)}</p>")
            beside, wide = st.columns([1, 3], gap="small")
            with beside:
                _mask(session.words, sample, spot)
            with wide:
                _map(session.words, sample, spot, f"families-map-{number}")


def _mask(words: Words, sample: Sample, spot: Spot) -> None:
    """The mask the model has of its own, as a picture and as a specification."""
    allowed, _ = _numbers(sample, spot)
    written = html.escape(str(own(sample.specimen.config, spot.where)))
    told = html.escape(words("families.run.mask", where=words(f"where.{spot.where.name}")))
    high, wide = masklet.size(allowed)
    picture = f'<img src="{masklet.address(allowed)}" alt="{told}: {written}" width="{wide}" height="{high}">'
    st.html(f"{picture}<p>{told}:<br><code>{written}</code></p>")


def _map(words: Words, sample: Sample, spot: Spot, key: str) -> None:
    """The weights of one head, what is forbidden hatched."""
    allowed, weights = _numbers(sample, spot)
    queries, keys = places.pieces(sample.prompt, spot.where)
    told = words("families.run.map", layer=spot.layer + 1, head=spot.head + 1, where=words(f"where.{spot.where.name}"))
    matrix = Matrix(told, weights, queries, keys, allowed=allowed)
    about = (sample.specimen.id, sample.prompt.ids, sample.prompt.source_ids, spot)
    packed = compute.packed("families.map", *about, make=lambda: pack(matrix))
    matrix_map(words, key, matrix, packed, f"{zlib.crc32(repr(about).encode()):08x}.{words.language}", height=420)


def _numbers(sample: Sample, spot: Spot) -> tuple[np.ndarray, np.ndarray]:
    """Who may look at whom, and one head's weights: both (queries, keys)."""
    trace, where = sample.trace, spot.where
    allowed = trace.allowed(where.branch, where.stack).numpy()
    return allowed, trace.pattern(spot.layer, where.branch, where.stack)[spot.head].float().numpy()


def _told(words: Words, sample: Sample, spot: Spot) -> str:
    """What may be looked at, and where the last token looks most."""
    allowed, weights = _numbers(sample, spot)
    queries, keys = places.pieces(sample.prompt, spot.where)
    best = int(weights[-1].argmax())
    return words(
        "families.run.reading",
        title=sample.title,
        pairs=words.number(int(allowed.sum()), 0),
        all=words.number(allowed.size, 0),
        query=visible(queries[-1]),
        key=visible(keys[best]),
        weight=words.percent(float(weights[-1, best])),
        even=words.percent(1 / max(1, int(allowed[-1].sum()))),
    )


def _table(words: Words, sample: Sample, spot: Spot) -> pd.DataFrame:
    """A row a pair that may look."""
    allowed, weights = _numbers(sample, spot)
    queries, keys = places.pieces(sample.prompt, spot.where)
    row, column = np.nonzero(allowed)
    columns = {
        "model": sample.title,
        "row": row + 1,
        "query": [visible(queries[at]) for at in row],
        "column": column + 1,
        "key": [visible(keys[at]) for at in column],
        "weight": weights[row, column],
    }
    return pd.DataFrame({words(f"families.table.{name}"): values for name, values in columns.items()})


# ---------------------------------------------------------------- figures, computed and measured


@block
def _figures(session: Session, samples: Sequence[Sample]) -> None:
    """What the miniatures weigh, and how fast they are once somebody asks."""
    words = session.words
    asked = tuple((sample.specimen.id, sample.prompt.ids, sample.prompt.source_ids) for sample in samples)
    if st.button(words("families.speed.measure"), key="families-measure"):
        with st.spinner(words("families.speed.busy")):
            state.forget(RACED)
            paces = race([Reader(sample.specimen.loaded.model, sample.prompt.ids, sample.prompt.source_ids) for sample in samples])
            state.remember(RACED, lambda: (asked, paces))
    rows, titles = _rows(words, samples, _raced(asked)), tuple(sample.title for sample in samples)
    exhibit(
        session,
        "families-speed",
        lambda: st.html(weighing.table(words, rows, titles)),
        _paced(words, samples, _raced(asked)),
        lambda: _sheet(words, rows, titles),
    )


def _raced(asked: object) -> tuple[Pace, ...]:
    """What was measured for exactly these models and texts; nothing where they have changed since."""
    raced, paces = state.remember(RACED, lambda: (None, ()))
    return paces if raced == asked else ()


def _rows(words: Words, samples: Sequence[Sample], paces: Sequence[Pace]) -> list[weighing.Row]:
    configs, arithmetic = [sample.specimen.config for sample in samples], words("size.figures.computed")
    rows = [weighing.Row(words("size.figures.parameters"), arithmetic, tuple(words.count(sample.specimen.parameters) for sample in samples))]
    cached = tuple(words("families.speed.nothing") if config.main == "encoder" else words.bytes(cache_bytes_per_token(config)) for config in configs)
    rows.append(weighing.Row(words("size.figures.cache"), arithmetic, cached))
    if not paces:
        return rows
    here = words("size.figures.measured")
    reads = tuple(words("families.speed.per_second", tokens=words.count(pace.read)) for pace in paces)
    writes = tuple(words("families.speed.nothing") if pace.write is None else words.duration(pace.write) for pace in paces)
    return [*rows, weighing.Row(words("families.speed.reads"), here, reads), weighing.Row(words("families.speed.writes"), here, writes)]


def _paced(words: Words, samples: Sequence[Sample], paces: Sequence[Pace]) -> str:
    if not paces:
        return words("families.speed.unmeasured")
    laps = words.number(min(pace.laps for pace in paces), 0)
    tokens = words.number(max(len(sample.prompt.ids) + len(sample.prompt.source_ids) for sample in samples), 0)
    if len(paces) == 1:
        return words("families.speed.one", tokens=tokens, laps=laps)
    first, second = paces
    fast, slow = (0, 1) if first.read >= second.read else (1, 0)
    ratio = words.number(paces[fast].read / paces[slow].read, 2)
    return words("families.speed.two", tokens=tokens, laps=laps, fast=samples[fast].title, slow=samples[slow].title, ratio=ratio)


def _sheet(words: Words, rows: Sequence[weighing.Row], titles: Sequence[str]) -> pd.DataFrame:
    lines = [(row.name, row.known, *row.values) for row in rows]
    return pd.DataFrame(lines, columns=pd.Index([words("families.speed.figure"), words("families.speed.known"), *titles]))
