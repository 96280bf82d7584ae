"""Two families trained side by side: miniatures of one size, one seed, one budget, from nothing, each on what its form is for."""

from __future__ import annotations

import copy
import html
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import streamlit as st

from components import compute, state
from components.canvas.losscurve import following, losscurve
from components.compute import Specimen
from components.controls.brakes import brakes, progress
from components.experiments import LIVE
from components.i18n import Words
from components.jobs import Desk, Job, tend
from components.page import Session, block, exhibit, note
from components.pages.families import choice
from components.pages.families.choice import SECONDS, SEED
from components.runs import Attempt, Plan
from components.theme import PAIR
from model.checkpoints import Loaded, Report
from model.checkpoints.marks import ours
from model.cost import parameters
from model.errors import Refusal
from model.families import find
from model.training import Seconds, Step, usual_rate

PULSE = 0.5


@dataclass
class Bench:
    """What is at work in this tab: by published size, the attempts, and on the desk the jobs that pull them, in the same order."""

    desk: Desk = field(default_factory=Desk)
    names: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()

    def start(self, names: Sequence[str], plans: Sequence[Plan], text: str) -> None:
        """Begin anew, from nothing."""
        self.names, self.attempts = tuple(names), tuple(Attempt(plan, text) for plan in plans)
        self.desk.place(*(Job(attempt.work(), owner=id(self)) for attempt in self.attempts))

    @property
    def jobs(self) -> tuple[Job[Step], ...]:
        """What pulls the attempts."""
        return self.desk.jobs

    @property
    def alive(self) -> bool:
        """Whether anything may still move."""
        return any(not job.ended for job in self.jobs)

    def shows(self, names: Sequence[str]) -> bool:
        """Whether the curves are those of these miniatures as they are asked for now."""
        return self.names == tuple(names) and [attempt.plan.config for attempt in self.attempts] == [choice.small(name) for name in names]

    def rests(self, name: str) -> Attempt | None:
        """The attempt at this miniature, once it has learned something and rests."""
        for made, attempt, job in zip(self.names, self.attempts, self.jobs, strict=True):
            resting = attempt.session is not None and job.latest is not None and job.state not in ("running", "queued")
            if made == name and resting and attempt.plan.config == choice.small(name):
                return attempt
        return None


def bench() -> Bench:
    """This tab's."""
    return state.remember("families.bench", Bench)


def trained(names: Sequence[str]) -> bool:
    """Whether all these miniatures have been trained here, as they are now asked for."""
    return all(bench().rests(name) for name in names)


def specimen(name: str) -> Specimen | None:
    """The miniature as it was trained here."""
    attempt = bench().rests(name)
    if attempt is None:
        return None
    key = f"families.trained.{name}"
    known, made = state.remember(key, lambda: (None, None))
    if known != (id(attempt), attempt.steps):
        state.forget(key)
        _, made = state.remember(key, lambda: ((id(attempt), attempt.steps), _ready(attempt)))
    return made


def _ready(attempt: Attempt) -> Specimen:
    assert attempt.session is not None
    report = Report("vitrine", parameters(attempt.plan.config), formats=("float32",))
    return compute.specimen(Loaded(copy.deepcopy(attempt.session.model), attempt.tokenizer, None, report, ours(attempt.tokenizer)), "")


def plans(names: Sequence[str]) -> list[Plan]:
    """The same recipe and seed for each. Raises `Refusal` for a miniature that is too large to be trained among many people."""
    budget, seed = Seconds(length=float(state.get(SECONDS))), state.get(SEED)
    configs = [choice.small(name) for name in names]
    return [
        Plan(config=config, recipe=replace(LIVE.recipe, budget=budget, learning_rate=float(f"{usual_rate(config.width):.2g}")), seed=seed)
        for config in configs
    ]


# ---------------------------------------------------------------- the section


def workshop(session: Session, names: Sequence[str]) -> None:
    """Train what is chosen, and watch."""
    made = bench()
    tend(made.desk)
    st.header(session.words("families.train.title"))
    st.markdown(session.words("families.train.lead"))
    block(_stage, run_every=PULSE if made.alive else None)(session, made, tuple(names), made.alive)


def _stage(session: Session, made: Bench, names: tuple[str, ...], beating: bool) -> None:
    """What moves while a run is on; when the last has ended the page is drawn once more, at rest."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        _controls(session, made, names)
        for number, (name, job) in enumerate(zip(made.names, made.jobs, strict=True)):
            progress(session.words, choice.family(session.words, name), job, PAIR[number])
            if job.failure is not None:
                note(session, session.words.refusal(job.failure))
    with right:
        _pictures(session, made, names)
    if beating and not made.alive:
        st.rerun()


def _controls(session: Session, made: Bench, names: Sequence[str]) -> None:
    words = session.words
    if made.alive:
        brakes(words, made.desk, "families")
        return
    spelled = words("families.train.seconds")
    st.segmented_control(spelled, choice.SPANS, required=True, format_func=lambda span: words.duration(span), **state.bind(SECONDS))
    try:
        wanted = plans(names)
    except Refusal as refused:
        note(session, words.refusal(refused))
        return
    label = words(f"families.train.{'again' if made.attempts else 'both' if len(names) > 1 else 'one'}")
    if st.button(label, key="families-train", type="primary", width="stretch"):
        made.start(names, wanted, session.prompt.source.text if session.prompt.source else session.prompt.text)
        st.rerun()


def _pictures(session: Session, made: Bench, names: Sequence[str]) -> None:
    """One chart where the losses are losses of the same task, else one each."""
    words, shown = session.words, made.names or tuple(names)
    forms = {type(find(name).config.form) for name in shown}
    groups = [range(len(shown))] if len(forms) == 1 else [range(at, at + 1) for at in range(len(shown))]
    for column, group in zip(st.columns(len(groups), gap="medium"), groups, strict=True):
        with column:
            _picture(session, made, [shown[at] for at in group], tuple(made.attempts[at] for at in group) if made.attempts else ())
    if len(forms) > 1:
        st.markdown(words("families.train.tasks"))
    if made.attempts:
        st.caption(words("families.train.link" if made.alive or made.shows(names) else "families.train.changed"))


def _picture(session: Session, made: Bench, shown: Sequence[str], attempts: tuple[Attempt, ...]) -> None:
    words = session.words
    wanted = [attempt.plan for attempt in attempts] or _wanted(shown)
    key = f"families-curve-{(made.names or choice.chosen()).index(shown[0])}"
    marks = "AB" if len(shown) > 1 else " "
    named = " · ".join(f"{mark} {choice.family(words, name)}" for mark, name in zip(marks, shown, strict=False))
    st.html(f"<p><b>{html.escape(named)}</b> · {html.escape(_task(words, shown))}</p>")
    exhibit(
        session,
        key,
        lambda: losscurve(key, following.chart(words, attempts, wanted, "seconds", "log")),
        following.reading(words, attempts, wanted),
        lambda: following.numbers(words, attempts),
    )


def _wanted(names: Sequence[str]) -> list[Plan]:
    """The plans, as far as there can be any."""
    try:
        return plans(names)
    except Refusal:
        return []


def _task(words: Words, shown: Sequence[str]) -> str:
    """What these models are taught."""
    return words(f"families.train.task.{type(find(shown[0]).config.form).__name__}")
