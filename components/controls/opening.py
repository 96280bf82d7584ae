"""Open a model: one that the operator of this server offers, or one that the reader brings along."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import streamlit as st

from components import compute, jobs, library, state
from components.controls import header
from components.i18n import Words
from components.jobs import Desk, Job
from components.library import LIMIT, Offered, Opening
from components.page import calm, guarded, read_aloud
from model.checkpoints import Report
from model.config import Encoder, EncoderDecoder
from model.errors import Refusal

POLL = 0.5
"""Seconds between two looks at a model being opened."""


@dataclass
class _Counter:
    """What stands on this session's counter: whether it is open, the job at work, why the last wish was refused, what was opened last."""

    shown: bool = False
    desk: Desk = field(default_factory=Desk)
    refused: Refusal | None = None
    opened: compute.Specimen | None = None
    uploads: int = 0

    @property
    def job(self) -> Job[Opening] | None:
        """The job at work, if there is one."""
        return next(iter(self.desk.jobs), None)

    def start(self, work: Generator[Opening, None, None]) -> None:
        """Open a model; what was being opened before is given up."""
        self.refused = self.opened = None
        self.desk.place(Job(work, owner=id(self)))

    def finish(self) -> None:
        """Take what the job has made, or its sentence."""
        job = self.job
        if job is None or not job.ended:
            return
        self.desk.clear()
        self.refused = job.failure
        if job.state == "done" and job.latest is not None and job.latest.specimen is not None:
            self.opened = compute.keep(job.latest.specimen)
            self.uploads += 1
            state.put(header.MODEL, self.opened.id)


def _counter() -> _Counter:
    return state.remember("opening.counter", _Counter)


def door(words: Words) -> None:
    """The button that opens the counter, and closes it."""
    counter = _counter()
    label = words("opening.close" if counter.shown else "opening.button")
    st.button(label, key="opening-door", type="tertiary", on_click=_turn, args=(counter,))


def _turn(counter: _Counter) -> None:
    counter.shown = not counter.shown
    counter.refused = counter.opened = None


def opening(words: Words) -> None:
    """The counter itself, where it is open."""
    counter = _counter()
    if not counter.shown:
        return
    jobs.tend(counter.desk)
    st.fragment(_draw, run_every=POLL if counter.job else None)(words, counter)


def _draw(words: Words, counter: _Counter) -> None:
    was_busy = counter.job is not None
    counter.finish()
    if was_busy and counter.job is None:
        st.rerun()
    with guarded(words), st.container(key="opening", border=True, gap="small"):
        st.header(words("opening.title"))
        _status(words, counter)
        if counter.job is None:
            here, there = st.columns(2, gap="large")
            with here:
                _offers(words, counter)
            with there:
                _files(words, counter)


# ---------------------------------------------------------------- what is going on


def _status(words: Words, counter: _Counter) -> None:
    if counter.job is not None:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            waiting = counter.job.state == "queued"
            read_aloud(words("opening.waiting" if waiting else "opening.busy", time=words.duration(counter.job.seconds)))
            if counter.job.latest is not None and counter.job.latest.fraction:
                st.progress(counter.job.latest.fraction, width=200)
            st.button(words("opening.cancel"), key="opening-cancel", on_click=counter.desk.clear)
    if counter.refused is not None:
        calm(words.refusal(counter.refused))
    if counter.opened is not None:
        read_aloud(told(words, counter.opened))
        _report(words, counter.opened.loaded.report)


def told(words: Words, opened: compute.Specimen) -> str:
    """What has been opened, in a sentence or two: its family, its size, its form, and whether it can read text."""
    match opened.loaded.model.config.form:
        case EncoderDecoder():
            form = "both"
        case Encoder():
            form = "encoder"
        case _:
            form = "decoder"
    sentences = [
        words("opening.opened", name=opened.name, family=opened.loaded.report.family, parameters=words.count(opened.parameters)),
        words(f"opening.form.{form}"),
    ]
    if opened.loaded.tokenizer is None:
        sentences.append(words("opening.ids"))
    return " ".join(sentences)


def _report(words: Words, report: Report) -> None:
    """What was read, what was left aside, what is one array under two names, and what is missing."""
    drawer = st.expander(words("opening.report.title", count=words.number(len(report.loaded))), key="opening-report", on_change="rerun")
    if not drawer.open:
        return
    rows: list[dict[str, Any]] = [{"array": name, "state": words("opening.report.loaded")} for name in report.loaded]
    rows += [{"array": f"{copy} = {original}", "state": words("opening.report.tied")} for copy, original in report.tied]
    rows += [{"array": name, "state": words("opening.report.skipped")} for name in report.skipped]
    rows += [{"array": name, "state": words("opening.report.missing")} for name in report.missing]
    named = {"array": words("opening.report.array"), "state": words("opening.report.state")}
    with drawer:
        st.caption(words("opening.report.formats", formats=", ".join(report.formats)))
        st.dataframe([{named[key]: value for key, value in row.items()} for row in rows], hide_index=True, height=260)


# ---------------------------------------------------------------- the two ways


def _offers(words: Words, counter: _Counter) -> None:
    """The models that this house ships and those that its operator offers, one button each."""
    st.markdown(f"**{words('opening.here')}**")
    ours = compute.offers()
    with st.container(key="opening-shelf", gap=None):
        for offer in ours:
            label = words("opening.choice", name=header.named(words, offer), parameters=words.count(offer.parameters))
            chosen = state.get(header.MODEL) == offer.id
            st.button(label, key=f"opening-ours-{offer.id}", type="tertiary", disabled=chosen, on_click=partial(state.put, header.MODEL, offer.id))
        for number, one in enumerate(library.offered()):
            if all(one.name != offer.name for offer in ours) and st.button(_label(words, one), key=f"opening-offered-{number}", type="tertiary"):
                counter.start(library.open_offered(one.name))
                st.rerun()
        for number, name in enumerate(library.on_hub()):
            label = words("opening.fetch", name=name)
            if all(name != offer.name for offer in ours) and st.button(label, key=f"opening-hub-{number}", type="tertiary"):
                counter.start(library.open_named(name))
                st.rerun()
    if not library.offered() and not library.on_hub():
        st.caption(words("opening.none"))


def _label(words: Words, one: Offered) -> str:
    return words("opening.offer", name=one.name, family=one.family, parameters=words.count(one.parameters), bytes=words.bytes(one.bytes))


def _files(words: Words, counter: _Counter) -> None:
    """Files from the reader's own disk."""
    st.markdown(f"**{words('opening.bring')}**")
    st.html(f'<style>.st-key-opening {{ --v-choose: "{words("opening.choose")}"; }}</style>')
    files = st.file_uploader(
        words("opening.files"),
        accept_multiple_files=True,
        type=["json", "safetensors"],
        max_upload_size=LIMIT // compute.MEGABYTE,
        key=f"opening-files-{counter.uploads}",
        help=words("opening.help"),
    )
    st.caption(words("opening.limit", limit=words.bytes(LIMIT)))
    if files and st.button(words("opening.open"), key="opening-open", type="primary"):
        counter.start(library.open_brought(files, words("opening.brought")))
        st.rerun()
