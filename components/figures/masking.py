"""Two charts of one text read twice, by default and masked: what may come next, and how surprising each token was."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from components.canvas.plate import visible
from components.theme import DARK, DIVERGING, SEQUENTIAL, colour
from model.analysis.masking import LossReading, NextReading

BEFORE, AFTER, TOLD = DARK.dim, colour(SEQUENTIAL, 0.8), colour(DIVERGING, 0.2)
NAMED = 64  # tokens up to which each has its name on the axis


def spelled(piece: str) -> str:
    """A token as Plotly may show it: visible, and never markup."""
    return html.escape(visible(piece))


def next_tokens(reading: NextReading, pieces: Sequence[str], labels: Mapping[str, str], layout: Mapping[str, Any]) -> go.Figure:
    """Probabilities from 0 to 1, two bars a token, likeliest on top; beside them the change in percentage points.

    `labels`: axis_token, axis_probability, default, masked, and change ("{value} pp", filled here with a signed number)."""
    places = np.arange(len(reading.ids))
    figure = go.Figure()
    for name, values, ink in (("default", reading.default, BEFORE), ("masked", reading.masked, AFTER)):
        figure.add_bar(
            name=labels[name], x=values, y=places, orientation="h", marker_color=ink, hovertemplate="%{x:.1%}<extra>%{fullData.name}</extra>"
        )
    change = 100 * (reading.masked - reading.default)
    figure.add_scatter(
        x=np.maximum(reading.default, reading.masked),
        y=places,
        mode="text",
        text=["\u2002" + labels["change"].format(value=_signed(value)) for value in change],
        textposition="middle right",
        textfont={"color": DARK.glow, "size": 13},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )
    figure.update_layout(**layout, height=400, barmode="group", bargap=0.28, bargroupgap=0.08)
    figure.update_xaxes(title_text=labels["axis_probability"], range=[0, 1.12], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1], fixedrange=True)
    figure.update_yaxes(
        title_text=labels["axis_token"],
        autorange="reversed",
        tickvals=places,
        ticktext=[spelled(piece) for piece in pieces],
        showgrid=False,
        fixedrange=True,
    )
    return figure


def losses(reading: LossReading, pieces: Sequence[str], labels: Mapping[str, str], layout: Mapping[str, Any]) -> go.Figure:
    """Nats for each token after the first, two dots a token joined by a line; a ring where the model could see the answer.

    `pieces` are the predicted tokens (T - 1,); `labels`: axis_position, axis_loss, default, masked, told."""
    places = np.arange(len(reading.default)) + 2
    figure = go.Figure()
    joined = np.stack([reading.default, reading.masked, np.full_like(reading.default, np.nan)], 1).ravel()
    figure.add_scatter(x=np.repeat(places, 3), y=joined, mode="lines", line={"color": DARK.dim, "width": 1}, hoverinfo="skip", showlegend=False)
    names = [spelled(piece) for piece in pieces]
    hover = "%{text}: %{y:.2f}<extra>%{fullData.name}</extra>"
    for name, values, ink in (("default", reading.default, BEFORE), ("masked", reading.masked, AFTER)):
        figure.add_scatter(name=labels[name], x=places, y=values, mode="markers", marker={"color": ink, "size": 9}, text=names, hovertemplate=hover)
    if reading.told.any():
        ring = {"color": "rgba(0,0,0,0)", "size": 15, "line": {"color": TOLD, "width": 2}}
        figure.add_scatter(name=labels["told"], x=places[reading.told], y=reading.masked[reading.told], mode="markers", marker=ring, hoverinfo="skip")
    figure.update_layout(**layout, height=400)
    figure.update_xaxes(title_text=labels["axis_position"], showgrid=False, **_ticks(places, names))
    figure.update_yaxes(title_text=labels["axis_loss"], rangemode="tozero")
    return figure


def _ticks(places: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    return {"tickvals": places, "ticktext": names, "tickangle": -45} if len(places) < NAMED else {}


def _signed(value: float) -> str:
    rounded = round(float(value))
    return f"+{rounded}" if rounded > 0 else f"−{-rounded}" if rounded < 0 else "±0"
