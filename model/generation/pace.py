"""How fast models read and write, measured side by side: in turns, so that whatever else the machine does slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median

import torch

from model.config import Config
from model.generation.decoder import Decoder
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


# ---------------------------------------------------------------- one more token, with a cache and without

LENGTHS = (8, 16, 32, 64, 128, 256, 512, 1_024)
LAPS = 7
"""Laps of which a median is taken; one more goes before, when nothing is warm, and does not count."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """Seconds of one more token at each of `lengths` (N,), this token included, lap by lap: `kept` (laps, N) with a cache that holds all
    the others, `anew` (laps, N) by a pass over the whole text. `fraction` of the laps are done."""

    lengths: tuple[int, ...]
    kept: tuple[tuple[float, ...], ...]
    anew: tuple[tuple[float, ...], ...]
    fraction: float

    @property
    def medians(self) -> tuple[tuple[float, float], ...]:
        """With a cache and without, for each length; nothing before the first lap that counts."""
        return tuple((median(kept), median(anew)) for kept, anew in zip(zip(*self.kept, strict=True), zip(*self.anew, strict=True), strict=True))

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times longer a pass over everything takes, for each length."""
        return tuple(anew / kept for kept, anew in self.medians)


def lengths_of(config: Config) -> tuple[int, ...]:
    """The lengths worth timing: powers of two up to the model's context, and the context itself where it is shorter than the last."""
    fitting = [length for length in LENGTHS if length < config.context]
    return (*fitting, min(config.context, LENGTHS[-1]))


def stepping(reader: Reader, laps: int = LAPS) -> Generator[Stepped, None, None]:
    """Time one more token with a cache and without, in turns, at every length of `lengths_of`, over and over. The text is the reader's,
    repeated to the length; an encoder–decoder encodes its source anew in every pass without a cache. Raises `Refusal` for an encoder."""
    lengths = lengths_of(reader.model.config)
    pairs = [_Pair(reader, length) for length in lengths]
    kept: list[tuple[float, ...]] = []
    anew: list[tuple[float, ...]] = []
    for lap in range(laps + 1):
        times: list[tuple[float, float]] = []
        for number, pair in enumerate(pairs):
            times.append((pair.kept(), pair.anew()))
            if number + 1 < len(pairs):
                yield Stepped(lengths, tuple(kept), tuple(anew), (lap + (number + 1) / len(pairs)) / (laps + 1))
        if lap:
            kept.append(tuple(one for one, _ in times))
            anew.append(tuple(other for _, other in times))
        yield Stepped(lengths, tuple(kept), tuple(anew), (lap + 1) / (laps + 1))


class _Pair:
    """The same token twice: from a filled cache, and from nothing."""

    def __init__(self, reader: Reader, length: int) -> None:
        ids = (reader.ids * (length // len(reader.ids) + 1))[:length]
        self.whole, self.last = Reader(reader.model, ids, reader.source), ids[-1]
        self.decoder = Decoder(reader.model, capacity=length, source=reader.source or None)
        if length > 1:
            self.decoder.read(ids[:-1])

    def kept(self) -> float:
        """Seconds of the token when the cache holds the others; it is forgotten again."""
        seconds = self.decoder.step(self.last).seconds
        self.decoder.rewind(self.decoder.length - 1)
        return seconds

    def anew(self) -> float:
        """Seconds of a pass over all of them."""
        with torch.inference_mode():
            return self.whole.read()
