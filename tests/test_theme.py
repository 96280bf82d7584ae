"""The colour tables are what they claim: even, ordered for every eye, symmetric; and every text can be read."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from components import theme
from components.theme import DARK, DIVERGING, LIGHT, SEQUENTIAL, Palette, rgb_to_oklab

ROOT = Path(__file__).parents[1]

# Machado, Oliveira & Fernandes 2009, severity 1.0, on linear RGB.
BLINDNESS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def gamma(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * np.maximum(rgb, 0.0031308) ** (1 / 2.4) - 0.055)


def seen(table: np.ndarray, blindness: str) -> np.ndarray:
    return gamma(np.clip(linear(table / 255) @ np.array(BLINDNESS[blindness]).T, 0, 1))


def lightness(rgb: np.ndarray) -> np.ndarray:
    return rgb_to_oklab(rgb)[:, 0]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two `#rrggbb`."""
    bright, dim = sorted((float(linear(rgb(colour)) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])


# ---------------------------------------------------------------- the tables


@pytest.mark.parametrize("table", [SEQUENTIAL, DIVERGING], ids=["sequential", "diverging"])
def test_tables_are_256_colours_that_nobody_can_change(table: np.ndarray) -> None:
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 0


def test_sequential_grows_lighter_at_every_entry() -> None:
    assert (np.diff(lightness(SEQUENTIAL / 255)) > 0).all()


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_sequential_grows_lighter_for_every_eye(blindness: str) -> None:
    assert (np.diff(lightness(seen(SEQUENTIAL, blindness))) > 0).all()


@pytest.mark.parametrize("run", [SEQUENTIAL, DIVERGING[:128], DIVERGING[128:]], ids=["sequential", "negative", "positive"])
def test_steps_are_perceptually_even(run: np.ndarray) -> None:
    lab = rgb_to_oklab(run / 255)
    steps = np.linalg.norm(lab[8:] - lab[:-8], axis=1)
    assert steps.min() > 0.85 * steps.mean()
    assert steps.max() < 1.15 * steps.mean()


def test_diverging_is_symmetric_in_lightness() -> None:
    values = lightness(DIVERGING / 255)
    assert np.abs(values - values[::-1]).max() < 0.005


@pytest.mark.parametrize("blindness", [None, *BLINDNESS])
def test_diverging_darkens_to_its_middle_and_lightens_again(blindness: str | None) -> None:
    values = lightness(DIVERGING / 255 if blindness is None else seen(DIVERGING, blindness))
    assert (np.diff(values[:128]) < 0).all()
    assert (np.diff(values[128:]) > 0).all()


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_the_two_signs_are_told_apart_by_every_eye(blindness: str) -> None:
    lab = rgb_to_oklab(seen(DIVERGING, blindness))
    strong = np.r_[16:64]
    assert np.linalg.norm(lab[strong] - lab[255 - strong], axis=1).min() > 0.10


def test_both_tables_rise_from_the_plate() -> None:
    plate = rgb_to_oklab(rgb(LIGHT.plate)[None])[0]
    for entry in (SEQUENTIAL[0], DIVERGING[127], DIVERGING[128]):
        assert np.linalg.norm(rgb_to_oklab(entry[None] / 255)[0] - plate) < 0.03


def test_oklab_there_and_back() -> None:
    colours = np.random.default_rng(0).random((500, 3))
    assert np.allclose(theme.oklab_to_rgb(rgb_to_oklab(colours)), colours, atol=1e-6)


def test_the_script_carries_the_tables_byte_for_byte() -> None:
    found = re.findall(r'const (\w+) = vitrineTable\("([0-9a-f]+)"\)', theme.script())
    assert {name: bytes.fromhex(digits) for name, digits in found} == {"SEQUENTIAL": SEQUENTIAL.tobytes(), "DIVERGING": DIVERGING.tobytes()}


@pytest.mark.parametrize(("share", "entry"), [(-1.0, 0), (0.0, 0), (0.5, 128), (1.0, 255), (7.0, 255)])
def test_a_share_outside_the_range_is_held_to_it(share: float, entry: int) -> None:
    assert theme.colour(SEQUENTIAL, share) == "#" + bytes(SEQUENTIAL[entry]).hex()


# ---------------------------------------------------------------- the palettes


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda palette: palette.name)
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "paper"),
        ("ink", "raised"),
        ("muted", "paper"),
        ("muted", "raised"),
        ("accent", "paper"),
        ("accent", "raised"),
        ("on_accent", "accent"),
        ("glow", "plate"),
        ("dim", "plate"),
    ],
)
def test_every_text_can_be_read(palette: Palette, text: str, ground: str) -> None:
    assert contrast(getattr(palette, text), getattr(palette, ground)) >= 4.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda palette: palette.name)
def test_streamlit_wears_the_same_palette(palette: Palette) -> None:
    worn = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"][palette.name]
    expected = {
        "primaryColor": palette.accent,
        "backgroundColor": palette.paper,
        "secondaryBackgroundColor": palette.raised,
        "textColor": palette.ink,
        "linkColor": palette.accent,
        "borderColor": palette.line,
        "grayTextColor": palette.muted,
    }
    assert {name: worn[name] for name in expected} == expected


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=lambda palette: palette.name)
def test_the_style_sheet_defines_every_property_it_uses(palette: Palette) -> None:
    sheet = theme.css(palette)
    defined = set(re.findall(r"(--[a-z-]+):", sheet))
    views = "".join(path.read_text() for path in (ROOT / "components" / "canvas").rglob("*.css"))
    scripts = "".join(path.read_text() for path in (ROOT / "components" / "canvas").rglob("*.js"))
    own = set(re.findall(r"(--[a-z-]+)\s*:", views)) | set(re.findall(r"--[a-z-]+", scripts))
    used = {name for name in re.findall(r"var\((--[a-z-]+)", sheet + views) if not name.startswith("--st-")}
    assert used <= defined | own


def test_charts_share_a_layout_that_is_plain_json() -> None:
    layout = theme.layout(DARK)
    assert json.loads(json.dumps(layout)) == layout
    assert layout["plot_bgcolor"] == DARK.plate
