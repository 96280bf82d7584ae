"""Size on paper: any size, published, on show or changed by hand, weighed: parameters, memory, time, energy, and what they are like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import streamlit as st
from pandas import DataFrame
from streamlit.delta_generator import DeltaGenerator

from components import spelling, state
from components.controls.editor import edit
from components.figures import paper, sheet
from components.figures.paper import Subject
from components.i18n import Words
from components.page import Page, Session, block, exhibit, note
from components.state import Field
from model.analysis.speed import Measured, measure
from model.config import Config
from model.cost import parameters
from model.cost.draft import Draft
from model.cost.hardware import Listed
from model.cost.paper import POWERS, Assumptions
from model.cost.published import GPT4
from model.errors import Refusal
from model.families import FAMILIES, find

HERE, UNPUBLISHED, NOBODY = "here", "gpt-4", ""
NAMES = tuple(name for family in FAMILIES for name in family.sizes)
BESIDE = {"first": ("serving", "hardware"), "training": ("training",)}
"""Assumptions that stand beside their pictures."""
BELOW = {"power": 5, "scale": 4}
"""Assumptions that stand below theirs, in so many columns."""
USUAL, BLANK = Assumptions(), Draft()
NO_DIFFERENCE = "default"

SIZE = state.option("p.size", "llama2-70b", (HERE, UNPUBLISHED, *NAMES))
SECOND = state.option("p.with", NOBODY, (NOBODY, HERE, *NAMES))
ASSUMED: Field[Assumptions] = Field("p.a", USUAL, lambda given: spelling.parse(given, USUAL), lambda assumed: spelling.spell(assumed, USUAL))
DRAFT: Field[Draft | None] = Field(
    "p.draft",
    None,
    lambda given: BLANK if given == NO_DIFFERENCE else spelling.parse(given, BLANK),
    lambda draft: (spelling.spell(draft, BLANK) if draft else "") or NO_DIFFERENCE,
)


def render(session: Session) -> None:
    """The page: what is weighed, then the pictures, each beside the assumptions it rests on."""
    st.title(session.words("paper.title"))
    st.markdown(session.words("paper.lead"))
    _desk(session)


@block
def _desk(session: Session) -> None:
    """All of it in one fragment: a slider that moves changes the figures, and nothing outside is drawn again."""
    words = session.words
    places = _places(words)
    with places["first"].assumed, st.container(key="paper-choice"):
        _choice(session)
        config = None if state.get(SIZE) == UNPUBLISHED else _drafted(session)
    if config is None:
        places["first"].drawn.html(paper.rumour(words, GPT4))
        return
    assumed = _assume(words, places)
    own = config != _config(session, state.get(SIZE))
    subjects = [Subject(_called(session, state.get(SIZE), own), config, assumed)]
    if state.get(SECOND):
        subjects.append(Subject(_called(session, state.get(SECOND)), _config(session, state.get(SECOND)), assumed))
    _pictures(session, places, subjects)
    _evidence(session)


# ---------------------------------------------------------------- what is weighed


def _choice(session: Session) -> None:
    words = session.words
    label = _labels(words)
    here = words("paper.choose.here", name=session.specimen.name)
    titles = {**label, HERE: here, UNPUBLISHED: words("paper.choose.unpublished", name=GPT4.name), NOBODY: words("paper.choose.nobody")}
    sizes = (*NAMES, HERE, UNPUBLISHED)
    st.selectbox(words("paper.choose.size"), sizes, format_func=titles.__getitem__, **state.bind(SIZE, then=lambda: _settle(session)))
    st.selectbox(words("paper.choose.second"), (NOBODY, *NAMES, HERE), format_func=titles.__getitem__, **state.bind(SECOND))


@lru_cache
def _labels(words: Words) -> dict[str, str]:
    """How each published size stands in the list: its family, its name, its parameters."""
    return {
        name: words("paper.choose.item", family=_family(words, family.name), name=name, parameters=words.count(parameters(size.config)))
        for family in FAMILIES
        for name, size in family.sizes.items()
    }


def _family(words: Words, name: str) -> str:
    key = f"families.family.{name}.title"
    return words(key) if words.has(key) else name


def _settle(session: Session) -> None:
    """A new size brings its own context, and leaves no draft of another."""
    state.reset(DRAFT)
    if state.get(SIZE) == UNPUBLISHED:
        return
    context = max(power for power in POWERS if power <= _config(session, state.get(SIZE)).context)
    assumed = state.get(ASSUMED)
    state.put(ASSUMED, replace(assumed, serving=replace(assumed.serving, context=context)))


def _config(session: Session, name: str) -> Config:
    return session.specimen.loaded.model.config if name == HERE else find(name).config


def _called(session: Session, name: str, changed: bool = False) -> str:
    called = session.specimen.name if name == HERE else name
    return session.words("paper.choose.changed", name=called) if changed else called


def _drafted(session: Session) -> Config:
    """The first size's configuration, with the reader's own numbers where there are any."""
    words, design = session.words, _config(session, state.get(SIZE))
    drawer = st.expander(words("paper.draft.title"), key="paper-drawer", on_change="rerun")
    if drawer.open:
        with drawer:
            _draft(words, design)
    draft = state.get(DRAFT)
    try:
        return draft.on(design) if draft else design
    except Refusal as refused:
        note(session, words.refusal(refused))
        return design


def _draft(words: Words, design: Config) -> None:
    own = Draft.of(design)
    result = edit(words, "paper.draft", state.get(DRAFT) or own, prefix="paper.draft")
    with suppress(Refusal):  # a published number that no link may carry stays as it is
        state.put(DRAFT, None if result.value == own else result.value)
    if state.get(DRAFT) is not None:
        st.button(words("paper.draft.reset"), key="paper-reset", on_click=state.reset, args=(DRAFT,))


# ---------------------------------------------------------------- what is assumed


@dataclass(frozen=True, slots=True)
class Place:
    """Where a section has its assumptions and its pictures."""

    assumed: DeltaGenerator
    drawn: DeltaGenerator


def _places(words: Words) -> dict[str, Place]:
    """A place for each section; only the first one for a size that nobody has published."""
    shown = ["first"] if state.get(SIZE) == UNPUBLISHED else [*BESIDE, *BELOW]
    return {section: _place(words, section) for section in shown}


def _place(words: Words, section: str) -> Place:
    with st.container(key=f"paper-{section}"):
        if section != "first":
            st.header(words(f"paper.{section}.title"))
        if section in BELOW:
            drawn = st.container()
            return Place(st.container(), drawn)
        return Place(*st.columns([1, 3], gap="medium"))


def _assume(words: Words, places: dict[str, Place]) -> Assumptions:
    """Every assumption as a widget near what rests on it; what the reader made of them."""
    assumed = state.get(ASSUMED)
    for section, place in places.items():
        for name in BESIDE.get(section, (section,)):
            with place.assumed:
                edited = edit(words, f"paper.{name}", getattr(assumed, name), BELOW.get(section, 1), prefix=f"paper.assume.{name}")
            assumed = replace(assumed, **{name: edited.value})
    if assumed != state.get(ASSUMED):
        state.put(ASSUMED, assumed)
    return assumed


# ---------------------------------------------------------------- the pictures


def _pictures(session: Session, places: dict[str, Place], subjects: Sequence[Subject]) -> None:
    words = session.words

    def show(key: str, drawn: str, reading: Callable[..., str], table: Callable[..., DataFrame]) -> None:
        exhibit(session, key, lambda: st.html(drawn), reading(words, subjects), lambda: table(words, subjects))

    def cards(make: Callable[..., Sequence[sheet.Figure]]) -> str:
        return paper.figures(words, subjects, [make(words, subject) for subject in subjects])

    with places["first"].drawn:
        show("first", paper.first(words, subjects, _measured(session)), paper.first_reading, paper.first_table)
        st.html(sheet.legend(words, ("computed", "measured", "published", "rumoured")))
        st.caption(_sources(words, subjects[0].assumed))
        show("serve", cards(paper.pace_figures), paper.serve_reading, paper.serve_table)
    with places["training"].drawn:
        drawn = paper.training_picture(words, subjects) + cards(paper.training_figures)
        show("training", drawn, paper.training_reading, paper.training_table)
        st.caption(words("paper.training.sources"))
    with places["power"].drawn:
        show("energy", cards(paper.energy_figures), paper.energy_reading, paper.energy_table)
        st.caption(words("paper.power.sources"))
    with places["scale"].drawn:
        show("scale", cards(paper.scale_figures) + paper.synapses(words, subjects), paper.scale_reading, paper.scale_table)
        st.caption(words("paper.scale.limits"))


def _sources(words: Words, assumed: Assumptions) -> str:
    """The machine's figures and where they come from."""
    machine = assumed.hardware.accelerator
    told = words(
        "paper.machine.figures",
        name=paper.machine(words, assumed),
        peak=sheet.flops(words, machine.bf16),
        single=sheet.flops(words, machine.fp32),
        memory=words.bytes(machine.memory),
        bandwidth=words.bytes(machine.bandwidth),
        watts=words.number(machine.watts, 0),
    )
    source = words("paper.machine.source", source=machine.source) if isinstance(assumed.hardware.machine, Listed) else words("paper.machine.yours")
    return f"{told} {source}"


# ---------------------------------------------------------------- measured here, published elsewhere, rumoured


def _measured(session: Session) -> Measured | None:
    """What this session measured of the model on show, if it did."""
    return state.remember("paper.measured", dict).get(session.specimen.id)


def _measure(session: Session) -> None:
    """Measure the model on show; one at a time, so that readers do not measure each other."""
    specimen = session.specimen
    with specimen.turn:
        state.remember("paper.measured", dict)[specimen.id] = measure(specimen.loaded.model)


def _evidence(session: Session) -> None:
    """What the arithmetic may be held against: this machine, and published figures; then what nobody has published."""
    words, found = session.words, _measured(session)
    st.header(words("paper.here.title"))
    st.markdown(words("paper.here.lead", name=session.specimen.name))
    st.button(words("paper.here.again" if found else "paper.here.button"), key="paper-measure", type="primary", on_click=_measure, args=(session,))
    if found is not None:
        st.html(paper.measured_table(words, session.specimen.loaded.model.config, found))
        st.caption(words("paper.here.how", passes=found.passes, tokens=found.tokens, time=words.duration(found.seconds)))
    st.header(words("paper.check.title"))
    st.markdown(words("paper.check.lead"))
    exhibit(session, "checks", lambda: st.html(paper.checks(words)), words("paper.check.reading"), lambda: paper.checks_table(words))
    st.html(paper.rumour(words, GPT4))


PAGE = Page("paper", render, (SIZE, SECOND, DRAFT, ASSUMED), reads=False)
