"""The look: two palettes, two colour tables, and the style sheet that carries them.

The data carries the colour. Every map lies on a near-black plate, in the light theme as in the dark one, and its values
are lit: `SEQUENTIAL` runs from the plate through indigo and amber to cream, `DIVERGING` from cyan through the plate to
orange. Both are drawn in OKLab (Ottosson 2020) along a curve cut into steps of equal perceived difference, with lightness
that never turns back, so that they still order the values for a colour-blind reader and on a faded projector.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import numpy as np

Scheme = Literal["light", "dark"]
SHEET = Path(__file__).with_name("theme.css")


# ---------------------------------------------------------------- palettes


@dataclass(frozen=True)
class Palette:
    """The colours around the data, as `#rrggbb`. `ink` and `muted` are text on `paper`; `glow` and `dim` are text on the `plate`."""

    name: Scheme
    paper: str
    raised: str
    ink: str
    muted: str
    line: str
    accent: str
    on_accent: str
    plate: str
    glow: str
    dim: str
    hairline: str


LIGHT = Palette(
    name="light",
    paper="#FBF9F5",
    raised="#F2EEE6",
    ink="#1D1B22",
    muted="#5F5B68",
    line="#DAD4C8",
    accent="#B4371F",
    on_accent="#FFFFFF",
    plate="#111017",
    glow="#F4EEDF",
    dim="#A9A4B4",
    hairline="#2E2C38",
)
DARK = Palette(
    name="dark",
    paper="#1C1B21",
    raised="#26252D",
    ink="#EFEAE0",
    muted="#ADA8B5",
    line="#3A3843",
    accent="#FF8A6B",
    on_accent="#1C1B21",
    plate="#111017",
    glow="#F4EEDF",
    dim="#A9A4B4",
    hairline="#2E2C38",
)
PALETTES: dict[str, Palette] = {"light": LIGHT, "dark": DARK}


def css(palette: Palette) -> str:
    """The whole style sheet: the palette as custom properties (`--ink`, `--paper`, …), then the rules of `theme.css`.

    It is worn in `palette` until the browser says otherwise (`<html data-scheme>`), which it can before the server has answered.
    """
    ramps = f"--spot:{DARK.accent};--sequential:{gradient(SEQUENTIAL)};--diverging:{gradient(DIVERGING)};"
    sign = f"--mark:url('data:image/svg+xml,{quote(mark())}');"
    worn = f":root{{{_properties(palette)}{ramps}{sign}}}"
    offered = "".join(f":root[data-scheme={name}]{{{_properties(choice)}}}" for name, choice in PALETTES.items())
    return f"{worn}\n{offered}\n{_sheet()}"


def _properties(palette: Palette) -> str:
    names = [field.name for field in dataclasses.fields(palette) if field.name != "name"]
    return f"color-scheme:{palette.name};" + "".join(f"--{name.replace('_', '-')}:{getattr(palette, name)};" for name in names)


@lru_cache
def _sheet() -> str:
    return SHEET.read_text(encoding="utf-8")


# ---------------------------------------------------------------- OKLab


def oklab_to_rgb(lab: np.ndarray) -> np.ndarray:
    """OKLab `(…, 3)` to gamma-encoded sRGB `(…, 3)`, 0 to 1 inside the gamut (Björn Ottosson, "A perceptual color space", 2020)."""
    lms = (lab @ _LAB_TO_LMS.T) ** 3
    linear = lms @ _LMS_TO_RGB.T
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def rgb_to_oklab(rgb: np.ndarray) -> np.ndarray:
    """Gamma-encoded sRGB `(…, 3)`, 0 to 1, to OKLab `(…, 3)`."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ np.linalg.inv(_LMS_TO_RGB).T) @ np.linalg.inv(_LAB_TO_LMS).T


_LAB_TO_LMS = np.array([[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]])
_LMS_TO_RGB = np.array(
    [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965], [-0.0041960863, -0.7034186147, 1.7076147010]]
)


# ---------------------------------------------------------------- the two tables

# Knots are (lightness, chroma, hue in degrees); the first is the plate itself.
_PLATE = (0.175, 0.012, 285.0)
_LIT = (_PLATE, (0.34, 0.105, 277.0), (0.50, 0.120, 298.0), (0.66, 0.105, 20.0), (0.80, 0.130, 70.0), (0.97, 0.035, 95.0))
_COLD = (_PLATE, (0.36, 0.085, 262.0), (0.58, 0.115, 242.0), (0.78, 0.095, 218.0), (0.93, 0.040, 205.0))
_WARM = (_PLATE, (0.36, 0.085, 35.0), (0.58, 0.135, 45.0), (0.78, 0.120, 62.0), (0.93, 0.045, 80.0))


def _curve(knots: tuple[tuple[float, float, float], ...], samples: int = 4096) -> np.ndarray:
    """A smooth path through the knots, `(samples, 3)` in OKLab: monotone cubic in each coordinate (Fritsch & Carlson 1980)."""
    lightness, chroma, hue = np.array(knots).T
    points = np.stack([lightness, chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))], axis=1)
    where = np.linspace(0, len(knots) - 1, samples)
    left = np.minimum(where.astype(int), len(knots) - 2)
    t = (where - left)[:, None]
    slopes = _slopes(points)
    h00, h10, h01, h11 = 2 * t**3 - 3 * t**2 + 1, t**3 - 2 * t**2 + t, -2 * t**3 + 3 * t**2, t**3 - t**2
    return h00 * points[left] + h10 * slopes[left] + h01 * points[left + 1] + h11 * slopes[left + 1]


def _slopes(points: np.ndarray) -> np.ndarray:
    steps = np.diff(points, axis=0)
    before, after = steps[:-1], steps[1:]
    same_way = before * after > 0
    inner = np.where(same_way, 2 * before * after / np.where(same_way, before + after, 1), 0)
    return np.concatenate([steps[:1], inner, steps[-1:]])


def _even(path: np.ndarray, count: int) -> np.ndarray:
    """`count` points along a path, the same perceived difference between each pair of neighbours."""
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    where = np.interp(np.linspace(0, length[-1], count), length, np.arange(len(path)))
    return np.stack([np.interp(where, np.arange(len(path)), column) for column in path.T], axis=1)


def _bytes(lab: np.ndarray) -> np.ndarray:
    table = np.round(np.clip(oklab_to_rgb(lab), 0, 1) * 255).astype(np.uint8)
    table.setflags(write=False)
    return table


def _sequential() -> np.ndarray:
    return _bytes(_even(_curve(_LIT), 256))


def _diverging() -> np.ndarray:
    """Two arms of the same lightness at the same distance from the middle, which is the plate (between entries 127 and 128)."""
    arms = [_curve(knots) for knots in (_COLD, _WARM)]
    lightness = np.linspace(_PLATE[0], _COLD[-1][0], 256)[1::2]
    cold, warm = (np.stack([np.interp(lightness, arm[:, 0], column) for column in arm.T], axis=1) for arm in arms)
    return _bytes(np.concatenate([cold[::-1], warm]))


SEQUENTIAL = _sequential()
DIVERGING = _diverging()


# ---------------------------------------------------------------- the tables, for those who draw


def colour(table: np.ndarray, share: float) -> str:
    """The colour at `share` (0 to 1, held to that range) of a table, as `#rrggbb`."""
    index = min(max(round(share * 255), 0), 255)
    return "#" + bytes(table[index]).hex()


PAIR = (colour(SEQUENTIAL, 0.80), colour(DIVERGING, 0.22))
"""The first and the second of two things compared: amber and blue, alike in light and told apart by every eye."""


def gradient(table: np.ndarray, stops: int = 17) -> str:
    """A table as a CSS gradient from left to right."""
    shares = np.linspace(0, 1, stops)
    return f"linear-gradient(90deg,{','.join(f'{colour(table, s)} {s:.2%}' for s in shares)})"


def colorscale(table: np.ndarray, stops: int = 33) -> list[list[Any]]:
    """A table as a Plotly `colorscale`."""
    return [[float(s), colour(table, s)] for s in np.linspace(0, 1, stops)]


def script() -> str:
    """The tables as JavaScript, to be put before a canvas's `view.js`: `SEQUENTIAL` and `DIVERGING`, each 256 colours as bytes r, g, b."""
    read = "const vitrineTable = (hex) => Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));\n"
    tables = {"SEQUENTIAL": SEQUENTIAL, "DIVERGING": DIVERGING}
    return read + "".join(f'const {name} = vitrineTable("{table.tobytes().hex()}");\n' for name, table in tables.items())


def mark(cells: int = 4) -> str:
    """The sign of the house as SVG: a causal map on its plate, brightest where a token looks at itself."""
    step = 28 / cells
    squares = [(query, key, colour(SEQUENTIAL, 0.95 - 0.6 * (query - key) / (cells - 1))) for query in range(cells) for key in range(query + 1)]
    size = f'width="{step - 1:.2f}" height="{step - 1:.2f}"'
    lit = "".join(f'<rect x="{2 + step * key:.2f}" y="{2 + step * query:.2f}" {size} fill="{fill}"/>' for query, key, fill in squares)
    plate = f'<rect width="32" height="32" rx="6" fill="{LIGHT.plate}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" aria-hidden="true">{plate}{lit}</svg>'


# ---------------------------------------------------------------- Plotly

FONT = '"Source Sans", sans-serif'
CODE_FONT = '"Source Code", monospace'


def layout(palette: Palette) -> dict[str, Any]:
    """What every chart shares, to be passed to `update_layout` of a figure made with `template=None`: the plot lies on a plate, words on paper."""
    axis = {
        "gridcolor": palette.hairline,
        "zeroline": False,
        "linecolor": palette.line,
        "ticks": "",
        "tickfont": {"color": palette.muted, "size": 13},
        "title": {"font": {"color": palette.muted, "size": 14}},
        "automargin": True,
    }
    return {
        "template": None,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": palette.plate,
        "font": {"family": FONT, "size": 14, "color": palette.ink},
        "colorway": [colour(SEQUENTIAL, s) for s in (0.78, 0.45, 0.95, 0.62)],
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": axis,
        "yaxis": axis,
        "hoverlabel": {"bgcolor": palette.plate, "bordercolor": palette.hairline, "font": {"family": FONT, "size": 14, "color": palette.glow}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"color": palette.ink}},
        "modebar": {"remove": ["lasso2d", "select2d", "autoScale2d"]},
    }
