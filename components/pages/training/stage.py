"""The stage of a lesson: its settings, one button, the runs side by side, and what stands below once there is something to tell."""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from components import compute, state
from components.canvas.losscurve import losscurve, round_up
from components.controls import header
from components.controls.brakes import brakes, progress
from components.i18n import Words
from components.jobs import Desk, Job
from components.lessons import Trial
from components.page import Session, block, exhibit, note
from components.pages.training import curves
from components.pages.training.curves import Plot
from components.state import Field
from components.theme import PAIR
from model.checkpoints import Loaded, Report
from model.checkpoints.marks import ours
from model.cost import parameters
from model.training import Budget, Step, Steps

PULSE = 0.5
SEED = state.integer("t.seed", 0, 0, 99)
FEWEST, MOST = 40, 2_000
"""Steps of a lesson: counted, and not timed, so that a link replays on any machine what was seen on another."""
USUAL = 15.0
"""Seconds the axis shows before anything runs."""
ROOMS: dict[bool, tuple[str, ...]] = {True: ("attention", "masks", "generation"), False: ("attention", "masks")}
"""The pages that a trained model can be taken to; one that writes to more of them."""


@dataclass
class Studio:
    """What is at work in this tab for one lesson: the trials, the settings they were begun with, and on the desk the jobs that pull them,
    in the same order."""

    desk: Desk = field(default_factory=Desk)
    trials: tuple[Trial[Any], ...] = ()
    begun: tuple[object, ...] = ()

    def start(self, trials: Sequence[Trial[Any]], settings: tuple[object, ...]) -> None:
        """Begin anew, from nothing."""
        self.trials, self.begun = tuple(trials), settings
        self.desk.place(*(Job(trial.work(), owner=id(self)) for trial in trials))

    @property
    def pairs(self) -> list[tuple[Trial[Any], Job[Step]]]:
        """Each trial with its job."""
        return list(zip(self.trials, self.desk.jobs, strict=True))

    @property
    def alive(self) -> bool:
        """Whether anything may still move."""
        return any(not job.ended for job in self.desk.jobs)


@dataclass(frozen=True)
class Lesson:
    """A lesson: its name (its words are `training.{name}.…`), how many steps its runs take unless told, the settings beside steps and seed, how
    these are set, the trials that a press of the button begins, the curves of the trials so far, and what is drawn from them below.

    `pictures` draws what can be seen before any training; `found` what was found, from the trials given.
    """

    name: str
    runs: int
    steps: Field[int]
    fields: tuple[Field[Any], ...]
    settings: Callable[[Words], None]
    trials: Callable[[Session, Budget, int], Sequence[Trial[Any]]]
    plot: Callable[[Words, Sequence[Trial[Any]]], Plot]
    found: Callable[[Session, Sequence[Trial[Any]]], None]
    pictures: Callable[[Session], None]
    told: Callable[[Words, Sequence[Trial[Any]]], str]

    def names(self, words: Words) -> tuple[str, ...]:
        """What the runs are called."""
        return tuple(words(f"training.{self.name}.run_{letter}") for letter in "ab"[: self.runs])

    def asked(self, session: Session) -> tuple[object, ...]:
        """The settings on the page now."""
        text = session.prompt.source.text if session.prompt.source else session.prompt.text
        return (*(state.get(field) for field in (*self.fields, self.steps, SEED)), text if self.name == "unmasked" else "")


def studio(name: str) -> Studio:
    """This tab's, for this lesson."""
    return state.remember(f"training.{name}", Studio)


@block
def stage(session: Session, lesson: Lesson, others: Sequence[Studio]) -> None:
    """All of a lesson that its settings and its runs change."""
    made = studio(lesson.name)
    beating = made.alive
    block(_stage, run_every=PULSE if beating else None)(session, lesson, made, tuple(others), beating)
    lesson.pictures(session)


def _stage(session: Session, lesson: Lesson, made: Studio, others: tuple[Studio, ...], beating: bool) -> None:
    """What moves while a run is on; drawn once more, at rest, when the last has ended."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        _controls(session, lesson, made, others)
        for number, (name, (_, job)) in enumerate(zip(lesson.names(session.words), made.pairs, strict=False)):
            progress(session.words, name, job, PAIR[number])
            if job.failure is not None:
                note(session, session.words.refusal(job.failure))
        _doors(session, lesson, made)
    with right:
        _picture(session, lesson, made)
    lesson.found(session, made.trials)
    if beating and not made.alive:
        st.rerun()


def _controls(session: Session, lesson: Lesson, made: Studio, others: tuple[Studio, ...]) -> None:
    words = session.words
    if made.alive:
        brakes(words, made.desk, "training")
        return
    with st.container(key="training-settings", gap="small"):
        lesson.settings(words)
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            st.number_input(words("training.steps"), FEWEST, MOST, step=20, width=130, **state.bind(lesson.steps))
            st.number_input(words("training.seed"), 0, 99, step=1, width=110, **state.bind(SEED))
    label = words(f"training.{'again' if made.trials else 'start'}.{'one' if lesson.runs == 1 else 'many'}")
    if st.button(label, key="training-start", type="primary", width="stretch"):
        for other in others:
            other.desk.clear()
            other.trials = ()
        made.start(lesson.trials(session, Steps(count=state.get(lesson.steps)), state.get(SEED)), lesson.asked(session))
        st.rerun()
    st.html(f'<p class="v-promise">{html.escape(words("training.takes", steps=words.number(state.get(lesson.steps)), seed=state.get(SEED)))}</p>')


def _picture(session: Session, lesson: Lesson, made: Studio) -> None:
    words = session.words
    plot = lesson.plot(words, made.trials)
    exhibit(
        session,
        "training-curve",
        lambda: losscurve("training-curve", curves.chart(words, lesson.name, lesson.names(words), plot, _end(made))),
        _told(words, lesson, made),
        lambda: curves.numbers(words, lesson.names(words), plot),
    )
    if made.trials and not made.alive and made.begun != lesson.asked(session):
        st.caption(words("size.changed"))
    if made.trials:
        st.caption(words("size.link"))


def _told(words: Words, lesson: Lesson, made: Studio) -> str:
    """What the numbers say so far; of runs that were stopped, that they were."""
    if not any(trial.seen for trial in made.trials):
        return words(f"training.{lesson.name}.before")
    stopped = any(job.state == "stopped" for job in made.desk.jobs)
    early = [words("training.stopped")] if stopped else []
    return " ".join([*early, lesson.told(words, made.trials)])


def _end(made: Studio) -> float:
    """Where the axis of time ends: where the pace so far leads, rounded up so that it moves seldom."""
    return max((round_up(trial.step.seconds / max(trial.step.fraction, 0.01)) for trial in made.trials if trial.step), default=USUAL)


def _doors(session: Session, lesson: Lesson, made: Studio) -> None:
    """The way from a model that rests, finished or not, to the other pages."""
    words = session.words
    for number, (name, (trial, job)) in enumerate(zip(lesson.names(words), made.pairs, strict=False)):
        if trial.session is None or job.latest is None or job.state in ("running", "queued"):
            continue
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"size-doors-training-{number}"):
            st.html(f'<p class="v-doors">{html.escape(words("training.open", name=name))}</p>', width="content")
            for room in ROOMS[lesson.name != "blanks"]:
                if st.button(words(f"shell.menu.{room}"), key=f"training-open-{number}-{room}", type="tertiary"):
                    _take(trial, words("training.taken", name=name))
                    st.switch_page(session.pages[room])


def _take(trial: Trial[Any], name: str) -> None:
    """The trial's model as it is now, among the models of this tab, and chosen."""
    assert trial.session is not None
    model = copy.deepcopy(trial.session.model)
    report = Report("vitrine", parameters(model.config), formats=("float32",))
    loaded = Loaded(model, trial.tokenizer, trial.session.card({}), report, ours(trial.tokenizer))
    state.put(header.MODEL, compute.adopt(loaded, name).id)


def table(words: Words, columns: dict[str, Any]) -> pd.DataFrame:
    """A table whose heads are words of this page."""
    return pd.DataFrame({words(f"training.table.{name}"): values for name, values in columns.items()})
