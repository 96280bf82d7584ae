"""Size and hyperparameters: design one or two models, train them from nothing in front of everyone, take them to the other pages."""

from __future__ import annotations

import copy
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from components import compute, spelling, state
from components.canvas.losscurve import COLOURS, Axis, Chart, Level, Line, Passage, axis, heights, losscurve, round_up, smooth
from components.controls import header
from components.controls.editor import edit, written
from components.experiments import EXPERIMENTS, LIVE, matching
from components.figures import abilities, weighing
from components.i18n import Words
from components.jobs import Desk, Job, tend
from components.page import Page, Session, block, exhibit, note
from components.runs import Attempt, Plan, Written, cure
from components.runs import floor as exact_floor
from components.state import Field
from model.checkpoints import Loaded, Report
from model.cost import parameters
from model.errors import Refusal
from model.training import Seconds, Step, Tokens

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


@dataclass
class Studio:
    """What is at work in this tab: the attempts, the jobs that pull them in the same order, and the attempts already taken to
    other pages, by their number."""

    desk: Desk = field(default_factory=Desk)
    attempts: tuple[Attempt, ...] = ()
    adopted: dict[int, str] = field(default_factory=dict)

    def start(self, plans: Sequence[Plan], session: Session) -> None:
        """Begin anew, from nothing."""
        self.attempts = tuple(Attempt(plan, compute.embedded().loaded.tokenizer, session.prompt.text) for plan in plans)
        self.adopted = {}
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
    st.html(f'<p class="v-reading">{html.escape(session.words("size.lead"))}</p>')
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
        for name, (attempt, job) in zip(NAMES, studio.pairs, strict=False):
            _progress(session.words, name if len(studio.attempts) > 1 else "", attempt, job)
        _doors(session, studio)
    with right:
        _picture(session, studio)
        _afterwards(session, studio)
    if beating and not studio.alive:
        st.rerun()


def _experiment(words: Words) -> None:
    current = matching(*_pair()) or OWN
    names = [experiment.name for experiment in EXPERIMENTS] + ([OWN] if current == OWN else [])

    def choose() -> None:
        chosen = next((e for e in EXPERIMENTS if e.name == st.session_state["size.experiment"]), None)
        if chosen is not None:
            state.put(FIRST, chosen.first)
            state.put(SECOND, chosen.second) if chosen.second else state.reset(SECOND)

    st.selectbox(
        words("size.experiment.label"),
        names,
        index=names.index(current),
        format_func=lambda name: words(f"size.experiments.{name}.title"),
        key="size.experiment",
        on_change=choose,
    )
    st.html(f'<p class="v-promise">{html.escape(words(f"size.experiments.{current}.promise"))}</p>')
    for name, line in zip(NAMES, _summaries(words, plans()), strict=False):
        st.html(f'<p class="v-plan v-plan-{name}"><b>{name if len(plans()) > 1 else ""}</b> {html.escape(line)}</p>')


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
    words = session.words
    if not studio.alive:
        if st.button(words("size.train" if not studio.attempts else "size.again"), key="size-train", type="primary", width="stretch", disabled=refused):
            studio.start(plans(), session)
            st.rerun()
        return
    paused = all(job.state == "paused" or job.ended for job in studio.desk.jobs)
    with st.container(horizontal=True, gap="small"):
        st.button(words("size.resume" if paused else "size.pause"), key="size-pause", width="stretch", on_click=partial(_pause, studio.desk, not paused))
        if st.button(words("size.stop"), key="size-stop", width="stretch"):
            for job in studio.desk.jobs:
                job.stop()
            st.rerun()


def _pause(desk: Desk, pausing: bool) -> None:
    for job in desk.jobs:
        job.pause() if pausing else job.resume()


def _progress(words: Words, name: str, attempt: Attempt, job: Job[Step]) -> None:
    """How far one run is, in one line over a bar; fixed in height, so that nothing below it moves."""
    share = job.latest.fraction if job.latest else 0.0
    colour = COLOURS[NAMES.index(name) if name else 0]
    st.html(
        f'<div class="v-progress" role="status"><p><b>{name}</b> {html.escape(_status(words, attempt, job))}</p>'
        f'<span><i style="width:{share:.1%};background:{colour}"></i></span></div>'
    )


def _status(words: Words, attempt: Attempt, job: Job[Step]) -> str:
    step = job.latest
    if job.state == "queued":
        return words("size.state.queued", turn=job.turn)
    if step is None:
        return words("size.state.starting")
    values = {"step": words.number(step.step, 0), "speed": words.count(step.tokens_per_second), "tokens": words.count(step.tokens)}
    if job.state == "running" and step.fraction >= 1:
        return words("size.state.examining")
    if job.state == "running":
        left = words.duration(job.remaining or 0.0)
        return words("size.state.running", left=left, **values)
    return words(f"size.state.{job.state}", seconds=words.duration(step.seconds), **values)


# ---------------------------------------------------------------- the picture


def _picture(session: Session, studio: Studio) -> None:
    def draw() -> None:
        losscurve("size-curve", chart(session, studio))
        _axes(session.words)

    exhibit(session, "losscurve", draw, _reading(session.words, studio), lambda: _numbers(session.words, studio))


def _axes(words: Words) -> None:
    with st.container(horizontal=True, gap="small", key="size-axes"):
        for label, options, chosen in ((words("size.axes.x"), ("seconds", "tokens"), ACROSS), (words("size.axes.y"), ("log", "linear"), UP)):
            say = {option: words(f"size.axes.{option}") for option in options}
            st.segmented_control(label, options, required=True, format_func=say.__getitem__, label_visibility="collapsed", **state.bind(chosen))


def chart(session: Session, studio: Studio) -> Chart:
    """The runs so far as a picture: their curves, the two heights known beforehand, and what they wrote."""
    words, across = session.words, state.get(ACROSS)
    floor = _floor()
    column = 2 if across == "seconds" else 1
    lines = tuple(_line(words, name, attempt.curve.points(), column, floor) for name, attempt in zip(_names(studio), studio.attempts, strict=True))
    guess = math.log(compute.embedded().loaded.tokenizer.size)
    levels = (
        Level(words("size.levels.floor", nats=words.number(floor, 3)), floor, floor=True),
        Level(words("size.levels.guess", nats=words.number(guess, 2), times=words.number(guess / floor, 1)), guess),
    )
    log = state.get(UP) == "log"
    low, high = heights(levels, lines, log)
    say = partial(_short, words)
    steps = "-".join(str(len(line.x)) + ":" + str(job.latest.step if job.latest else 0) for line, job in zip(lines, studio.desk.jobs, strict=True))
    return Chart(
        revision=f"{steps}/{across}/{state.get(UP)}/{words.language}",
        label=words("size.curve.label"),
        empty=words("size.curve.empty"),
        x=axis(words(f"size.curve.{across}"), 0, _reach(across, studio), words.count if across == "tokens" else say),
        left=axis(words("size.curve.nats"), low, high, say, log),
        right=axis(words("size.curve.times"), low, high, say, log, unit=floor),
        lines=lines,
        levels=levels,
        passages=_passages(words, studio, across, floor),
        log_title=words("size.curve.written"),
        language=words.language,
    )


def _short(words: Words, value: float) -> str:
    """A round number on an axis, with no more decimals than it has."""
    return words.number(value, next(digits for digits in range(4) if math.isclose(value, round(value, digits), abs_tol=1e-4) or digits == 3))


def _names(studio: Studio) -> tuple[str, ...]:
    return NAMES[: len(studio.attempts)] if len(studio.attempts) > 1 else ("",) * len(studio.attempts)


def _line(words: Words, name: str, points: np.ndarray, column: int, floor: float) -> Line:
    losses = smooth(points[:, 3]) if len(points) else points[:, 3]
    tip = words("size.curve.tip", times=words.number(float(losses[-1]) / floor, 2)) if len(points) else ""
    return Line(name or words("size.curve.loss"), points[:, column], losses, points[:, 3], tip)


def _reach(across: str, studio: Studio) -> float:
    """Where the horizontal axis ends: at the budget where that is known, else where the pace so far leads, rounded up so that it moves seldom."""
    known = Seconds if across == "seconds" else Tokens
    ends: list[float] = []
    for plan, job in zip([a.plan for a in studio.attempts] or plans(), [*studio.desk.jobs] or [None] * 2, strict=False):
        match plan.recipe.budget:
            case Seconds(length=end) | Tokens(count=end) if isinstance(plan.recipe.budget, known):
                ends.append(end)
            case _ if job is not None and job.latest is not None:
                spent = job.latest.seconds if across == "seconds" else job.latest.tokens
                ends.append(round_up(spent / max(job.latest.fraction, 0.01)))
    return max(ends, default=30.0 if across == "seconds" else 1e6)


def _passages(words: Words, studio: Studio, across: str, floor: float) -> tuple[Passage, ...]:
    """What the runs wrote, in the order of their training."""
    names = _names(studio)

    def passage(number: int, written: Written) -> Passage:
        spent = words("size.curve.after_seconds", seconds=words.number(written.seconds, 1)) if across == "seconds" else words("size.curve.after_tokens", tokens=words.count(written.tokens))
        when = f"{names[number]} · {spent}" if names[number] else spent
        reached = words("size.curve.tip", times=words.number(written.loss / floor, 2))
        return Passage(number, float(getattr(written, across)), when, reached, written.opening, written.text)

    found = [passage(number, written) for number, attempt in enumerate(studio.attempts) for written in attempt.written]
    return tuple(sorted(found, key=lambda passage: passage.x))


def _reading(words: Words, studio: Studio) -> str:
    """The picture in a sentence. It changes only when a model has written again, for it is read aloud."""
    floor = _floor()
    guess = math.log(compute.embedded().loaded.tokenizer.size)
    said = [
        words(
            "size.reading.run",
            name=name or words("size.reading.model"),
            tokens=words.count(attempt.written[-1].tokens),
            loss=words.number(attempt.written[-1].loss, 2),
            times=words.number(attempt.written[-1].loss / floor, 2),
        )
        for name, attempt in zip(_names(studio), studio.attempts, strict=True)
        if attempt.written
    ]
    return " ".join(said) or words("size.reading.none", guess=words.number(guess, 2), times=words.number(guess / floor, 1), floor=words.number(floor, 3))


def _numbers(words: Words, studio: Studio) -> pd.DataFrame:
    floor = _floor()
    columns = [words(f"size.table.{name}") for name in ("step", "tokens", "seconds", "loss")]
    frames = [pd.DataFrame(attempt.curve.points(), columns=pd.Index(columns)) for attempt in studio.attempts]
    for name, frame in zip(_names(studio), frames, strict=True):
        frame.insert(0, words("size.table.run"), name)
        frame[words("size.table.times")] = frame[columns[3]] / floor
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=pd.Index(columns))


def _floor() -> float:
    return exact_floor(compute.embedded().loaded.tokenizer)


# ---------------------------------------------------------------- after a run


def _afterwards(session: Session, studio: Studio) -> None:
    """What a run leaves: a sentence where it failed and the plan that would work, and what a link does not carry."""
    words = session.words
    for attempt, job in studio.pairs:
        if job.failure is not None:
            _failed(session, studio, attempt, job.failure)
    if studio.attempts and not studio.alive and tuple(attempt.plan for attempt in studio.attempts) != tuple(map(_fitted, plans())):
        st.caption(words("size.changed"))
    if studio.attempts:
        st.caption(words("size.link"))


def _failed(session: Session, studio: Studio, attempt: Attempt, failure: Refusal) -> None:
    note(session, session.words.refusal(failure))
    better = cure(attempt.plan, failure)
    if better is not None and not studio.alive:
        label = session.words("size.cure", change=_difference(session.words, better, attempt.plan))
        if st.button(label, key=f"size-cure-{studio.attempts.index(attempt)}", type="primary"):
            state.put(FIRST, better)
            state.reset(SECOND)
            studio.start([better], session)
            st.rerun()


def _doors(session: Session, studio: Studio) -> None:
    """The way from a model that rests, finished or not, to the other pages."""
    words = session.words
    for number, (name, (attempt, job)) in enumerate(zip(_names(studio), studio.pairs, strict=True)):
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
    attempt, job = studio.pairs[number]
    assert attempt.session is not None and job.latest is not None
    report = Report("vitrine", parameters(attempt.plan.config), (), (), ("float32",))
    loaded = Loaded(copy.deepcopy(attempt.session.model), attempt.tokenizer, attempt.session.card({}), report)
    name = words("size.name", run=NAMES[number] if len(studio.attempts) > 1 else "", time=words.duration(job.latest.seconds))
    specimen = compute.adopt(loaded, " ".join(name.split()))
    state.put(header.MODEL, specimen.id)


# ---------------------------------------------------------------- what the models can do, what the plans weigh


def _abilities(session: Session, studio: Studio) -> None:
    """The examination of the finished models, once there is one."""
    words = session.words
    judged = [(name, attempt.verdict) for name, attempt in zip(_names(studio), studio.attempts, strict=True) if attempt.verdict is not None]
    if not judged or len(judged) < len(studio.attempts):
        return
    names, verdicts = zip(*judged, strict=True)
    st.html(f"<h3>{html.escape(words('size.skills.title'))}</h3>")
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
    st.html(f"<h3>{html.escape(words('size.figures.title'))}</h3>")
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
    return plan.speaking(compute.embedded().loaded.tokenizer.size)


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
        two = st.toggle(words("size.settings.second"), value=state.get(SECOND) is not None, key=f"size-second-{state.get(SECOND) is not None}")
        if two != (state.get(SECOND) is not None):
            state.put(SECOND, state.get(FIRST)) if two else state.reset(SECOND)
            st.rerun(scope="fragment")
        if not two:
            return FIRST
        st.segmented_control(words("size.settings.which"), NAMES, required=True, label_visibility="collapsed", **state.bind(EDITED))
    return FIRST if state.get(EDITED) == "A" else SECOND


PAGE = Page("size", render, (FIRST, SECOND, ACROSS, UP, EDITED))
