"""A rule tried many times: how often it wrote each token, beside the target's probability and the draft's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from components.i18n import Words
from components.theme import DARK
from model.generation.agreement import Trial
from model.generation.choose import Numbers
from model.generation.duel import Duel

DRAFT, TARGET = "#7FD6B4", "#8C86A0"
MOST, LEAST = 10, 0.002
"""So many tokens the chart has room for, and none that everybody gives less than this."""


def likeliest(trial: Trial, q: Numbers) -> list[int]:
    """The tokens that any of the three gives a share, the target's likeliest first."""
    ranked = np.argsort(-(trial.p + 1e-9 * q), kind="stable")
    return [int(id) for id in ranked if trial.p[id] > 0 or q[id] > 0 or trial.counts[id] > 0]


def figure(words: Words, layout: dict[str, Any], trial: Trial, q: Numbers, piece: Callable[[int], str]) -> go.Figure:
    """Three bars a token; on the written one, how far chance alone moves it in 95 tries of 100."""
    ids = [id for id in likeliest(trial, q) if max(trial.p[id], q[id], trial.counts[id] / trial.times) >= LEAST][:MOST]
    names = [f"{place + 1} · {piece(id)}" for place, id in enumerate(ids)]
    shares, p = trial.counts / trial.times, trial.p
    spread = 1.96 * np.sqrt(p * (1 - p) / trial.times)
    bars = (("draft", q, DRAFT), ("target", p, TARGET), ("written", shares, DARK.accent))
    chart = go.Figure(
        [
            go.Bar(
                name=words(f"strategies.drafts.trial.{name}"),
                x=names,
                y=[float(values[id]) for id in ids],
                marker_color=ink,
                error_y={"type": "data", "array": [float(spread[id]) for id in ids], "color": DARK.glow} if name == "target" else None,
            )
            for name, values, ink in bars
        ]
    )
    chart.update_layout(layout, height=300, barmode="group", bargap=0.25)
    chart.update_yaxes(tickformat=".0%", rangemode="tozero", fixedrange=True)
    chart.update_xaxes(fixedrange=True)
    return chart


def table(words: Words, trial: Trial, q: Numbers, piece: Callable[[int], str]) -> pd.DataFrame:
    """Every token that the draft, the target or the rule gives a share."""
    ids = likeliest(trial, q)
    columns: dict[str, list[Any]] = {
        "token": [piece(id) for id in ids],
        "id": ids,
        "draft": [float(q[id]) for id in ids],
        "target": [float(trial.p[id]) for id in ids],
        "due": [float(trial.times * trial.p[id]) for id in ids],
        "counted": [int(trial.counts[id]) for id in ids],
    }
    return pd.DataFrame({words(f"strategies.drafts.trial.{name}"): values for name, values in columns.items()})


def clocks(words: Words, layout: dict[str, Any], duel: Duel) -> go.Figure:
    """Tokens a second, alone and with a draft."""
    names = [words(f"strategies.drafts.clock.way_{way}") for way in ("together", "alone")]
    values = [duel.together, duel.alone]
    told = [f"{words.number(value, 0)} " for value in values]
    bars = go.Bar(x=values, y=names, orientation="h", marker_color=[DRAFT, TARGET], text=told, textposition="inside", insidetextanchor="end")
    chart = go.Figure(bars.update(textfont={"color": "#10100F", "size": 16}))
    chart.update_layout(layout, height=150, bargap=0.3)
    chart.update_xaxes(rangemode="tozero", fixedrange=True, title=words("strategies.drafts.clock.rate_of"))
    return chart.update_yaxes(fixedrange=True, showgrid=False)
