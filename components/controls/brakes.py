"""Pause, resume and stop for the jobs of a tab, and how far each is."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import streamlit as st

from components.i18n import Words
from components.jobs import Desk, Job


def brakes(words: Words, desk: Desk, key: str) -> None:
    """Pause or resume, and stop. A click that meets a beat of the page may be told twice, so each button says what shall be, and
    none what shall change."""
    paused = all(job.state == "paused" or job.ended for job in desk.jobs)
    with st.container(horizontal=True, gap="small"):
        if paused:
            st.button(words("size.resume"), key=f"{key}-resume", width="stretch", on_click=_each, args=(desk, Job.resume))
        else:
            st.button(words("size.pause"), key=f"{key}-pause", width="stretch", on_click=_each, args=(desk, Job.pause))
        if st.button(words("size.stop"), key=f"{key}-stop", width="stretch", on_click=_each, args=(desk, Job.stop)):
            st.rerun()


def _each(desk: Desk, act: Callable[[Job[Any]], None]) -> None:
    for job in desk.jobs:
        act(job)


def progress(words: Words, name: str, job: Job[Any], colour: str) -> None:
    """How far one run is, in one line over a bar; fixed in height, so that nothing below it moves."""
    share = job.latest.fraction if job.latest else 0.0
    told = html.escape(_status(words, job))
    name = html.escape(name)
    st.html(
        f'<div class="v-progress"><p><b>{name}</b> {told}</p>'
        f'<span role="progressbar" aria-valuenow="{100 * share:.0f}" aria-valuemin="0" aria-valuemax="100" aria-label="{name} {told}">'
        f'<i style="width:{share:.1%};background:{colour}"></i></span></div>'
    )


def _status(words: Words, job: Job[Any]) -> str:
    step = job.latest
    values = {
        "step": words.number(step.step if step else 0, 0),
        "tokens": words.count(step.tokens if step else 0),
        "seconds": words.duration(step.seconds if step else 0.0),
        "speed": words.count(step.tokens_per_second if step else 0.0),
        "left": words.duration(job.remaining or 0.0),
        "turn": job.turn,
    }
    starting, examining = job.state == "running" and step is None, job.state == "running" and step is not None and step.fraction >= 1
    return words(f"size.state.{'starting' if starting else 'examining' if examining else job.state}", **values)
