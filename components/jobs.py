"""Long work in the background: a generator pulled by a daemon thread, in a room with few places.

A job waits its turn, reports what its generator yields, and can be paused, resumed or stopped between two reports.
A paused job holds neither thread nor place, only its generator. The threads of this file never call streamlit; the page
reads `job.latest` and `job.state` when it likes. The one streamlit call here is `tend`, which ties jobs to a browser tab.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Hashable
from typing import Generic, Literal, Protocol, TypeVar

import streamlit as st
import torch

from model.errors import Refusal


class Report(Protocol):
    """What a job's generator yields: at least how much of the work is done, from 0 to 1."""

    @property
    def fraction(self) -> float: ...


R = TypeVar("R", bound=Report)
State = Literal["queued", "running", "paused", "stopped", "done", "failed"]


class Room:
    """`slots` jobs run at a time. The next one in is whoever's owner runs the fewest, then whoever came first."""

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise Refusal("jobs.slots", "a room has at least one slot, got {slots}", slots=slots)
        self.slots = slots
        self.lock = threading.RLock()
        self.running: list[Job] = []
        self.waiting: list[Job] = []

    def enter(self, job: Job) -> None:
        """Queue a job; it starts at once where there is a place."""
        with self.lock:
            self.waiting.append(job)
            self._fill()

    def leave(self, job: Job) -> None:
        """Give back the place, or the turn, of a job."""
        with self.lock:
            self.running = [other for other in self.running if other is not job]
            self.waiting = [other for other in self.waiting if other is not job]
            self._fill()

    def position(self, job: Job) -> int:
        """How many turns until a waiting job starts: 1 is next, 0 is not waiting."""
        with self.lock:
            line, shares = list(self.waiting), [other.owner for other in self.running]
            for turn in range(1, len(line) + 1):
                chosen = _next(line, shares)
                if chosen is job:
                    return turn
                line.remove(chosen)
                shares.append(chosen.owner)
            return 0

    def _fill(self) -> None:
        while self.waiting and len(self.running) < self.slots:
            job = _next(self.waiting, [other.owner for other in self.running])
            self.waiting.remove(job)
            self.running.append(job)
            job._begin()


def _next(line: list[Job], owners: list[Hashable]) -> Job:
    return min(line, key=lambda job: owners.count(job.owner))


ROOM = Room(slots=max(1, os.cpu_count() or 1))


class Job(Generic[R]):
    """A generator at work. `latest` is its last report, `failure` the sentence it ended with, if it could not go on."""

    def __init__(self, work: Generator[R, None, None], owner: Hashable = None, room: Room = ROOM) -> None:
        self.owner = owner
        self.state: State = "paused"
        self.latest: R | None = None
        self.failure: Refusal | None = None
        self._work = work
        self._room = room
        self._inside = False
        self._spent = 0.0
        self._since: float | None = None

    # ------------------------------------------------------------ what the page may ask

    @property
    def ended(self) -> bool:
        """Whether it will report nothing more."""
        return self.state in ("stopped", "done", "failed")

    @property
    def seconds(self) -> float:
        """Seconds it has been running, waits and pauses left out."""
        since = self._since
        return self._spent + (time.monotonic() - since if since is not None else 0.0)

    @property
    def remaining(self) -> float | None:
        """Seconds still to go at the pace so far; `None` before the first sign of progress."""
        done = self.latest.fraction if self.latest else 0.0
        return self.seconds * (1 - done) / done if done > 0 else None

    @property
    def turn(self) -> int:
        """Its place in the queue, 1 is next; 0 when it is not waiting."""
        return self._room.position(self)

    # ------------------------------------------------------------ what the page may do, from any thread, without waiting

    def resume(self) -> None:
        """Start, or go on after a pause: it queues for a place like everyone else."""
        with self._room.lock:
            if self.state != "paused":
                return
            if self._inside:
                self.state = "running"
                return
            self.state = "queued"
            self._room.enter(self)

    def pause(self) -> None:
        """Go no further than the report being made; the place is free for somebody else."""
        with self._room.lock:
            if self.state == "queued":
                self._room.leave(self)
            if self.state in ("queued", "running"):
                self.state = "paused"

    def stop(self) -> None:
        """End for good; what the last report holds stays."""
        with self._room.lock:
            if self.ended:
                return
            if self.state == "queued":
                self._room.leave(self)
            self.state = "stopped"
            if not self._inside:
                self._work.close()

    # ------------------------------------------------------------ the thread

    def _begin(self) -> None:
        self.state, self._inside, self._since = "running", True, time.monotonic()
        threading.Thread(target=self._pull, daemon=True, name="vitrine-job").start()

    def _pull(self) -> None:
        torch.set_num_threads(1)
        while self._goes_on():
            try:
                self.latest = next(self._work)
            except StopIteration:
                self._end("done")
            except Refusal as refusal:
                self._end("failed", refusal)
            except Exception as error:
                sentence = "the work stopped at an error it did not expect ({kind}: {message}); try a smaller setting"
                self._end("failed", Refusal("jobs.failed", sentence, kind=type(error).__name__, message=str(error)))

    def _goes_on(self) -> bool:
        with self._room.lock:
            if self.state == "running":
                return True
            self._since, self._spent = None, self.seconds
            self._inside = False
            if self.state == "stopped":
                self._work.close()
            self._room.leave(self)
            return False

    def _end(self, state: State, failure: Refusal | None = None) -> None:
        with self._room.lock:
            if self.state != "stopped":
                self.state, self.failure = state, failure


# ---------------------------------------------------------------- jobs and their browser tab


class Desk:
    """The jobs of one browser tab. While nobody sits at it, nothing on it runs."""

    def __init__(self) -> None:
        self.jobs: tuple[Job, ...] = ()
        self._away: tuple[Job, ...] = ()

    def place(self, *jobs: Job) -> None:
        """Lay new jobs on the desk; what lay there before is stopped."""
        self.clear()
        self.jobs = jobs
        for job in jobs:
            job.resume()

    def clear(self) -> None:
        """Stop everything."""
        for job in self.jobs:
            job.stop()
        self.jobs = self._away = ()

    def leave(self) -> None:
        """The tab is gone: what ran or waited is paused, and its places are free within a step."""
        self._away = tuple(job for job in self.jobs if job.state in ("queued", "running"))
        for job in self._away:
            job.pause()

    def sit(self) -> None:
        """The tab is back (a network blip, not a farewell): what was interrupted goes on."""
        for job in self._away:
            job.resume()
        self._away = ()


@st.cache_resource(scope="session", on_release=Desk.leave, show_spinner=False)
def _guard(_desk: Desk, number: int) -> Desk:
    """Streamlit releases this entry the moment the tab's connection ends; a cache of the session is its only such sign."""
    return _desk


def tend(desk: Desk) -> None:
    """Call at each run of the page: jobs on the desk end with the tab, and survive a blip of the network."""
    _guard(desk, id(desk))
    desk.sit()
