"""The families on their line, the drawing of one or two of them, their stories and their sizes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from components import state
from components.canvas.blueprint import Subject, blueprint, by_group, telling
from components.canvas.blueprint.anatomy import differences
from components.canvas.lineage import Entry, lineage
from components.i18n import Words
from components.page import Session, exhibit
from components.pages.families.choice import FIRST, OF, PART, SECOND, choose, family, title
from model.config import EncoderDecoder
from model.cost import parameters
from model.families import FAMILIES, Family, Size, find


def portrait(session: Session, names: Sequence[str]) -> None:
    """The line, the sizes to choose from, the drawing, and what is told about it."""
    words = session.words
    _line(words, names)
    _sizes(words, names)
    subjects = [Subject(title(words, name), find(name).config) for name in names]
    exhibit(
        session,
        "blueprint",
        lambda: blueprint(words, "blueprint", subjects, state.get(PART), partial(state.put, PART)),
        _reading(words, subjects),
        lambda: _numbers(words, subjects),
    )
    _stories(words, names)
    _published(session, names)


# ---------------------------------------------------------------- the choice


def _line(words: Words, names: Sequence[str]) -> None:
    entries = [Entry(each.name, words(f"families.family.{each.name}.title"), _born(each)) for each in FAMILIES]
    lineage(words, "lineage", entries, [OF[name].name for name in names], choose)


def _born(family: Family) -> int:
    """The year of its first model."""
    return min(size.year for size in family.sizes.values())


def _sizes(words: Words, names: Sequence[str]) -> None:
    """Which of a family's sizes is drawn."""
    with st.container(horizontal=True, gap="medium", key="families-sizes"):
        for field, name in zip((FIRST, SECOND), names, strict=False):
            sizes = OF[name].sizes
            told = {size: f"{size} · {words.count(parameters(each.config))}" for size, each in sizes.items()}
            label = words("families.size.label", family=family(words, name))
            st.selectbox(label, list(sizes), format_func=told.__getitem__, width=320, **state.bind(field))


# ---------------------------------------------------------------- what the drawing says


def _reading(words: Words, subjects: Sequence[Subject]) -> str:
    first, *others = subjects
    for other in others:
        found = differences(first.config, other.config)
        sizes = sum(difference.size for difference in found)
        key = "families.drawing.two" if found else "families.drawing.same"
        return words(key, first=first.title, second=other.title, design=len(found) - sizes, size=sizes)
    config, total = first.config, parameters(first.config)
    group, most = max(by_group(config).items(), key=lambda item: item[1])
    return words(
        "families.drawing.one",
        title=first.title,
        parameters=words.count(total),
        layers=_layers(words, first),
        heads=config.attention.heads,
        width=words.number(config.width, 0),
        share=words.percent(most / total, 0),
        group=words(f"blueprint.group.{group}"),
    )


def _layers(words: Words, subject: Subject) -> str:
    match subject.config.form:
        case EncoderDecoder(encoder_layers=encoder):
            return words("families.drawing.pair", encoder=encoder, decoder=subject.config.layers)
        case _:
            return words.number(subject.config.layers, 0)


def _numbers(words: Words, subjects: Sequence[Subject]) -> pd.DataFrame:
    if len(subjects) == 1:
        return telling.weights_frame(words, subjects[0].config)
    first, second = subjects
    return telling.differences_frame(words, first.config, second.config, (first.title, second.title))


# ---------------------------------------------------------------- the story and the sizes


def _stories(words: Words, names: Sequence[str]) -> None:
    """What each changed, and why."""
    for column, name in zip(st.columns(len(names), gap="large"), names, strict=True):
        with column:
            st.header(family(words, name))
            for told in ("changed", "why"):
                st.markdown(f"**{words(f'families.story.{told}')}.** {words(f'families.family.{OF[name].name}.{told}')}")
            st.caption(f"{words('families.story.paper')}: {find(name).paper}")


def _published(session: Session, names: Sequence[str]) -> None:
    """Every size of the families chosen, counted."""
    words = session.words
    st.header(words("families.sizes.title"))
    families = dict.fromkeys(OF[name].name for name in names)
    rows = [_sized(words, size, each) for size, each in _all(families)]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="families-published", column_config=_columns(words))
    st.caption(words("families.sizes.note"))


def _all(families: dict[str, None]) -> list[tuple[str, Size]]:
    return [(size, find(size)) for size, of in OF.items() if of.name in families]


def _sized(words: Words, name: str, size: Size) -> dict[str, object]:
    config = size.config
    values = {
        "size": name,
        "parameters": parameters(config),
        "year": size.year,
        "layers": sum(config.depths.values()),
        "width": config.width,
        "heads": config.attention.heads,
        "kv_heads": config.attention.kv_heads,
        "hidden": config.mlp.hidden,
        "context": config.context,
        "vocabulary": config.vocabulary,
        "paper": size.paper,
    }
    return {words(f"families.sizes.{key}"): value for key, value in values.items()}


def _columns(words: Words) -> dict[str, Any]:
    counts = ("parameters", "layers", "width", "heads", "kv_heads", "hidden", "context", "vocabulary")
    return {words(f"families.sizes.{name}"): st.column_config.NumberColumn(format="localized") for name in counts}

