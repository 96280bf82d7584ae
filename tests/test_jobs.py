"""Jobs: turns, pauses, stops and failures, told by events rather than by the clock; and their end with the browser tab."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

import pytest
import torch

from components.jobs import Desk, Job, Room
from model.errors import Refusal

PATIENCE = 5.0


@dataclass(frozen=True)
class Count:
    number: int
    fraction: float


class Stepper:
    """Work that makes one report each time it is let go, and remembers whether its generator was closed."""

    def __init__(self, reports: int = 1_000) -> None:
        self.reports = reports
        self.permits = threading.Semaphore(0)
        self.closed = False
        self.threads: set[int] = set()

    def work(self) -> Generator[Count, None, None]:
        try:
            for number in range(1, self.reports + 1):
                if not self.permits.acquire(timeout=PATIENCE):
                    raise TimeoutError("nobody let the work go on")
                self.threads.add(torch.get_num_threads())
                yield Count(number, number / self.reports)
        finally:
            self.closed = True

    def step(self, times: int = 1) -> None:
        self.permits.release(times)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def number(job: Job[Count]) -> int:
    return job.latest.number if job.latest else 0


def test_runs_to_the_end_and_keeps_the_last_report() -> None:
    stepper, room = Stepper(reports=3), Room(1)
    job = Job(stepper.work(), room=room)
    job.resume()
    stepper.step(3)
    until(lambda: job.state == "done")
    assert number(job) == 3
    assert job.remaining == 0
    assert job.failure is None
    until(lambda: not room.running)
    assert stepper.threads == {1}


def test_a_pause_gives_the_place_away_and_resume_goes_on_where_it_was() -> None:
    first, second, room = Stepper(), Stepper(), Room(1)
    a, b = Job(first.work(), room=room), Job(second.work(), room=room)
    a.resume()
    b.resume()
    assert (a.state, b.state, b.turn) == ("running", "queued", 1)
    first.step()
    until(lambda: number(a) == 1)
    a.pause()
    first.step()
    until(lambda: b.state == "running")
    assert number(a) == 2
    assert a.state == "paused"
    a.resume()
    assert a.state == "queued"
    b.stop()
    second.step()
    until(lambda: a.state == "running")
    first.step()
    until(lambda: number(a) == 3)
    a.stop()
    first.step()


def test_pause_and_resume_within_one_step_disturb_nothing() -> None:
    stepper, room = Stepper(reports=4), Room(1)
    job = Job(stepper.work(), room=room)
    job.resume()
    for _ in range(20):
        job.pause()
        job.resume()
    stepper.step(4)
    until(lambda: job.state == "done")
    assert number(job) == 4


def test_stop_ends_the_thread_closes_the_work_and_keeps_the_last_report() -> None:
    stepper, room = Stepper(), Room(1)
    job = Job(stepper.work(), room=room)
    job.resume()
    stepper.step()
    until(lambda: number(job) == 1)
    job.stop()
    assert job.ended
    stepper.step()
    until(lambda: stepper.closed and not room.running)
    assert number(job) == 2
    job.resume()
    assert job.state == "stopped"


@pytest.mark.parametrize("before", ["never started", "queued", "paused"])
def test_stop_closes_work_that_is_not_running(before: str) -> None:
    stepper, other, room = Stepper(), Stepper(), Room(1)
    blocker = Job(other.work(), room=room)
    job = Job(stepper.work(), room=room)
    if before == "queued":
        blocker.resume()
    if before != "never started":
        job.resume()
    if before == "paused":
        stepper.step()
        until(lambda: number(job) == 1)
        job.pause()
        stepper.step()
        until(lambda: not room.running)
    job.stop()
    assert job.state == "stopped"
    assert job not in room.waiting
    assert stepper.closed or before != "paused"
    blocker.stop()
    other.step()


def test_nobody_with_a_running_job_goes_before_somebody_with_none() -> None:
    steppers = [Stepper() for _ in range(5)]
    room = Room(2)
    ann1, ann2, ann3, bea, cid = (Job(s.work(), owner, room) for s, owner in zip(steppers, ("ann", "ann", "ann", "bea", "cid"), strict=True))
    for job in (ann1, ann2, ann3, bea, cid):
        job.resume()
    assert [ann1.state, ann2.state] == ["running", "running"]
    assert [bea.turn, cid.turn, ann3.turn, ann1.turn] == [1, 2, 3, 0]
    ann2.stop()
    steppers[1].step()
    until(lambda: bea.state == "running")
    for job, stepper in zip((cid, ann3, ann1, bea), (steppers[4], steppers[2], steppers[0], steppers[3]), strict=True):
        job.stop()
        stepper.step()


def test_a_refusal_is_the_jobs_failure_and_the_last_report_stays() -> None:
    def work() -> Generator[Count, None, None]:
        yield Count(1, 0.5)
        raise Refusal("training.not_finite", "the loss at step {step} is not a number", step=2)

    job = Job(work(), room=Room(1))
    job.resume()
    until(lambda: job.state == "failed")
    assert job.failure is not None
    assert job.failure.code == "training.not_finite"
    assert number(job) == 1


def test_any_other_error_becomes_a_sentence_and_frees_the_place() -> None:
    def work() -> Generator[Count, None, None]:
        yield Count(1, 0.5)
        raise MemoryError("no room for 9 GB")

    room = Room(1)
    job = Job(work(), room=room)
    job.resume()
    until(lambda: job.state == "failed" and not room.running)
    assert job.failure is not None
    assert "MemoryError" in str(job.failure)
    assert "no room for 9 GB" in str(job.failure)


def test_time_left_follows_the_work_done_and_pauses_do_not_count() -> None:
    stepper, room = Stepper(reports=10), Room(1)
    job = Job(stepper.work(), room=room)
    assert job.remaining is None
    job.resume()
    stepper.step(5)
    until(lambda: number(job) == 5)
    job.pause()
    stepper.step()
    until(lambda: not room.running)
    spent = job.seconds
    assert job.remaining == pytest.approx(spent * 4 / 6)
    time.sleep(0.02)
    assert job.seconds == spent


def test_a_desk_left_alone_runs_nothing_and_goes_on_when_someone_sits_down() -> None:
    stepper, room, desk = Stepper(), Room(1), Desk()
    job = Job(stepper.work(), room=room)
    desk.place(job)
    stepper.step()
    until(lambda: number(job) == 1)
    desk.leave()
    stepper.step()
    until(lambda: not room.running)
    assert job.state == "paused"
    desk.sit()
    assert job.state == "running"
    desk.clear()
    stepper.step()
    until(lambda: stepper.closed)


def test_sitting_down_resumes_only_what_leaving_interrupted() -> None:
    desk, room = Desk(), Room(2)
    jobs = [Job(Stepper().work(), room=room) for _ in range(2)]
    desk.place(*jobs)
    jobs[0].pause()
    desk.leave()
    desk.sit()
    assert [job.state for job in jobs] == ["paused", "running"]
    desk.clear()
    assert all(job.ended for job in jobs)


def test_a_new_job_on_the_desk_stops_the_old_one() -> None:
    desk, room = Desk(), Room(2)
    old, new = (Job(Stepper().work(), room=room) for _ in range(2))
    desk.place(old)
    desk.place(new)
    assert old.state == "stopped"
    assert new.state == "running"
    desk.clear()


def test_a_room_without_places_is_refused() -> None:
    with pytest.raises(Refusal, match="got 0"):
        Room(0)
