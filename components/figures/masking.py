"""Charts of one text read twice, by default and masked: what the model says at a token, how surprising each one was, or how far what it
says of each moved."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from components.canvas.plate import visible
from components.figures.caching import ticks
from components.theme import DARK, DIVERGING, SEQUENTIAL, colour
from model.analysis.masking import Floats, LossReading, NextReading, ShiftReading

BEFORE, AFTER, TOLD = DARK.dim, colour(SEQUENTIAL, 0.8), colour(DIVERGING, 0.2)
NAMED = 24  # names along the axis, at most
DOTTED = 40  # tokens up to which each has its own dots
LONGEST = 12  # letters of a name


def spelled(piece: str) -> str:
    """A token as Plotly may show it: visible, of bearable length, and never markup."""
    shown = visible(piece)
    return html.escape(shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…")


def next_tokens(reading: NextReading, pieces: Sequence[str], labels: Mapping[str, str], layout: Mapping[str, Any]) -> go.Figure:
    """Probabilities from 0 to 1, two bars a token, likeliest on top; beside them the change in percentage points.

    `labels`: axis_token, axis_probability, default, masked, and change, whose {value} is filled with a signed number."""
    places = np.arange(len(reading.ids))
    bar = {"type": "bar", "orientation": "h", "y": places, "hovertemplate": "%{x:.1%}<extra>%{fullData.name}</extra>"}
    changes = [_signed(100 * change) for change in reading.masked - reading.default]
    change = {
        "type": "scatter",
        "mode": "text",
        "x": np.maximum(reading.default, reading.masked),
        "y": places,
        "text": ["\u2002" + labels["change"].format(value=value) for value in changes],
        "textposition": "middle right",
        "textfont": {"color": DARK.glow, "size": 13},
        "hoverinfo": "skip",
        "showlegend": False,
        "cliponaxis": False,
    }
    bars = [bar | {"name": labels[name], "x": values, "marker": {"color": ink}} for name, values, ink in _both(reading)]
    across = {"title": labels["axis_probability"], "range": [0, 1.36], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1], "fixedrange": True}
    down = {
        "title": labels["axis_token"],
        "autorange": "reversed",
        "tickvals": places,
        "ticktext": [spelled(piece) for piece in pieces],
        "showgrid": False,
        "fixedrange": True,
    }
    return _figure([*bars, change], layout, across, down, barmode="group", bargap=0.28, bargroupgap=0.08)


def losses(reading: LossReading, pieces: Sequence[str], labels: Mapping[str, str], layout: Mapping[str, Any]) -> go.Figure:
    """Nats for each token after the first, without and with the mask, and where the model could see the answer.

    `pieces` are the predicted tokens (T - 1,); `labels`: axis_position, axis_loss, default, masked, told."""
    places, names = np.arange(len(reading.default)) + 2, [spelled(piece) for piece in pieces]
    shared = {"type": "scatter", "x": places, "text": names, "hovertemplate": "%{text}: %{y:.2f}<extra>%{fullData.name}</extra>"}
    traces = _dots(reading, places) if len(places) <= DOTTED else _curves(reading)
    every = -(-len(places) // NAMED)
    across = {"title": labels["axis_position"], "showgrid": False, "tickvals": places[::every], "ticktext": names[::every], "tickangle": -45}
    down = {"title": labels["axis_loss"], "rangemode": "tozero"}
    return _figure([shared | trace | {"name": labels.get(trace["name"], "")} for trace in traces], layout, across, down)


def shifts(reading: ShiftReading, pieces: Sequence[str], labels: Mapping[str, str], layout: Mapping[str, Any]) -> go.Figure:
    """Nats by which the prediction at each token moved, a bar each.

    `labels`: axis_position, axis_shift."""
    places, names = np.arange(len(pieces)) + 1, [spelled(piece) for piece in pieces]
    bars = {"type": "bar", "x": places, "y": reading.divergence, "text": None, "hovertext": names, "marker": {"color": AFTER}}
    every = -(-len(places) // NAMED)
    across = {"title": labels["axis_position"], "showgrid": False, "tickvals": places[::every], "ticktext": names[::every], "tickangle": -45}
    down = {"title": labels["axis_shift"], "rangemode": "tozero"}
    quiet = {"showlegend": False, "hovertemplate": "%{hovertext}: %{y:.2f}<extra></extra>"}
    return _figure([bars | quiet], layout, across, down, bargap=0.3)


def _dots(reading: LossReading, places: np.ndarray) -> list[dict[str, Any]]:
    """Two dots a token joined by a line, and a ring around what could be seen."""
    joined = np.stack([reading.default, reading.masked, np.full_like(reading.default, np.nan)], 1).ravel()
    line = {"x": np.repeat(places, 3), "y": joined, "text": None, "line": {"color": DARK.dim, "width": 1}}
    ring = {"color": "rgba(0,0,0,0)", "size": 15, "line": {"color": TOLD, "width": 2}}
    told = {"x": places[reading.told], "y": reading.masked[reading.told], "marker": ring, "text": None}
    quiet = {"hoverinfo": "skip", "hovertemplate": None}
    return [
        line | quiet | {"name": "", "mode": "lines", "showlegend": False},
        *({"name": name, "mode": "markers", "y": values, "marker": {"color": ink, "size": 9}} for name, values, ink in _both(reading)),
        *([told | quiet | {"name": "told", "mode": "markers"}] if reading.told.any() else []),
    ]


def _curves(reading: LossReading) -> list[dict[str, Any]]:
    """Two lines, and a stripe along the bottom under what could be seen: a mark per token would take a browser too long."""
    stripe = {
        "name": "told",
        "y": np.where(reading.told, 0.0, np.nan),
        "line": {"color": TOLD, "width": 8},
        "hoverinfo": "skip",
        "hovertemplate": None,
    }
    curves = [{"name": name, "mode": "lines", "y": values, "line": {"color": ink, "width": 1.5}} for name, values, ink in _both(reading)]
    return [*curves, *([stripe | {"mode": "lines"}] if reading.told.any() else [])]


def _both(reading: NextReading | LossReading) -> tuple[tuple[str, Floats, str], ...]:
    return ("default", reading.default, BEFORE), ("masked", reading.masked, AFTER)


def _figure(traces: list[dict[str, Any]], layout: Mapping[str, Any], across: dict[str, Any], down: dict[str, Any], **rest: Any) -> go.Figure:
    """One construction with margins of its own: Plotly takes ten times as long to update a figure, and four to fit its margins."""
    margin = {"l": 24 + 9 * max((len(name) for name in down.get("ticktext", ())), default=4), "r": 8, "t": 36, "b": 44 if "range" in across else 96}
    axes = {name: _axis(layout[name], axis) for name, axis in (("xaxis", across), ("yaxis", down))}
    return go.Figure({"data": traces, "layout": {**layout, **axes, "margin": margin, "height": 400, **rest}})


def _axis(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """An axis whose labels are not measured against the chart's edges: the margins have room for them."""
    fixed = {"automargin": False, "ticklabeloverflow": "allow"}
    return {**shared, **own, "title": {**shared["title"], "text": own["title"]}, **fixed}


def _signed(value: float) -> str:
    rounded = round(float(value))
    return f"+{rounded}" if rounded > 0 else f"−{-rounded}" if rounded < 0 else "±0"


# ---------------------------------------------------------------- what it costs


def grown(
    lengths: Sequence[int],
    lines: Mapping[str, NDArray[np.int64]],
    here: int,
    labels: Mapping[str, str],
    layout: Mapping[str, Any],
    say: Callable[[float], str],
) -> go.Figure:
    """What a mask costs against the length of a text: a curve each for this mask (`this`), the model's `own` and `all` pairs, and a line where
    the reader's text stands. `labels`: axis, axis_length, here, and the names of the curves; `say` writes what is counted."""
    inks, dashes = {"this": AFTER, "own": BEFORE, "all": BEFORE}, {"all": "dot"}
    shared = {"type": "scatter", "mode": "lines+markers", "x": list(lengths), "hovertemplate": "%{x:,}: %{text}<extra>%{fullData.name}</extra>"}
    traces = [
        shared
        | {"name": labels[name], "y": line, "text": [say(int(value)) for value in line]}
        | {"line": {"color": inks[name], "width": 2, "dash": dashes.get(name, "solid")}, "marker": {"size": 4}}
        for name, line in reversed(list(lines.items()))
    ]
    across = {"title": labels["axis_length"], "showgrid": False, "range": [0, max(lengths) * 1.02], "tickformat": ","}
    down = {"title": labels["axis"], "rangemode": "tozero", **ticks(say, max((int(line.max()) for line in lines.values()), default=1))}
    mark = {"type": "line", "x0": here, "x1": here, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": DARK.glow, "width": 1, "dash": "dot"}}
    late = here > max(lengths) / 2
    name = {"x": here, "y": 1, "yref": "paper", "text": labels["here"], "showarrow": False, "xanchor": "right" if late else "left", "yanchor": "top"}
    return _figure(traces, layout, across, down, shapes=[mark], annotations=[name | {"font": {"color": DARK.glow, "size": 13}}])


def timed(milliseconds: Sequence[float], names: Sequence[str], axis: str, layout: Mapping[str, Any]) -> go.Figure:
    """How long a pass takes, a bar a way."""
    places = np.arange(len(names))
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": places,
        "x": list(milliseconds),
        "text": [f"{value:.1f} ms" for value in milliseconds],
        "textposition": "outside",
        "cliponaxis": False,
        "textfont": {"color": DARK.glow, "size": 13},
        "marker": {"color": [BEFORE, colour(DIVERGING, 0.2), AFTER]},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    across = {"title": axis, "range": [0, 1.25 * max(milliseconds)], "fixedrange": True}
    down = {"title": "", "autorange": "reversed", "tickvals": places, "ticktext": list(names), "showgrid": False, "fixedrange": True}
    return _figure([bars], layout, across, down, bargap=0.4, height=220)
