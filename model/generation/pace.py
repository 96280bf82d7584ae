"""How fast models read and write, measured side by side: in turns, so that whatever else the machine does slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median

import torch

from model.generation.steps import generate
from model.transformer import Transformer

WRITTEN = 9
"""Tokens written in one lap; the first, which waits for the text to be read, does not count."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A model and what it reads: `ids`, for an encoder–decoder about a `source`."""

    model: Transformer
    ids: tuple[int, ...]
    source: tuple[int, ...] = ()

    @property
    def tokens(self) -> int:
        """All it reads in one pass."""
        return len(self.ids) + len(self.source)

    def read(self) -> float:
        """Seconds of one forward pass over everything."""
        start = time.perf_counter()
        memory = self.model.encode(torch.tensor([self.source])) if self.source else None
        self.model(torch.tensor([self.ids]), memory=memory)
        return time.perf_counter() - start

    def write(self) -> float | None:
        """Seconds per token written with a KV cache; `None` for an encoder, which writes none."""
        if self.model.config.main == "encoder":
            return None
        moments = list(self._moments())
        return (moments[-1] - moments[0]) / (len(moments) - 1)

    def _moments(self) -> Iterator[float]:
        """When each token was written."""
        ids = self.ids[: max(1, self.model.config.context - WRITTEN)]
        for _ in generate(self.model, ids, tokens=WRITTEN, source=self.source or None):
            yield time.perf_counter()


@dataclass(frozen=True, slots=True)
class Pace:
    """Tokens read per second and seconds per token written, medians over `laps`."""

    read: float
    write: float | None
    laps: int


def race(readers: Sequence[Reader], seconds: float = 1.0) -> tuple[Pace, ...]:
    """Let every model read its text and write a few tokens, in turns, for about so many seconds; each has at least two laps, of which
    the first, when nothing is warm, does not count."""
    laps: list[list[tuple[float, float | None]]] = [[] for _ in readers]
    end = time.perf_counter() + seconds
    with torch.inference_mode():
        for number in cycle(range(len(readers))):
            laps[number].append((readers[number].read(), readers[number].write()))
            if time.perf_counter() > end and len(laps[-1]) > 1:
                break
    return tuple(_pace(reader, counted[1:]) for reader, counted in zip(readers, laps, strict=True))


def _pace(reader: Reader, laps: Sequence[tuple[float, float | None]]) -> Pace:
    writing = [write for _, write in laps if write is not None]
    return Pace(reader.tokens / median(read for read, _ in laps), median(writing) if writing else None, len(laps))
