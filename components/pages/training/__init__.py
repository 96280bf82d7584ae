"""Masks in training: three lessons that run live, each about what a model may see, or is asked to say, while it learns."""

from __future__ import annotations

import streamlit as st

from components import state
from components.jobs import tend
from components.page import Page, Session, block
from components.pages.training import answers, blanks, unmasked
from components.pages.training.stage import SEED, stage, studio

LESSONS = {lesson.name: lesson for lesson in (unmasked.LESSON, blanks.LESSON, answers.LESSON)}
CHOSEN = state.option("t.lesson", "unmasked", tuple(LESSONS))


def render(session: Session) -> None:
    """The page: which lesson, and that lesson."""
    for name in LESSONS:
        tend(studio(name).desk)
    st.title(session.words("training.title"))
    st.markdown(session.words("training.lead"))
    _chosen(session)


@block
def _chosen(session: Session) -> None:
    """Everything that follows from which lesson is chosen."""
    words = session.words
    titles = {name: words(f"training.{name}.title") for name in LESSONS}
    label = words("training.lesson")
    st.segmented_control(label, list(LESSONS), format_func=titles.__getitem__, required=True, label_visibility="collapsed", **state.bind(CHOSEN))
    lesson = LESSONS[state.get(CHOSEN)]
    st.markdown(words(f"training.{lesson.name}.lead"))
    stage(session, lesson, [studio(name) for name in LESSONS if name != lesson.name])


FIELDS = tuple(field for lesson in LESSONS.values() for field in (*lesson.fields, lesson.steps))
PAGE = Page("training", render, (CHOSEN, *FIELDS, SEED))
