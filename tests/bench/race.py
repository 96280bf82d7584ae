"""Two or more runners over the same course, taking turns, so that a busy machine disturbs them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
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
            start = time.perf_counter()
            run()
            if turn >= warm:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def row(name: str, ours: float, peer: float) -> Row:
    """A row from two figures of which the smaller is the better."""
    return Row(name=name, ours=ours, peer=peer, ratio=peer / ours)
