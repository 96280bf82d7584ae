"""What a KV cache weighs as the text grows, and what one more token costs with it and without: charts, sentences and tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from components.i18n import Words
from components.theme import DARK, DIVERGING, PAIR, SEQUENTIAL, colour
from model.config import Config, Everywhere, Sliding
from model.cost import Precision, bytes_by_precision, cache_bytes, cache_bytes_per_token, decoding_flops, forward_flops
from model.cost.hardware import Hardware
from model.generation.pace import Stepped

INKS = (PAIR[0], PAIR[1], colour(DIVERGING, 0.85), colour(SEQUENTIAL, 0.97), colour(SEQUENTIAL, 0.5), colour(DIVERGING, 0.35))
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
FARTHEST = 131_072
NEAREST = 256


# ---------------------------------------------------------------- this model, its key/value heads varied


@dataclass(frozen=True, slots=True)
class Variant:
    """The model on show with another attention: its `kind`, what it is given, and whether it is the model's own."""

    kind: str
    number: int
    config: Config
    own: bool

    def name(self, words: Words) -> str:
        """As the screen calls it."""
        called = words(f"cache.variant.{self.kind}", number=words.number(self.number, 0))
        return words("cache.variant.own", name=called) if self.own else called


def variants(config: Config, groups: int, window: int) -> tuple[Variant, ...]:
    """The same model with a key/value head for every head, for every few (`groups` in all), with one for all, and with a window of
    `window` tokens; its own numbers stand in the places of its own kind."""
    attention = config.attention
    whole = replace(attention, reach=Everywhere())
    counts = {"multi_head": attention.heads, "grouped": groups, "multi_query": 1}
    kinds = {kind: count for kind, count in counts.items() if kind != "grouped" or 1 < groups < attention.heads}
    found = [_variant(config, kind, count, replace(whole, kv_heads=count)) for kind, count in kinds.items()]
    return (*found, _variant(config, "window", window, replace(attention, reach=Sliding(window=window))))


def _variant(config: Config, kind: str, number: int, attention: Any) -> Variant:
    return Variant(kind, number, replace(config, attention=attention), attention == config.attention)


def divisors(config: Config) -> tuple[int, ...]:
    """How many key/value heads groups of heads may share: more than one, fewer than the heads."""
    heads = config.attention.heads
    return tuple(count for count in range(2, heads) if heads % count == 0)


def lengths(last: int, window: int) -> list[int]:
    """Where lines are drawn: straight from end to end, with a corner at the window."""
    return sorted({1, min(window, last), last, *(max(1, last * part // 8) for part in range(1, 8))})


def growing(
    words: Words, found: Sequence[Variant], precision: Precision, source: int, counted: Mapping[int, int], layout: Mapping[str, Any]
) -> go.Figure:
    """Bytes against length, a line a variant; `counted` are bytes of real tensors by length, as dots."""
    context = found[0].config.context
    traces: list[dict[str, Any]] = []
    for number, variant in enumerate(found):
        across = lengths(context, variant.config.attention.window or context)
        line = {"color": INKS[number], "width": 4 if variant.own else 2.25, "dash": DASHES[number]}
        sizes = [cache_bytes(variant.config, length, precision=precision, source=source) for length in across]
        traces.append(_line(variant.name(words), across, sizes, [words.bytes(size) for size in sizes], line))
    name = words("cache.growing.counted")
    dots = {"mode": "markers", "marker": {"color": DARK.glow, "size": 7, "symbol": "circle-open", "line": {"width": 1.5}}}
    traces.append(_line(name, list(counted), list(counted.values()), [words.bytes(size) for size in counted.values()]) | dots)
    down = {"title": words("cache.growing.bytes"), "rangemode": "tozero", **ticks(words.bytes, max(max(trace["y"]) for trace in traces))}
    return _figure(traces, layout, {"title": words("cache.growing.length"), "showgrid": False, "tickformat": ","}, down)


def _line(name: str, x: Sequence[float], y: Sequence[float], said: Sequence[str], line: Mapping[str, Any] | None = None) -> dict[str, Any]:
    shown = {"type": "scatter", "mode": "lines", "name": name, "x": list(x), "y": list(y), "text": list(said)}
    return shown | {"hovertemplate": "%{x:,}: %{text}<extra>%{fullData.name}</extra>"} | ({"line": dict(line)} if line else {})


def ticks(say: Callable[[float], str], most: float) -> dict[str, Any]:
    """Round numbers up to `most` on an axis, as `say` writes them."""
    step = 10 ** math.floor(math.log10(most)) if most > 0 else 1
    step = next(step * part for part in (0.1, 0.2, 0.5, 1, 2) if most / (step * part) <= 6)
    values = [step * number for number in range(int(most / step) + 2)]
    return {"tickvals": values, "ticktext": [say(value) for value in values]}


def grown_in_words(words: Words, found: Sequence[Variant], precision: Precision, source: int) -> str:
    """What each variant holds at the full context."""
    context = found[0].config.context
    held = [(variant, cache_bytes(variant.config, context, precision=precision, source=source)) for variant in found]
    parts = [words("cache.growing.part", name=variant.name(words), bytes=words.bytes(size)) for variant, size in held]
    most, least = max(size for _, size in held), min(size for _, size in held)
    said = words("cache.growing.reading", context=words.number(context, 0), parts="; ".join(parts), ratio=words.number(most / least, 1))
    return f"{said} {words('cache.growing.source', source=words.number(source, 0))}" if source else said


def grown(words: Words, found: Sequence[Variant], precision: Precision, source: int) -> pd.DataFrame:
    """Bytes of every variant at every length where a line bends or is marked."""
    rows = [
        (variant.name(words), variant.config.attention.kv_heads, length, cache_bytes(variant.config, length, precision=precision, source=source))
        for variant in found
        for length in lengths(variant.config.context, variant.config.attention.window or variant.config.context)
    ]
    return pd.DataFrame(rows, columns=pd.Index([words(f"cache.table.{name}") for name in ("variant", "kv_heads", "length", "bytes")]))


# ---------------------------------------------------------------- published models


@dataclass(frozen=True, slots=True)
class Served:
    """A published model that serves `batch` texts at once: its weights and cache in `precision`, on a machine with `room` bytes."""

    name: str
    config: Config
    precision: Precision
    batch: int
    room: float

    @property
    def weights(self) -> int:
        """Bytes of the weights."""
        return bytes_by_precision(self.config)[self.precision]

    def cache(self, length: int) -> int:
        """Bytes of the cache of all texts at this length."""
        return cache_bytes(self.config, length, self.batch, self.precision)

    @property
    def full(self) -> int | None:
        """The longest texts that fit beside the weights; -1 if not even these do, `None` if a window lets any length fit."""
        left, each = self.room - self.weights, self.batch * cache_bytes_per_token(self.config, self.precision)
        length, window = int(left // each), self.config.attention.window
        if length < 1:
            return -1
        return None if window is not None and length >= window else length


def published(words: Words, found: Sequence[Served], hardware: Hardware, layout: Mapping[str, Any]) -> go.Figure:
    """Bytes against length, both logarithmic: full lines up to the context a model was published with, pale ones beyond; a dot where weights
    and cache fill the machine, and the machine's memory across."""
    traces: list[dict[str, Any]] = []
    for number, each in enumerate(found):
        ink = {"color": INKS[number % len(INKS)], "width": 2.5, "dash": DASHES[number % len(DASHES)]}
        within = _powers(NEAREST, min(each.config.context, FARTHEST), each.config.attention.window)
        beyond = _powers(within[-1], FARTHEST, each.config.attention.window)
        traces.append(_sized(words, each, within, ink))
        if len(beyond) > 1:
            traces.append(_sized(words, each, beyond, ink | {"width": 1.25}) | {"opacity": 0.55, "showlegend": False})
        if each.full is not None and NEAREST <= each.full <= FARTHEST:
            said = [words("cache.published.full", length=words.number(each.full, 0))]
            dot = {"mode": "markers", "showlegend": False, "marker": {"color": INKS[number % len(INKS)], "size": 12, "symbol": "x"}}
            traces.append(_line(each.name, [each.full], [each.cache(each.full)], said) | dot)
    memory, powers = hardware.accelerator.memory, _powers(NEAREST, FARTHEST, None)
    rule = {"color": DARK.glow, "width": 1.5, "dash": "dash"}
    name = words("cache.published.memory", machine=hardware.accelerator.title)
    traces.append(_line(name, [NEAREST, FARTHEST], [memory, memory], [words.bytes(memory)] * 2, rule))
    tens = [10.0**power for power in range(5, 14)]
    named = powers[1::2]
    across = {"title": words("cache.growing.length"), "type": "log", "tickvals": named, "ticktext": [words.number(at, 0) for at in named]}
    down = {"title": words("cache.growing.bytes"), "type": "log", "tickvals": tens, "ticktext": [words.bytes(ten) for ten in tens]}
    return _figure(traces, layout, across, down)


def _powers(low: int, high: int, window: int | None) -> list[int]:
    """Powers of two from `low` to `high`, both of these, and the window where a line has its corner."""
    corner = {window} if window is not None and low < window < high else set()
    return sorted({low, high, *corner, *(2**power for power in range(8, 18) if low < 2**power < high)})


def _sized(words: Words, each: Served, at: Sequence[int], line: Mapping[str, Any]) -> dict[str, Any]:
    sizes = [each.cache(length) for length in at]
    return _line(each.name, at, sizes, [words.bytes(size) for size in sizes], line)


def published_in_words(words: Words, found: Sequence[Served], hardware: Hardware) -> str:
    """How long a text each can hold beside its weights."""
    told = " ".join(words(f"cache.published.{_fits(each)}", **_told(words, each)) for each in found)
    share, machine = words.percent(hardware.usable, 0), hardware.accelerator.title
    return f"{told} {words('cache.published.usable', share=share, machine=machine)}"


def _told(words: Words, each: Served) -> dict[str, str]:
    return {
        "name": each.name,
        "length": words.number(each.full or 0, 0),
        "token": words.bytes(each.batch * cache_bytes_per_token(each.config, each.precision)),
        "weights": words.bytes(each.weights),
        "window": words.number(each.config.attention.window or 0, 0),
        "most": words.bytes(each.cache(FARTHEST)),
    }


def _fits(each: Served) -> str:
    return "always" if each.full is None else "never" if each.full < 0 else "fits"


def published_table(words: Words, found: Sequence[Served]) -> pd.DataFrame:
    """Each model: its heads, what a token adds, what it holds at four lengths, its weights, the longest texts that fit."""
    name = lambda column: words(f"cache.table.{column}")  # noqa: E731
    at = {words("cache.table.at", length=words.number(length, 0)): length for length in (1_024, 4_096, 32_768, FARTHEST)}
    rows = [
        {
            name("model"): each.name,
            name("layers"): each.config.depths.get("decoder", 0),
            name("kv_heads"): each.config.attention.kv_heads,
            name("window"): each.config.attention.window,
            name("per_token"): each.batch * cache_bytes_per_token(each.config, each.precision),
            **{title: each.cache(length) for title, length in at.items()},
            name("weights"): each.weights,
            name("full"): each.full,
        }
        for each in found
    ]
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- one more token


def operations(words: Words, config: Config, at: Sequence[int], source: int | None, layout: Mapping[str, Any]) -> go.Figure:
    """FLOPs of one more token at each length, with a cache and without."""
    kept, anew = flops(config, at, source)
    return _both(words, at, kept, anew, [_flops(words, value) for value in (*kept, *anew)], words("cache.time.flops"), layout)


def seconds(words: Words, measured: Stepped, layout: Mapping[str, Any]) -> go.Figure:
    """Median seconds of one more token at each length, with a cache and without."""
    kept, anew = zip(*measured.medians, strict=True)
    said = [_milliseconds(words, value) for value in (*kept, *anew)]
    return _both(words, measured.lengths, kept, anew, said, words("cache.time.seconds"), layout)


def flops(config: Config, at: Sequence[int], source: int | None) -> tuple[list[int], list[int]]:
    """FLOPs of one more token at each length (this token included): from a cache, and by a pass over everything."""
    return [decoding_flops(config, length - 1, source) for length in at], [forward_flops(config, length, source=source) for length in at]


def _both(
    words: Words, at: Sequence[int], kept: Sequence[float], anew: Sequence[float], said: Sequence[str], title: str, layout: Mapping[str, Any]
) -> go.Figure:
    names = [words(f"cache.time.{name}") for name in ("kept", "anew")]
    lines = [{"color": PAIR[0], "width": 2.5}, {"color": PAIR[1], "width": 2.5, "dash": "dash"}]
    dots = {"mode": "lines+markers", "marker": {"size": 7}}
    halves = said[: len(at)], said[len(at) :]
    traces = [_line(name, at, values, half, line) | dots for name, values, half, line in zip(names, (kept, anew), halves, lines, strict=True)]
    across = {"title": words("cache.growing.length"), "type": "log", "tickvals": list(at), "ticktext": [words.number(each, 0) for each in at]}
    low, high = math.floor(math.log10(min(kept))), math.ceil(math.log10(max(anew)))
    ticks = [10.0**power for power in range(low, high + 1)]
    spelled = _flops if min(kept) > 1 else _milliseconds
    return _figure(traces, layout, across, {"title": title, "type": "log", "tickvals": ticks, "ticktext": [spelled(words, tick) for tick in ticks]})


def _flops(words: Words, value: float) -> str:
    return words.count(value)


def _milliseconds(words: Words, value: float) -> str:
    return f"{words.number(1_000 * value)}\u00a0ms"


def flops_in_words(words: Words, config: Config, at: Sequence[int], source: int | None) -> str:
    """How many times more work a pass over everything is, at the longest."""
    kept, anew = flops(config, at, source)
    told = {"length": words.number(at[-1], 0), "kept": words.count(kept[-1]), "anew": words.count(anew[-1])}
    return words("cache.time.flops_reading", **told, ratio=words.number(anew[-1] / kept[-1], 0))


def seconds_in_words(words: Words, measured: Stepped) -> str:
    """What was measured at the longest, and from where on the cache pays."""
    kept, anew = measured.medians[-1]
    told = {"length": words.number(measured.lengths[-1], 0), "kept": _milliseconds(words, kept), "anew": _milliseconds(words, anew)}
    said = words("cache.time.seconds_reading", **told, ratio=words.number(measured.ratios[-1], 1), laps=len(measured.kept))
    first = next((length for length, ratio in zip(measured.lengths, measured.ratios, strict=True) if ratio >= 2), None)
    return said if first is None else f"{said} {words('cache.time.twice', length=words.number(first, 0))}"


def times(words: Words, config: Config, at: Sequence[int], source: int | None, measured: Stepped | None) -> pd.DataFrame:
    """Length by length: FLOPs of both, and, once measured, seconds of both and their ratio."""
    kept, anew = flops(config, at, source)
    columns: dict[str, Any] = {"length": list(at), "flops_kept": kept, "flops_anew": anew}
    if measured is not None:
        columns |= {"kept": [one for one, _ in measured.medians], "anew": [other for _, other in measured.medians], "ratio": list(measured.ratios)}
    return pd.DataFrame({words(f"cache.table.{name}"): values for name, values in columns.items()})


def _figure(traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any], across: Mapping[str, Any], down: Mapping[str, Any]) -> go.Figure:
    still, axes = {"fixedrange": True}, {"xaxis": across, "yaxis": down}
    axes = {name: {**layout[name], **axis, **still, "title": {**layout[name]["title"], "text": axis["title"]}} for name, axis in axes.items()}
    on_plate = {"bgcolor": DARK.plate, "font": {"color": DARK.glow}}
    shown = {**layout, **axes, "legend": {**layout["legend"], **on_plate}, "height": 400}
    return go.Figure({"data": [dict(trace) for trace in traces], "layout": shown})
