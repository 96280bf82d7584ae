"""What one more token takes, from a cache and without one: its operations counted, its seconds measured on this machine when asked for."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import partial

import streamlit as st

from components import page, state
from components.figures import caching as figures
from components.jobs import Desk, Job, tend
from components.page import Session, block, exhibit
from components.theme import PAIR
from model.config import EncoderDecoder
from model.generation.pace import LAPS, Reader, Stepped, lengths_of, stepping

PULSE = 0.5


@dataclass
class Clock:
    """What was timed in this tab, by model and length of its source; on the desk the job that is timing, and for which of them."""

    desk: Desk = field(default_factory=Desk)
    subject: tuple[str, int] = ("", 0)
    done: dict[tuple[str, int], Stepped] = field(default_factory=dict)

    @property
    def job(self) -> Job[Stepped] | None:
        """The job that is at work, or was last."""
        return self.desk.jobs[0] if self.desk.jobs else None

    @property
    def alive(self) -> bool:
        """Whether it may still report."""
        return self.job is not None and not self.job.ended

    def start(self, subject: tuple[str, int], reader: Reader) -> None:
        """Time this model, from nothing."""
        self.subject = subject
        self.done.pop(subject, None)
        self.desk.place(Job(stepping(reader), owner=id(self)))

    def collect(self) -> None:
        """Keep what a job measured that came to its end."""
        if self.job is not None and self.job.state == "done" and self.job.latest is not None:
            self.done.setdefault(self.subject, self.job.latest)


def timed(session: Session) -> None:
    """The section: the words, and what moves while the clock runs."""
    clock: Clock = state.remember("cache.clock", Clock)
    tend(clock.desk)
    _section(session, clock)


@block
def _section(session: Session, clock: Clock) -> None:
    st.header(session.words("cache.time.title"))
    st.markdown(session.words("cache.time.lead"))
    block(_stage, run_every=PULSE if clock.alive else None)(session, clock, clock.alive)


def _stage(session: Session, clock: Clock, beating: bool) -> None:
    """Operations at the left, seconds at the right; drawn once more, at rest, when the clock has stopped."""
    clock.collect()
    left, right = st.columns(2, gap="medium")
    with left:
        _operations(session)
    with right:
        _button(session, clock)
        measured = clock.done.get(_subject(session))
        if measured is not None:
            _seconds(session, measured)
        elif not clock.alive:
            st.caption(session.words("cache.time.unmeasured"))
        st.caption(session.words("cache.time.how", laps=LAPS))
    if beating and not clock.alive:
        st.rerun()


def _operations(session: Session) -> None:
    words, config, source = session.words, session.specimen.config, _source(session)
    at = lengths_of(config)
    figure = figures.operations(words, config, at, source, page.layout(session))
    exhibit(
        session,
        "operations",
        partial(st.plotly_chart, figure, theme=None, key="chart-operations", config={"displayModeBar": False}),
        figures.flops_in_words(words, config, at, source),
        lambda: figures.times(words, config, at, source, None),
        lambda: OPERATIONS.format(at=at, source=source),
    )


def _seconds(session: Session, measured: Stepped) -> None:
    words, config, source = session.words, session.specimen.config, _source(session)
    figure = figures.seconds(words, measured, page.layout(session))
    exhibit(
        session,
        "seconds",
        partial(st.plotly_chart, figure, theme=None, key="chart-seconds", config={"displayModeBar": False}),
        figures.seconds_in_words(words, measured),
        lambda: figures.times(words, config, measured.lengths, source, measured),
        lambda: SECONDS,
    )


def _source(session: Session) -> int | None:
    """How long the source is, where there is one."""
    return len(session.prompt.source_ids) if isinstance(session.specimen.config.form, EncoderDecoder) else None


def _subject(session: Session) -> tuple[str, int]:
    return session.specimen.id, len(session.prompt.source_ids)


def _button(session: Session, clock: Clock) -> None:
    """Start or stop the clock, and how far it is."""
    words, job = session.words, clock.job
    if clock.alive and job is not None:
        if st.button(words("cache.time.stop"), key="cache-stop"):
            job.stop()
            st.rerun()
        _progress(session, job)
        return
    again = "again" if _subject(session) in clock.done else "measure"
    if st.button(words(f"cache.time.{again}"), key="cache-measure", type="primary"):
        clock.start(_subject(session), Reader(session.specimen.loaded.model, session.prompt.ids, session.prompt.source_ids))
        st.rerun()
    if job is not None and job.failure is not None:
        page.calm(words.refusal(job.failure))


def _progress(session: Session, job: Job[Stepped]) -> None:
    share = job.latest.fraction if job.latest else 0.0
    told = html.escape(session.words(f"cache.time.{'queued' if job.state == 'queued' else 'busy'}", share=session.words.percent(share, 0)))
    st.html(
        f'<div class="v-progress"><p>{told}</p>'
        f'<span role="progressbar" aria-valuenow="{100 * share:.0f}" aria-valuemin="0" aria-valuemax="100" aria-label="{told}">'
        f'<i style="width:{share:.1%};background:{PAIR[0]}"></i></span></div>'
    )


OPERATIONS = """
import numpy as np

from model.cost import decoding_flops, forward_flops

at = {at}
numbers = {{
    "length": np.array(at),
    "with": np.array([decoding_flops(model.config, length - 1, {source}) for length in at]),
    "without": np.array([forward_flops(model.config, length, source={source}) for length in at]),
}}
"""
SECONDS = """
import numpy as np

from model.generation.pace import Reader, stepping

*_, last = stepping(Reader(model, tuple(ids), tuple(source)))  # on this machine, now
numbers = {"length": np.array(last.lengths), "seconds": np.array(last.medians), "ratio": np.array(last.ratios)}
"""
