"""Embeddings: the vocabulary in the plane, a text moving through it layer by layer, and how alike its positions are."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from plotly.graph_objects import Figure

from components import compute, state
from components.canvas.plate import visible
from components.canvas.scatter import Field, Group, pack, scatter
from components.controls.prompt import piece
from components.figures import closeness
from components.i18n import Words
from components.page import Page, Session, block, exhibit, layout, note
from model.analysis import embedding
from model.analysis.embedding import BEFORE, OUTPUT, Cloud, Drawing, Method, Neighbours
from model.config import EncoderDecoder, Kind
from model.text.classes import CLASSES, class_of

SETS = ("words", "text", "others")
WHAT = state.option("e.set", SETS[0], SETS)
METHODS: tuple[Method, ...] = ("tsne", "pca")
METHOD = state.option("e.method", "", ("", *METHODS))
STACK = state.option("e.stack", "", ("", "encoder", "decoder"))
STAGE = state.integer("e.stage", 0, 0, embedding.MOST_STAGES)
POINT = state.integer("e.point", 0, 0, 1_000_000)
"""Which point is chosen, from 1 on; 0 leaves it to the page."""
SEED = state.integer("e.seed", 0, 0, 9_999)
OF = state.option("e.of", "", ("", "added", "states"))
FIELDS = (WHAT, METHOD, STACK, STAGE, POINT, SEED, OF)

COLOURS = {
    "name": "#f2c14e",
    "noun_pt": "#4f9df7",
    "noun_en": "#a6d3ff",
    "adjective_pt": "#4fb562",
    "adjective_en": "#b4e8a2",
    "verb_pt": "#ff6f61",
    "verb_en": "#ffb9ab",
    "number_pt": "#a880ff",
    "number_en": "#dccbff",
}
AROUND = 3
"""Tokens told before and after a token in its context."""
ALIKE = 128
"""Positions whose cosines are drawn; of a longer text that many, evenly spread."""


# ---------------------------------------------------------------- what is shown


@dataclass(frozen=True, slots=True)
class Shown:
    """What a session looks at: the model and text, the kind of cloud, its stack, and the method that lays it out."""

    session: Session
    what: str
    stack: Kind
    method: Method
    seed: int

    @property
    def key(self) -> tuple[Any, ...]:
        """What the numbers depend on."""
        prompt = self.session.prompt
        read = () if self.what == "words" and self.world else (prompt.ids, prompt.source_ids)
        return self.session.specimen.id, read, self.what, self.stack

    @property
    def world(self) -> tuple[int, ...]:
        """The words that are shown whatever the text; none for a model of another world, which shows what is near the text."""
        tokenizer = self.session.specimen.loaded.tokenizer
        return tokenizer.world if tokenizer else ()

    @property
    def revision(self) -> str:
        """A name for the picture."""
        what = (*self.key[1:], self.session.prompt.ids, self.session.prompt.source_ids, self.method, self.seed, self.session.words.language)
        return f"{self.session.specimen.id}:{zlib.crc32(repr(what).encode()):08x}"


def shown(session: Session) -> Shown:
    """What this session looks at, in so far as this model and text have it."""
    config, what = session.specimen.config, state.get(WHAT)
    offered = sets(session)
    what = what if what in offered else offered[0]
    stack: Kind = "encoder" if state.get(STACK) == "encoder" and isinstance(config.form, EncoderDecoder) else config.main
    method: Method = state.get(METHOD) or ("tsne" if what == "words" else "pca")
    return Shown(session, what, stack, method, state.get(SEED))


def sets(session: Session) -> tuple[str, ...]:
    """The clouds there are: among other texts only for a model that reads the micro-world."""
    tokenizer = session.specimen.loaded.tokenizer
    return SETS if tokenizer is not None and tokenizer.world else SETS[:2]


def cloud_of(seen: Shown) -> Cloud:
    """The vectors, made once for a room."""
    return _read(compute.packed("embeddings.cloud", *seen.key, make=lambda: _written(_made(seen))))


def _made(seen: Shown) -> Cloud:
    specimen, prompt = seen.session.specimen, seen.session.prompt
    model, tokenizer = specimen.loaded.model, specimen.loaded.tokenizer
    if seen.what == "words":
        return embedding.words(model, () if seen.world else (*prompt.ids, *prompt.source_ids), seen.world or None)
    others = embedding.examples(model, tokenizer) if seen.what == "others" and tokenizer else ()
    return embedding.in_context(compute.traced(specimen, prompt.ids, source=prompt.source_ids), seen.stack, others)


def _written(cloud: Cloud) -> bytes:
    file, texts = io.BytesIO(), cloud.texts
    points = np.array([(point.id, point.place, point.text) for point in cloud.points], np.int64).reshape(-1, 3)
    ids, ends = np.array([id for text in texts for id in text], np.int64), np.cumsum([len(text) for text in texts])
    vectors: dict[str, Any] = {f"v{at}": one for at, one in enumerate(cloud.vectors)}
    np.savez(file, allow_pickle=False, points=points, stages=np.array(cloud.stages), ids=ids, ends=ends, **vectors)
    return file.getvalue()


def _read(data: bytes) -> Cloud:
    found = np.load(io.BytesIO(data))
    stages = tuple(found["stages"].tolist())
    texts = tuple(tuple(part.tolist()) for part in np.split(found["ids"], found["ends"].astype(int))[:-1])
    points = tuple(embedding.Point(*row) for row in found["points"].tolist())
    return Cloud(points, stages, tuple(found[f"v{at}"] for at in range(len(stages))), texts)


# ---------------------------------------------------------------- the page


def render(session: Session) -> None:
    """The page: what is shown, the points, and how alike the positions are."""
    words = session.words
    st.title(words("embeddings.title"))
    st.markdown(words("embeddings.lead"))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        seen = shown(session)
        _choice(words, WHAT, sets(session), seen.what, "set")
        _choice(words, METHOD, METHODS, seen.method, "method")
        if isinstance(session.specimen.config.form, EncoderDecoder) and seen.what != "words":
            _choice(words, STACK, ("encoder", "decoder"), seen.stack, "stack")
    plane(session)
    closeness_of_positions(session)


def _choice(words: Words, field: state.Field[Any], options: Sequence[str], now: str, name: str) -> None:
    spelled = {option: words(f"embeddings.{name}.{option}") for option in options}
    if len(options) > 1:
        bound = state.bind(field, shown=now, then=lambda: state.reset(POINT) if field is not METHOD else None)
        st.segmented_control(words(f"embeddings.{name}.label"), options, format_func=spelled.__getitem__, required=True, **bound)


@block
def plane(session: Session) -> None:
    """The points, what is nearest to the chosen one, and how far the picture can be believed."""
    seen = shown(session)
    cloud, words = cloud_of(seen), session.words
    if len(cloud.points) < 2:
        note(session, words("embeddings.few"))
        return
    drawing = drawing_of(seen, cloud)
    near = [embedding.nearest(vectors) for vectors in cloud.vectors]
    field = field_of(seen, cloud, drawing, near)
    stage, point = min(state.get(STAGE), len(cloud.stages) - 1), chosen(seen, cloud)
    packed = compute.packed("embeddings.field", seen.revision, make=lambda: pack(field))
    exhibit(
        session,
        "embeddings",
        lambda: scatter(words, "scatter", field, packed, (stage, point), lambda at: state.put(POINT, at + 1), lambda at: state.put(STAGE, at)),
        in_words(seen, cloud, drawing, near, field, stage, point),
        lambda: table(seen, cloud, near, field, point),
        lambda: recipe(seen),
    )


def drawing_of(seen: Shown, cloud: Cloud) -> Drawing:
    """The points in the plane, laid out once for a room."""

    def make() -> bytes:
        made = embedding.drawn(cloud, seen.method, seen.seed)
        file, shares = io.BytesIO(), {} if made.explained is None else {"explained": np.asarray(made.explained)}
        np.savez(file, allow_pickle=False, places=made.places, **shares)
        return file.getvalue()

    found = np.load(io.BytesIO(compute.packed("embeddings.drawing", *seen.key, seen.method, seen.seed, make=make)))
    return Drawing(found["places"], found.get("explained"))


def chosen(seen: Shown, cloud: Cloud) -> int:
    """The point that is looked at: the reader's choice, or else the text's last token."""
    wanted = state.get(POINT)
    if 0 < wanted <= len(cloud.points):
        return wanted - 1
    return marked(seen, cloud)[-1] if marked(seen, cloud) else 0


def marked(seen: Shown, cloud: Cloud) -> tuple[int, ...]:
    """The points that are the reader's own tokens."""
    if seen.what != "words":
        return tuple(at for at, point in enumerate(cloud.points) if point.text == 0)
    where = {point.id: at for at, point in enumerate(cloud.points)}
    prompt = seen.session.prompt
    return tuple(dict.fromkeys(where[id] for id in (*prompt.source_ids, *prompt.ids) if id in where))


def field_of(seen: Shown, cloud: Cloud, drawing: Drawing, near: Sequence[Neighbours]) -> Field:
    """The picture: labels, the words around each, colours by class where the model's world has classes."""
    words, specimen = seen.session.words, seen.session.specimen
    pieces = {id: piece(words, specimen, id) for id in {point.id for point in cloud.points} | {id for text in cloud.texts for id in text}}
    groups = classes(pieces, cloud)
    present = sorted(set(groups) - {-1})
    renumbered = {old: new for new, old in enumerate(present)} | {-1: -1}
    return Field(
        revision=seen.revision,
        title=words(f"embeddings.scatter.title_{seen.what}"),
        stages=tuple(stage_name(words, stage) for stage in cloud.stages),
        places=drawing.places,
        labels=tuple(visible(pieces[point.id]) for point in cloud.points),
        details=tuple(_around(words, cloud, point, pieces) for point in cloud.points),
        groups=tuple(renumbered[group] for group in groups),
        kinds=tuple(Group(words(f"embeddings.class.{CLASSES[group]}"), COLOURS[CLASSES[group]]) for group in present),
        marked=marked(seen, cloud),
        nearest=np.stack([each.indices for each in near]),
        cosines=np.stack([each.cosines for each in near]),
    )


def classes(pieces: dict[int, str], cloud: Cloud) -> tuple[int, ...]:
    """Which word class each point's token is of, as its place in `CLASSES`; −1 for none."""
    found = {id: class_of(written) for id, written in pieces.items()}
    return tuple(-1 if (kind := found[point.id]) is None else CLASSES.index(kind) for point in cloud.points)


def stage_name(words: Words, stage: str) -> str:
    """What a stage is called."""
    if stage in (BEFORE, OUTPUT):
        return words(f"embeddings.stage.{stage}")
    parts = stage.split(".")
    return words("embeddings.stage.norm") if parts[-1] == "norm" else words("embeddings.stage.layer", layer=int(parts[2]) + 1)


def _around(words: Words, cloud: Cloud, point: embedding.Point, pieces: dict[int, str]) -> str:
    if point.text < 0:
        return words("embeddings.detail.word", id=point.id)
    text = cloud.texts[point.text]
    told = [pieces[id] for id in text[max(0, point.place - AROUND) : point.place + AROUND + 1]]
    here = min(point.place, AROUND)
    snippet = "".join(f"[{visible(each)}]" if at == here else visible(each) + " " for at, each in enumerate(told)).strip()
    return words("embeddings.detail.own" if point.text == 0 else "embeddings.detail.other", place=point.place + 1, text=snippet)


# ---------------------------------------------------------------- in words, in tables, in code


def in_words(seen: Shown, cloud: Cloud, drawing: Drawing, near: Sequence[Neighbours], field: Field, stage: int, point: int) -> str:
    """What is nearest to the chosen token, whether classes stand together, and how much of it the plane can show."""
    words, here = seen.session.words, near[stage]
    named = ", ".join(
        words("embeddings.reading.one", token=field.labels[other], cosine=words.number(float(cosine), 2))
        for other, cosine in zip(here.indices[point][:3], here.cosines[point][:3], strict=True)
    )
    said = [words("embeddings.reading.nearest", token=field.labels[point], stage=field.stages[stage], listed=named)]
    same, chance = embedding.together(here, field.groups)
    if seen.what == "words" and chance:
        said.append(words("embeddings.reading.classes", same=words.percent(same), chance=words.percent(chance)))
    if drawing.explained is None:
        said.append(words("embeddings.reading.tsne"))
    else:
        said.append(words("embeddings.reading.pca", share=words.percent(float(drawing.explained[stage].sum()))))
    return " ".join(said)


def table(seen: Shown, cloud: Cloud, near: Sequence[Neighbours], field: Field, point: int) -> pd.DataFrame:
    """The chosen token's neighbours at every stage, the nearest first."""
    rows = [
        (field.stages[stage], rank + 1, field.labels[other], float(each.cosines[point][rank]), field.details[other])
        for stage, each in enumerate(near)
        for rank, other in enumerate(each.indices[point])
    ]
    titles = [seen.session.words(f"embeddings.table.{name}") for name in ("stage", "rank", "token", "cosine", "where")]
    return pd.DataFrame(rows, columns=pd.Index(titles))


def recipe(seen: Shown) -> str:
    """The same points and neighbours, for a notebook."""
    made = {
        "words": "world = tokenizer.world if tokenizer else ()\ncloud = embedding.words(model, () if world else [*ids, *source], world or None)",
        "text": f"cloud = embedding.in_context(trace, {seen.stack!r})",
        "others": f"cloud = embedding.in_context(trace, {seen.stack!r}, embedding.examples(model, tokenizer))",
    }[seen.what]
    return "\n".join(
        [
            "import numpy as np",
            "from model.analysis import embedding",
            made,
            f"drawing = embedding.drawn(cloud, {seen.method!r}, {seen.seed})",
            "near = [embedding.nearest(vectors) for vectors in cloud.vectors]",
            'numbers = {"places": drawing.places, "nearest": np.stack([n.indices for n in near]), "cosines": np.stack([n.cosines for n in near])}',
        ]
    )


# ---------------------------------------------------------------- positions


@block
def closeness_of_positions(session: Session) -> None:
    """How alike the vectors of different positions are: those the model adds for them, or the text's own at a stage."""
    words, seen = session.words, shown(session)
    st.header(words("embeddings.alike.title"))
    added = embedding.positions(session.specimen.loaded.model, min(ALIKE, session.specimen.config.context))
    of = state.get(OF) if added is not None and state.get(OF) else "added" if added is not None else "states"
    if added is None:
        st.caption(words("embeddings.alike.nothing"))
    else:
        _choice(words, OF, ("added", "states"), of, "of")
    stack = seen.stack
    stages = embedding.stages_of(session.specimen.loaded.model, stack)
    stage = stages[_stage(words, stages)] if of == "states" else ""
    labels, vectors = _positions(session, stack, stage) if stage else ([str(place) for place in range(1, 1 + ALIKE)], added)
    if vectors is None or len(vectors) < 2:
        note(session, words("embeddings.few"))
        return
    cosines, labels = embedding.alike(vectors), labels[: len(vectors)]
    told = words("embeddings.alike.about_added" if of == "added" else "embeddings.alike.about", stage=stage_name(words, stage) if stage else "")
    steps = [float(np.diag(cosines, step).mean()) for step in (1, min(8, len(cosines) - 1))]
    reading = words("embeddings.alike.reading", near=words.number(steps[0], 2), far=words.number(steps[1], 2), step=min(8, len(cosines) - 1))
    exhibit(
        session,
        "alike",
        lambda: _chart(closeness.figure(words, layout(session), cosines, labels)),
        f"{told} {reading}",
        lambda: _pairs(words, cosines, labels),
        lambda: _alike_recipe(session, stack, stage, len(cosines)),
    )


def _chart(figure: Figure) -> None:
    st.plotly_chart(figure, theme=None, key="chart-alike", width=620, config={"displayModeBar": False})


def _stage(words: Words, stages: Sequence[str]) -> int:
    at = min(state.get(STAGE), len(stages) - 1)
    spelled = [stage_name(words, stage) for stage in stages]
    bound = state.bind(STAGE, shown=at)
    return st.select_slider(words("embeddings.alike.stage"), range(len(stages)), format_func=spelled.__getitem__, **bound) or 0


def _positions(session: Session, stack: Kind, stage: str) -> tuple[list[str], Any]:
    prompt, specimen = session.prompt, session.specimen
    cloud = embedding.in_context(compute.traced(specimen, prompt.ids, source=prompt.source_ids), stack, most=specimen.config.context)
    kept = spread(len(cloud.points))
    labels = [f"{cloud.points[at].place + 1} {visible(piece(session.words, specimen, cloud.points[at].id))}" for at in kept]
    return labels, cloud.vectors[cloud.stages.index(stage)][kept]


def spread(length: int) -> list[int]:
    """Up to `ALIKE` positions of a text, evenly."""
    return sorted({round(place) for place in np.linspace(0, length - 1, min(length, ALIKE)).tolist()})


def _pairs(words: Words, cosines: np.ndarray[Any, Any], labels: Sequence[str]) -> pd.DataFrame:
    first, second = np.triu_indices(len(cosines), 1)
    names = np.array(labels, object)
    columns = (names[first], names[second], cosines[first, second])
    return pd.DataFrame({words(f"embeddings.table.{name}"): column for name, column in zip(("first", "second", "cosine"), columns, strict=True)})


def _alike_recipe(session: Session, stack: Kind, stage: str, count: int) -> str:
    if not stage:
        return f'from model.analysis import embedding\nnumbers = {{"cosines": embedding.alike(embedding.positions(model, {count}))}}'
    return "\n".join(
        [
            "from model.analysis import embedding",
            f"cloud = embedding.in_context(trace, {stack!r}, most=model.config.context)",
            f"kept = {spread(len(_read_ids(session, stack)))}",
            f'numbers = {{"cosines": embedding.alike(cloud.vectors[cloud.stages.index({stage!r})][kept])}}',
        ]
    )


def _read_ids(session: Session, stack: Kind) -> tuple[int, ...]:
    return session.prompt.ids if stack == session.specimen.config.main else session.prompt.source_ids


PAGE = Page("embeddings", render, FIELDS)
