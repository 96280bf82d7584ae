"""How many bytes the cache takes as the text grows: in this model with its key/value heads shared or its reach cut, and in published ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from components import compute, page, state
from components.figures import caching as figures
from components.figures.caching import FARTHEST, Served
from components.page import Session, block, exhibit, note
from components.pages.cache.storing import Line
from components.state import Field
from model.analysis.caching import cached
from model.analysis.places import Where
from model.config import Config
from model.cost import PRECISIONS, Precision
from model.cost.hardware import ACCELERATORS, Hardware, Listed
from model.errors import Refusal
from model.families import find

WINDOWS = (4, 8, 16, 32, 64, 128, 256, 512, 1_024)
BATCHES = (1, 4, 16, 64, 256)
OLDER = ("gpt2-xl", "gpt3-175b", "lamda-137b", "bloom-176b", "llama-65b", "llama2-7b", "llama2-70b", "falcon-7b", "falcon-40b")
NAMES = (*OLDER, "mistral-7b", "gemma-2b", "gemma-7b", "qwen2-72b", "llama3.1-8b", "llama3.1-70b", "llama3.1-405b", "qwen3-8b", "qwen3-32b")
"""Models worth holding against each other: one for each way of sharing keys and values, and the sizes that people serve."""
USUAL = ("llama2-7b", "llama2-70b", "mistral-7b", "falcon-7b")
MOST = 6
HELD: dict[str, Precision] = {"torch.float32": "fp32", "torch.float16": "fp16", "torch.bfloat16": "bf16"}


def _names(given: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(given.split("~"))) if given else ()
    if len(names) > MOST or any(name not in NAMES for name in names):
        raise Refusal("cache.models", "up to {most} models can be held against each other, of those listed", most=MOST)
    return names


GROUPS = state.integer("kv.groups", 0, 0, 128)
WINDOW = state.integer("kv.window", 64, 1, 1_000_000)
MODELS: Field[tuple[str, ...]] = Field("kv.models", USUAL, _names, "~".join)
PRECISION: Field[Precision] = state.option("kv.bits", "fp16", PRECISIONS)
BATCH = state.option("kv.batch", 1, BATCHES)
MACHINE = state.option("kv.machine", "a100", tuple(ACCELERATORS))
FIELDS = (GROUPS, WINDOW, MODELS, PRECISION, BATCH, MACHINE)


# ---------------------------------------------------------------- the model on show


@block
def growing(session: Session, line: Line) -> None:
    """The model's own curve and what it would be with another attention."""
    words, config = session.words, session.specimen.config
    st.header(words("cache.growing.title"))
    st.markdown(words("cache.growing.lead"))
    found = figures.variants(config, *_choices(session))
    precision, source = _precision(session), len(session.prompt.source_ids)
    counted = _counted(session, line)
    figure = figures.growing(words, found, precision, source, counted, page.layout(session))
    exhibit(
        session,
        "growing",
        partial(st.plotly_chart, figure, theme=None, key="chart-growing", config={"displayModeBar": False}),
        f"{figures.grown_in_words(words, found, precision, source)} {_same(session, counted)}",
        lambda: figures.grown(words, found, precision, source),
        lambda: GROWING.format(configs=", ".join(_spelled(variant.config) for variant in found), precision=precision, source=source),
    )


def _choices(session: Session) -> tuple[int, int]:
    """How many key/value heads groups share, and the window."""
    words, config = session.words, session.specimen.config
    divisors, windows = figures.divisors(config), _windows(config)
    wanted = state.get(GROUPS)
    groups = wanted if wanted in divisors else min(divisors, key=lambda count: abs(count - _usual(config)), default=0)
    window = state.get(WINDOW) if state.get(WINDOW) in windows else windows[len(windows) // 2]
    with st.container(horizontal=True, gap="medium", key="cache-variants"):
        if len(divisors) > 1:
            st.selectbox(words("cache.growing.groups"), divisors, width=240, **state.bind(GROUPS, shown=groups))
        if len(windows) > 1:
            say = {each: words.number(each, 0) for each in windows}
            st.selectbox(words("cache.growing.window"), windows, format_func=say.__getitem__, width=240, **state.bind(WINDOW, shown=window))
    return groups, window


def _usual(config: Config) -> int:
    """The model's own groups where it has some, else a quarter of its heads."""
    heads, shared = config.attention.heads, config.attention.kv_heads
    return shared if 1 < shared < heads else heads // 4


def _windows(config: Config) -> tuple[int, ...]:
    """Windows worth showing: narrower than the context; the model's own among them."""
    own = () if config.attention.window is None else (config.attention.window,)
    fitting = tuple(window for window in WINDOWS if window < config.context)
    return tuple(sorted({*own, *(fitting or (config.context,))}))


def _precision(session: Session) -> Precision:
    """What the model's numbers are kept in here, and so those of its cache."""
    return HELD[str(session.specimen.loaded.model.embed.token.weight.dtype)]


def _counted(session: Session, line: Line) -> dict[int, int]:
    """Bytes of the cache's own tensors after each pass over the text, by its length."""
    specimen, source = session.specimen, session.prompt.source_ids

    def make() -> bytes:
        found = cached(specimen.loaded.model, line.ids, line.first, 0, Where("decoder"), source)
        return " ".join(f"{ledger.length}:{ledger.bytes}" for ledger in found.ledgers).encode()

    kept = compute.packed("cache.counted", specimen.id, line.ids, line.first, source, make=make).decode()
    return {int(length): int(size) for length, _, size in (pair.partition(":") for pair in kept.split())}


def _same(session: Session, counted: dict[int, int]) -> str:
    """What the tensors of the text on show hold."""
    words, (length, size) = session.words, list(counted.items())[-1]
    return words("cache.growing.same", length=words.number(length, 0), bytes=words.number(size, 0))


def _spelled(config: Config) -> str:
    """A configuration's attention as it can be typed into a notebook."""
    attention = config.attention
    reach = "Everywhere()" if attention.window is None else f"Sliding(window={attention.window})"
    return f"({attention.kv_heads}, {reach})"


# ---------------------------------------------------------------- published models


@block
def published(session: Session) -> None:
    """Models as they were published, to lengths far beyond, against a machine's memory."""
    words = session.words
    st.header(words("cache.published.title"))
    st.markdown(words("cache.published.lead"))
    _serving(session)
    hardware, names = Hardware(machine=_machine()), state.get(MODELS)
    if not names:
        note(session, words("cache.published.none"))
        return
    found = [Served(name, find(name).config, state.get(PRECISION), state.get(BATCH), hardware.room) for name in names]
    figure = figures.published(words, found, hardware, page.layout(session))
    exhibit(
        session,
        "published",
        partial(st.plotly_chart, figure, theme=None, key="chart-published", config={"displayModeBar": False}),
        figures.published_in_words(words, found, hardware),
        lambda: figures.published_table(words, found),
        lambda: PUBLISHED.format(names=names, precision=state.get(PRECISION), batch=state.get(BATCH), farthest=FARTHEST),
    )


def _machine() -> Listed:
    name: Any = state.get(MACHINE)
    return Listed(model=name)


def _serving(session: Session) -> None:
    words = session.words
    st.pills(words("cache.published.models"), NAMES, selection_mode="multi", **state.bind(MODELS, accept=tuple, shown=_listed()))
    refused = state.refusal(MODELS)
    if refused is not None:
        note(session, words.refusal(refused))
    with st.container(horizontal=True, gap="medium", key="cache-serving"):
        st.segmented_control(words("cache.published.precision"), PRECISIONS, required=True, **state.bind(PRECISION))
        st.segmented_control(words("cache.published.batch"), BATCHES, required=True, **state.bind(BATCH))
        titles = {name: machine.title for name, machine in ACCELERATORS.items()}
        st.selectbox(words("cache.published.machine"), list(titles), format_func=titles.__getitem__, width=260, **state.bind(MACHINE))


def _listed() -> Any:
    """The models as a list, which is what the widget holds."""
    return list(state.get(MODELS))


GROWING = """
from dataclasses import replace

import numpy as np

from model.config import Everywhere, Sliding
from model.cost import cache_bytes

variants, config = [{configs}], model.config  # key/value heads and reach
read = [replace(config, attention=replace(config.attention, kv_heads=heads, reach=reach)) for heads, reach in variants]
length = np.arange(1, config.context + 1)
counted = [[cache_bytes(each, int(n), precision={precision!r}, source={source}) for n in length] for each in read]
numbers = {{"length": length, "bytes": np.array(counted)}}
"""
PUBLISHED = """
import numpy as np

from model.cost import bytes_by_precision, cache_bytes
from model.families import find

configs, length = [find(name).config for name in {names}], np.array([1_024, 4_096, 32_768, {farthest}])
numbers = {{
    "length": length,
    "bytes": np.array([[cache_bytes(config, int(n), {batch}, {precision!r}) for n in length] for config in configs]),
    "weights": np.array([bytes_by_precision(config)[{precision!r}] for config in configs]),
}}
"""
