"""Runners over the same course, taking turns, so that a busy machine disturbs them alike."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import TypedDict


class Row(TypedDict):
    """One comparison: medians in seconds (or what the name says), and the peer's over ours, so above 1 is faster.

    `peer` is the figure asked for where a row has a target instead of a rival.
    """

    name: str
    ours: float
    peer: float
    ratio: float


def race(runners: Mapping[str, Callable[[], object]], rounds: int, warm: int = 2) -> dict[str, float]:
    """Median seconds of each runner over `rounds` interleaved turns, after `warm` turns that do not count."""
    times: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(warm + rounds):
        for name, run in runners.items():
            taken = timed(run)
            if turn >= warm:
                times[name].append(taken)
    return {name: statistics.median(taken) for name, taken in times.items()}


def timed(run: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


class Lane:
    """A runner in a process of its own, as its users run it: no other library's memory habits are its own. One lane runs at a time.

    `build` is called there with `arguments`, and returns a runner.
    """

    def __init__(self, build: Callable[..., Callable[[], object]], *arguments: object) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._mine, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_lane, args=(theirs, build, arguments), daemon=True)
        self._process.start()

    def __call__(self) -> float:
        """One turn: the seconds it took there."""
        self._mine.send(True)
        return self._mine.recv()

    def close(self) -> None:
        """End the process."""
        self._mine.send(False)
        self._process.join()


def relay(lanes: Mapping[str, Lane], rounds: int, warm: int = 3) -> dict[str, float]:
    """`race` between lanes; each is closed at the end."""
    times = {name: [] for name in lanes}
    for turn in range(warm + rounds):
        for name, lane in lanes.items():
            taken = lane()
            if turn >= warm:
                times[name].append(taken)
    for lane in lanes.values():
        lane.close()
    return {name: statistics.median(taken) for name, taken in times.items()}


def _lane(theirs: Connection, build: Callable[..., Callable[[], object]], arguments: tuple[object, ...]) -> None:
    run = build(*arguments)
    while theirs.recv():
        theirs.send(timed(run))


def row(name: str, ours: float, peer: float) -> Row:
    """A row from two figures of which the smaller is the better."""
    return Row(name=name, ours=ours, peer=peer, ratio=peer / ours)
