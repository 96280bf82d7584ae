"""What positions do, as pictures: a scheme as rows by distance, one head's scores term by term, and a text begun elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from components.canvas.distances import Grid
from components.figures.masking import spelled
from components.i18n import Words
from components.theme import DARK, DIVERGING, PAIR, SEQUENTIAL, colour
from model.analysis.lengths import Beyond, Elsewhere
from model.analysis.positions import ByDistance, Floats, Integers, Nothing, Numbers, Scheme, Slopes, Turning, Vectors

INKS = (DARK.dim, colour(SEQUENTIAL, 0.8), colour(DIVERGING, 0.22), colour(SEQUENTIAL, 0.55))


# ---------------------------------------------------------------- the scheme


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What the picture of a scheme is made of: its word, rows, columns, numbers (R, D), and where the colours end."""

    name: str
    rows: tuple[str, ...]
    columns: Integers
    values: Floats
    most: float
    rooted: bool = False
    speeds: tuple[float, ...] = ()


def shape(words: Words, scheme: Scheme, distances: Integers, heads: int) -> Shape:
    """The numbers of a scheme's picture. `distances` (D,) are those it was asked for."""
    named = tuple(words("positions.added.row", head=head + 1) for head in range(heads))
    match scheme:
        case Vectors(places=places, similarity=values):
            return Shape("vectors", tuple(words.number(int(place), 0) for place in places), places, values, 1.0)
        case Turning(speeds=speeds, waves=values):
            return Shape("turning", tuple(str(pair + 1) for pair in range(len(speeds))), distances, values, 1.0, speeds=tuple(speeds.tolist()))
        case Slopes(added=values):
            return Shape("slopes", named, distances, values, float(np.abs(values).max()), rooted=True)
        case Numbers(added=values):
            return Shape("numbers", named, distances, values, float(np.abs(values).max()) or 1.0)
        case Nothing():
            return Shape("nothing", named, distances, np.zeros((heads, len(distances)), np.float32), 1.0)


def drawn(words: Words, found: Shape, name: str, revision: str) -> Grid:
    """A scheme, called `name`, as rows by distance."""
    said = {part: words(f"positions.scheme.{found.name}_{part}") for part in ("rows", "columns", "slider", "about")}
    return Grid(
        revision=revision,
        title=words(f"positions.scheme.{found.name}_title", name=name),
        about=said["about"],
        rows=found.rows,
        columns=found.columns,
        values=found.values,
        table="diverging",
        low=-found.most,
        high=found.most,
        rooted=found.rooted,
        names=(said["rows"], said["columns"], said["slider"]),
        speeds=found.speeds,
    )


def scheme_in_words(words: Words, scheme: Scheme, distances: Integers) -> str:
    """What the picture of a scheme shows, in a sentence."""
    say = words.number
    match scheme:
        case Vectors(similarity=similarity):
            return _vectors_in_words(words, scheme, similarity)
        case Turning(speeds=speeds, periods=periods, equal=equal):
            far = int(min(32, len(equal) - 1))
            ends = {"fast": say(float(periods[0])), "slow": words.count(float(periods[-1]))}
            kept = {"near": words.percent(float(equal[1])), "away": words.percent(float(equal[far])), "far": far}
            return words("positions.scheme.turning_reading", pairs=len(speeds), **ends, **kept)
        case Slopes(slopes=slopes):
            steep, gentle, far = float(slopes.max()), float(slopes.min()), int(distances[-1])
            ends = {"steep": say(steep), "gentle": say(gentle), "steep_far": say(steep * far), "gentle_far": say(gentle * far)}
            return words("positions.scheme.slopes_reading", far=far, **ends)
        case Numbers(buckets=buckets):
            last = distances[buckets == buckets[-1]]
            return words("positions.scheme.numbers_reading", buckets=len(np.unique(buckets)), reach=int(np.abs(last).min()))
        case Nothing():
            return words("positions.scheme.nothing_reading")


def _vectors_in_words(words: Words, scheme: Vectors, similarity: Floats) -> str:
    step = len(similarity) // 4
    near, away = (float(np.diagonal(similarity, by).mean()) for by in (1, step))
    verdict = words(f"positions.scheme.vectors_{'smooth' if near - away > 0.1 else 'rough'}")
    far = int(scheme.places[step] - scheme.places[0])
    return words("positions.scheme.vectors_near", near=words.number(near, 2), away=words.number(away, 2), far=far, verdict=verdict)


def frame(words: Words, found: Shape) -> pd.DataFrame:
    """A scheme's numbers, one a line."""
    rows, columns = np.indices(found.values.shape)
    table = {
        words("positions.table.row"): np.array(found.rows, object)[rows.ravel()],
        words("positions.table.distance"): found.columns[columns.ravel()],
        words("positions.table.value"): found.values.ravel(),
    }
    if found.speeds:
        table[words("positions.table.period")] = (2 * np.pi / np.array(found.speeds))[rows.ravel()]
    return pd.DataFrame(table)


# ---------------------------------------------------------------- added to the scores of a text


def added(words: Words, title: str, values: Floats, distances: Integers, revision: str, most: float) -> Grid:
    """Heads by distance: `values` (H, D)."""
    columns = "columns" if distances.min() < 0 else "columns_causal"
    names = (words("positions.added.rows"), words(f"positions.added.{columns}"), words("positions.added.slider"))
    return Grid(
        revision=revision,
        title=title,
        rows=tuple(str(head + 1) for head in range(len(values))),
        columns=distances,
        values=values,
        table="diverging",
        low=-most,
        high=most,
        rooted=True,
        names=names,
    )


def terms(words: Words, reading: ByDistance, head: int, layout: Mapping[str, Any]) -> go.Figure:
    """One head's mean score at each distance, term by term, and the whole."""
    line = {"type": "scatter", "mode": "lines+markers" if len(reading.distances) <= 64 else "lines", "x": reading.distances}
    line["hovertemplate"] = "%{x}: %{y:.2f}<extra>%{fullData.name}</extra>"
    drawn = [
        line | {"name": words(f"positions.term.{name}"), "y": values, "line": {"color": ink, "width": 2}, "marker": {"size": 5}}
        for name, values, ink in zip(reading.names, reading.means[:, head], INKS, strict=False)
    ]
    dotted = {"line": {"color": DARK.accent, "width": 2.5, "dash": "dot"}, "marker": {"size": 4}}
    whole = line | dotted | {"name": words("positions.added.sum"), "y": reading.means[:, head].sum(0)}
    figure = go.Figure([*drawn, whole] if len(drawn) > 1 else [whole])
    across = {"title": words("positions.added.axis_distance"), "tickformat": "d"} | ({"dtick": 1} if np.ptp(reading.distances) < 12 else {})
    return styled(figure, layout, across, {"title": words("positions.added.axis_score")}, height=320)


def added_frame(words: Words, reading: ByDistance) -> pd.DataFrame:
    """Every head's mean of every term at every distance."""
    term, head, column = np.indices(reading.means.shape)
    names = np.array([words(f"positions.term.{name}") for name in reading.names], object)
    values = {
        "head": head.ravel() + 1,
        "distance": reading.distances[column.ravel()],
        "term": names[term.ravel()],
        "mean": reading.means.ravel(),
        "pairs": reading.pairs[column.ravel()],
    }
    return pd.DataFrame({words(f"positions.table.{name}"): column for name, column in values.items()})


# ---------------------------------------------------------------- the same text elsewhere


def elsewhere(words: Words, readings: Sequence[Elsewhere], pieces: Sequence[str], layout: Mapping[str, Any]) -> go.Figure:
    """Nats for each token said, for the text begun at 0 and begun elsewhere; `pieces` are the tokens said."""
    places, names = np.arange(len(pieces)), [spelled(piece) for piece in pieces]
    shared = {"type": "scatter", "x": places, "text": names, "hovertemplate": "%{text}: %{y:.2f}<extra>%{fullData.name}</extra>"}
    shared["mode"] = "lines+markers" if len(pieces) <= 64 else "lines"
    looks = ({"line": {"color": DARK.dim, "width": 2}, "marker": {"size": 11}}, {"line": {"color": PAIR[0], "width": 2}, "marker": {"size": 6}})
    drawn = [
        shared | look | {"name": words("positions.elsewhere.begins", start=words.number(reading.start, 0)), "y": reading.loss}
        for reading, look in zip(readings, looks, strict=False)
    ]
    every = -(-len(pieces) // 24)
    across = {"tickvals": places[::every], "ticktext": names[::every], "tickangle": -45, "showgrid": False}
    return styled(go.Figure(drawn), layout, across, {"title": words("positions.elsewhere.axis"), "rangemode": "tozero"}, height=300)


def elsewhere_frame(words: Words, readings: Sequence[Elsewhere], pieces: Sequence[str]) -> pd.DataFrame:
    """Each token said, and its nats by where the text begins."""
    losses = {words("positions.elsewhere.begins", start=words.number(reading.start, 0)): reading.loss for reading in readings}
    return pd.DataFrame({words("positions.table.token"): list(pieces)} | losses)


# ---------------------------------------------------------------- beyond the trained length


def lengths(words: Words, names: Sequence[str], found: Sequence[Beyond | None], trained: int, read: int, layout: Mapping[str, Any]) -> go.Figure:
    """Loss along long rows as a multiple of the exact floor of the same documents, the trained length marked."""
    line = {"type": "scatter", "mode": "lines+markers", "hovertemplate": "≤ %{x}: %{y:.2f} ×<extra>%{fullData.name}</extra>"}
    drawn = [
        line | {"name": name, "x": reading.ends, "y": reading.ratio, "line": {"color": ink, "width": 2.5}, "marker": {"size": 6}}
        for name, reading, ink in zip(names, found, PAIR, strict=False)
        if reading is not None
    ]
    figure = go.Figure(drawn or [line | {"x": [], "y": [], "showlegend": False}])
    figure.add_vrect(x0=0, x1=trained, fillcolor=DARK.hairline, opacity=0.55, line_width=0, layer="below")
    figure.add_vline(x=trained, line={"color": DARK.accent, "width": 1.5, "dash": "dash"})
    figure.add_hline(y=1, line={"color": DARK.accent, "width": 1.5})
    _write(figure, trained, 1.0, words("positions.swap.trained", count=trained), "left", ref="paper")
    _write(figure, read, 1.0, words("positions.swap.floor"), "right")
    if not drawn:
        _write(figure, read / 2, 0.5, words("positions.swap.empty"), "center", ref="paper")
    worst = max((float(np.nanmax(reading.ratio)) for reading in found if reading is not None), default=4.0)
    across = {"title": words("positions.swap.axis_position"), "range": [0, read], "tickvals": list(range(0, read + 1, trained // 2))}
    down = {"title": words("positions.swap.axis_ratio"), "range": [0.8, max(2.0, 1.08 * worst)]}
    return styled(figure, {**layout, "showlegend": bool(drawn)}, across, down, height=420)


def _write(figure: go.Figure, x: float, y: float, text: str, side: str, ref: str = "y") -> None:
    """Words on the plate, beside a point."""
    place = {"xanchor": side, "yanchor": "top" if ref == "paper" else "bottom", "xshift": {"left": 6, "right": -6, "center": 0}[side]}
    font = {"color": DARK.glow if side == "center" else DARK.accent, "size": 14 if side == "center" else 13}
    figure.add_annotation(x=x, y=y, yref=ref, text=text, showarrow=False, font=font, **place)


def lengths_frame(words: Words, names: Sequence[str], found: Sequence[Beyond | None]) -> pd.DataFrame:
    """Every stretch of every miniature: its loss, the floor of the same documents, and the ratio."""
    columns = ("scheme", "until", "tokens", "loss", "floor", "ratio")
    parts = [
        pd.DataFrame(dict(zip(columns, (name, reading.ends, reading.tokens, reading.loss, reading.floor, reading.ratio), strict=True)))
        for name, reading in zip(names, found, strict=True)
        if reading is not None
    ]
    whole = pd.concat(parts) if parts else pd.DataFrame(columns=list(columns))
    return whole.rename(columns={name: words(f"positions.table.{name}") for name in columns})


def styled(figure: go.Figure, layout: Mapping[str, Any], across: Mapping[str, Any], down: Mapping[str, Any], height: int) -> go.Figure:
    """A chart in the house's layout with these axes."""
    figure.update_layout(**{**layout, "height": height, "hovermode": "closest"})
    figure.update_xaxes(**across)
    figure.update_yaxes(**down)
    return figure
