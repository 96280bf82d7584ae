"""How alike vectors are, pair by pair, as a Plotly heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from components import theme
from components.i18n import Words


def figure(words: Words, layout: dict[str, Any], cosines: NDArray[np.floating[Any]], labels: Sequence[str]) -> go.Figure:
    """`cosines` (N, N) between vectors called `labels`; colours from −1 to 1 whatever the numbers are."""
    numbers = [str(place + 1) for place in range(len(labels))]
    hover = words("embeddings.alike.hover")
    heat = go.Heatmap(
        z=cosines.astype(np.float32),
        x=numbers,
        y=numbers,
        zmin=-1,
        zmax=1,
        colorscale=theme.colorscale(theme.DIVERGING),
        customdata=np.array([[f"{row} / {column}" for column in labels] for row in labels], object),
        hovertemplate=hover + "<extra></extra>",
        colorbar={"thickness": 12, "outlinewidth": 0, "tickvals": [-1, -0.5, 0, 0.5, 1], "tickfont": layout["xaxis"]["tickfont"]},
    )
    shown = list(range(0, len(labels), max(1, len(labels) // 24)))
    ticks = {"type": "category", "tickvals": [numbers[place] for place in shown], "ticktext": [f"{labels[place]}" for place in shown]}
    chart = go.Figure(heat).update_layout(layout, height=480, plot_bgcolor="rgba(0,0,0,0)")
    chart.update_xaxes(ticks, showgrid=False, tickangle=-45, side="top", constrain="domain")
    return chart.update_yaxes(ticks, showgrid=False, autorange="reversed", scaleanchor="x", constrain="domain")
