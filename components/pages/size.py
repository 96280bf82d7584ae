"""Size and hyperparameters: design one or two models, train them from nothing in front of everyone, take them to the other pages."""

from __future__ import annotations

import copy
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from components import compute, spelling, state
from components.canvas.losscurve import following, losscurve
from components.controls import header
from components.controls.brakes import brakes, progress
from components.controls.editor import edit, written
from components.experiments import EXPERIMENTS, LIVE, matching
from components.figures import abilities, weighing
from components.i18n import Words
from components.jobs import Desk, Job, tend
from components.page import Page, Session, block, exhibit, note
from components.runs import Attempt, Plan, cure
from components.state import Field
from components.theme import PAIR
from model.checkpoints import Loaded, Report
from model.cost import parameters
from model.text.tokenizer import Tokenizer
from model.training import Step

NAMES = ("A", "B")
ROOMS = ("attention", "masks", "generation")
PULSE = 0.5
OWN = "own"
NO_DIFFERENCE = "default"

FIRST: Field[Plan] = Field("s.a", LIVE, lambda given: spelling.parse(given, LIVE), lambda plan: spelling.spell(plan, LIVE))
SECOND: Field[Plan | None] = Field(
    "s.b",
    None,
    lambda given: LIVE if given == NO_DIFFERENCE else spelling.parse(given, LIVE),
    lambda plan: spelling.spell(plan, LIVE) or NO_DIFFERENCE,
)
ACROSS = state.option("s.x", "seconds", ("seconds", "tokens"))
UP = state.option("s.y", "log", ("log", "linear"))
EDITED = state.option("s.edit", "A", NAMES)
CHOSEN = state.option("s.experiment", OWN, (OWN, *(experiment.name for experiment in EXPERIMENTS)))
"""Not in the link: the plans say which experiment they are."""


@dataclass
class Studio:
    """What is at work in this tab: the attempts, and on the desk the jobs that pull them, in the same order."""

    desk: Desk = field(default_factory=Desk)
    attempts: tuple[Attempt, ...] = ()

    def start(self, plans: Sequence[Plan], session: Session) -> None:
        """Begin anew, from nothing."""
        self.attempts = tuple(Attempt(plan, session.prompt.text) for plan in plans)
        self.desk.place(*(Job(attempt.work(), owner=id(self)) for attempt in self.attempts))

    @property
    def pairs(self) -> list[tuple[Attempt, Job[Step]]]:
        """Each attempt with its job."""
        return list(zip(self.attempts, self.desk.jobs, strict=True))

    @property
    def alive(self) -> bool:
        """Whether anything may still move."""
        return any(not job.ended for job in self.desk.jobs)


def plans() -> tuple[Plan, ...]:
    """The plan or plans on the page now."""
    second = state.get(SECOND)
    return (state.get(FIRST),) if second is None else (state.get(FIRST), second)


def render(session: Session) -> None:
    """The page: the run and its picture, what the plans weigh, every setting."""
    studio: Studio = state.remember("size.studio", Studio)
    tend(studio.desk)
    st.title(session.words("size.title"))
    st.markdown(session.words("size.lead"))
    _workshop(session, studio)


@block
def _workshop(session: Session, studio: Studio) -> None:
    """All of it in one fragment: a setting that moves changes the figures, and nothing outside is drawn again."""
    stage, weighed, settings = (st.container(key=f"size-{name}") for name in ("stage", "weighed", "settings"))
    with settings:
        refused = _settings(session)
    with weighed:
        _abilities(session, studio)
        _weighed(session, studio)
    with stage:
        block(_stage, run_every=PULSE if studio.alive else None)(session, studio, refused, studio.alive)


# ---------------------------------------------------------------- the stage: one button, one picture


def _stage(session: Session, studio: Studio, refused: bool, beating: bool) -> None:
    """What moves while a run is on; drawn again at each beat, and when the last run has ended the page is drawn once more, at rest."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        _experiment(session.words)
        _buttons(session, studio, refused)
        for name, job in zip(following.names(studio.attempts), studio.desk.jobs, strict=True):
            progress(session.words, name, job, PAIR[NAMES.index(name) if name else 0])
        _failures(session, studio)
        _doors(session, studio)
    with right:
        _picture(session, studio)
        _afterwards(session.words, studio)
    if beating and not studio.alive:
        st.rerun()


def _experiment(words: Words) -> None:
    """Prepared plans to choose from, what to watch for, and the plans on the page in a line each."""
    current = matching(*_pair()) or OWN
    names = [experiment.name for experiment in EXPERIMENTS] + ([OWN] if current == OWN else [])
    titles = {name: words(f"size.experiments.{name}.title") for name in names}
    st.selectbox(words("size.experiment.label"), names, format_func=titles.__getitem__, **state.bind(CHOSEN, then=_prepare, shown=current))
    st.html(f'<p class="v-promise">{html.escape(words(f"size.experiments.{current}.promise"))}</p>')
    for name, line in zip(NAMES, _summaries(words, plans()), strict=False):
        st.html(f'<p class="v-plan"><b>{name if len(plans()) > 1 else ""}</b> {html.escape(line)}</p>')


def _prepare() -> None:
    """Put the chosen experiment's plans on the page."""
    for experiment in EXPERIMENTS:
        if experiment.name == state.get(CHOSEN):
            state.put(FIRST, experiment.first)
            state.put(SECOND, experiment.second)


def _pair() -> tuple[Plan, Plan | None]:
    return state.get(FIRST), state.get(SECOND)


def _summaries(words: Words, plans: Sequence[Plan]) -> list[str]:
    """The first plan in a line; the second as what it has that the first has not."""
    first, *others = plans
    line = words(
        "size.plan.line",
        layers=first.config.layers,
        heads=first.config.attention.heads,
        width=first.config.width,
        parameters=words.count(parameters(_fitted(first).config)),
    )
    return [line, *(_difference(words, other, first) or words("size.plan.same") for other in others)]


def _difference(words: Words, plan: Plan, other: Plan) -> str:
    return " · ".join(f"{words(f'settings.{path}.name')}: {_said(words, value)}" for path, value in spelling.differences(plan, other))


def _said(words: Words, value: Any) -> str:
    if isinstance(value, type):
        return words(f"settings.kinds.{value.__name__}.name")
    if isinstance(value, bool):
        return words(f"size.plan.{'yes' if value else 'no'}")
    return words(f"settings.options.{value}.name") if isinstance(value, str) else written(words, value)


def _buttons(session: Session, studio: Studio, refused: bool) -> None:
    if studio.alive:
        brakes(session.words, studio.desk, "size")
        return
    label = session.words("size.again" if studio.attempts else "size.train")
    if st.button(label, key="size-train", type="primary", width="stretch", disabled=refused):
        studio.start(plans(), session)
        st.rerun()


# ---------------------------------------------------------------- the picture


def _picture(session: Session, studio: Studio) -> None:
    words, attempts = session.words, studio.attempts

    def draw() -> None:
        losscurve("size-curve", following.chart(words, attempts, plans(), state.get(ACROSS), state.get(UP)))
        _axes(words)

    exhibit(session, "losscurve", draw, following.reading(words, attempts, plans()), lambda: following.numbers(words, attempts))


def _axes(words: Words) -> None:
    with st.container(horizontal=True, gap="small", key="size-axes"):
        _switch(words, "x", ("seconds", "tokens"), state.bind(ACROSS))
        _switch(words, "y", ("log", "linear"), state.bind(UP))


def _switch(words: Words, axis: str, options: Sequence[str], bound: dict[str, Any]) -> None:
    say = {option: words(f"size.axes.{option}") for option in options}
    st.segmented_control(words(f"size.axes.{axis}"), options, required=True, format_func=say.__getitem__, label_visibility="collapsed", **bound)


# ---------------------------------------------------------------- after a run


def _afterwards(words: Words, studio: Studio) -> None:
    """Whose curves these are, and what a link does not carry."""
    if studio.attempts and not studio.alive and tuple(attempt.plan for attempt in studio.attempts) != tuple(map(_fitted, plans())):
        st.caption(words("size.changed"))
    if studio.attempts:
        st.caption(words("size.link"))


def _failures(session: Session, studio: Studio) -> None:
    """What went wrong in a run, and one press to train as it advises."""
    for number, (attempt, job) in enumerate(studio.pairs):
        if job.failure is None:
            continue
        note(session, session.words.refusal(job.failure))
        better = cure(attempt.plan, job.failure)
        if better is None or studio.alive:
            continue
        label = session.words("size.cure", change=_difference(session.words, better, attempt.plan))
        if st.button(label, key=f"size-cure-{number}", type="primary", width="stretch"):
            state.put(FIRST, better)
            state.put(SECOND, None)
            studio.start([better], session)
            st.rerun()


def _doors(session: Session, studio: Studio) -> None:
    """The way from a model that rests, finished or not, to the other pages."""
    words = session.words
    for number, (name, (attempt, job)) in enumerate(zip(following.names(studio.attempts), studio.pairs, strict=True)):
        if attempt.session is None or job.latest is None or job.state in ("running", "queued"):
            continue
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"size-doors-{number}"):
            st.html(f'<p class="v-doors">{html.escape(" ".join(words("size.open", name=name).split()))}</p>', width="content")
            for room in ROOMS:
                if st.button(words(f"shell.menu.{room}"), key=f"size-open-{number}-{room}", type="tertiary"):
                    _take(studio, number, words)
                    st.switch_page(session.pages[room])


def _take(studio: Studio, number: int, words: Words) -> None:
    """The attempt's model as it is now, among the models of this tab, and chosen."""
    attempt = studio.attempts[number]
    assert attempt.session is not None
    report = Report("vitrine", parameters(attempt.plan.config), formats=("float32",))
    loaded = Loaded(copy.deepcopy(attempt.session.model), attempt.tokenizer, attempt.session.card({}), report)
    name = words("size.name", run=following.names(studio.attempts)[number], time=words.duration(attempt.session.run.seconds))
    state.put(header.MODEL, compute.adopt(loaded, " ".join(name.split())).id)


# ---------------------------------------------------------------- what the models can do, what the plans weigh


def _abilities(session: Session, studio: Studio) -> None:
    """The examination of the finished models, once there is one."""
    words = session.words
    verdicts = [attempt.verdict for attempt in studio.attempts if attempt.verdict is not None]
    names = following.names(studio.attempts)
    if not verdicts or len(verdicts) < len(names):
        return
    st.header(words("size.skills.title"))
    exhibit(
        session,
        "skills",
        lambda: st.html(abilities.bars(words, verdicts)),
        abilities.reading(words, verdicts, names),
        lambda: abilities.frame(words, verdicts, names),
    )


def _weighed(session: Session, studio: Studio) -> None:
    words, shown = session.words, [_fitted(plan) for plan in plans()]
    names = NAMES[: len(shown)] if len(shown) > 1 else ("",)
    rows = [*weighing.figures(words, shown), *_measured(words, studio, len(shown))]
    st.header(words("size.figures.title"))
    exhibit(
        session,
        "weights",
        lambda: st.html(f'<div class="v-weighed">{weighing.bars(words, shown, names)}{weighing.table(words, rows, names)}</div>'),
        weighing.reading(words, shown, names),
        lambda: weighing.frame(words, shown, names),
    )


def _measured(words: Words, studio: Studio, count: int) -> list[weighing.Row]:
    """The speed of the last runs, if as many plans are shown as ran."""
    steps = [job.latest for job in studio.desk.jobs]
    if len(steps) != count or any(step is None for step in steps):
        return []
    speeds = tuple(words("size.figures.per_second", count=words.count(step.tokens / max(step.seconds, 1e-9))) for step in steps if step is not None)
    return [weighing.Row(words("size.figures.speed"), words("size.figures.measured"), speeds)]


def _fitted(plan: Plan) -> Plan:
    """The plan with the vocabulary that the micro-world has."""
    return plan.speaking(Tokenizer.for_world().size)


# ---------------------------------------------------------------- every setting


def _settings(session: Session) -> bool:
    """The folded editor of one plan or of two; returns whether a wish stands refused."""
    words = session.words
    drawer = st.expander(words("size.settings.title"), key="size-drawer", on_change="rerun")
    if not drawer.open:
        return False
    with drawer:
        edited = _which(words)
        result = edit(words, f"size.{edited.name}", state.get(edited))
        if result.value != state.get(edited):
            state.put(edited, result.value)
    return result.refusal is not None


def _which(words: Words) -> Field[Any]:
    """Whether there is a second plan, and which one is being edited."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        two = state.get(SECOND) is not None
        st.toggle(words("size.settings.second"), value=two, key=f"size-second-{two}", on_change=_second, args=(not two,))
        if not two:
            return FIRST
        st.segmented_control(words("size.settings.which"), NAMES, required=True, label_visibility="collapsed", **state.bind(EDITED))
    return FIRST if state.get(EDITED) == "A" else SECOND


def _second(wanted: bool) -> None:
    """Add a second plan, at first the same as the first, or take it away."""
    state.put(SECOND, state.get(FIRST) if wanted else None)


PAGE = Page("size", render, (FIRST, SECOND, ACROSS, UP, EDITED))
