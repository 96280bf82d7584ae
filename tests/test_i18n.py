"""Both languages say the same things, and numbers read as each language writes them."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.i18n import FOLDER, LANGUAGES, Words, catalogue, guess
from model.errors import Refusal

ROOT = Path(__file__).parents[1]
PT, EN = Words("pt-BR"), Words("en")


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


# ---------------------------------------------------------------- the catalogues


def spoken(language: str) -> dict[str, str]:
    """The catalogue without its translations of refusals, whose English stands in the code."""
    return {key: sentence for key, sentence in catalogue(language).items() if not key.startswith("errors.")}


def test_languages_hold_the_same_keys() -> None:
    assert spoken("pt-BR").keys() == spoken("en").keys()


def test_languages_fill_the_same_placeholders() -> None:
    english, portuguese = spoken("en"), spoken("pt-BR")
    different = {key for key, sentence in english.items() if placeholders(sentence) != placeholders(portuguese[key])}
    assert not different


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_empty(language: str) -> None:
    assert not [key for key, sentence in catalogue(language).items() if not sentence.strip()]


def test_every_folder_is_a_language() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith("__")} == set(LANGUAGES)


def test_an_unknown_language_is_refused_with_those_that_work() -> None:
    with pytest.raises(Refusal, match="'fr' is not spoken here; try pt-BR, en"):
        catalogue("fr")


# ---------------------------------------------------------------- what the code asks for


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """Every call in the code whose first argument is a plain string: the function's name, that string, the call."""
    found = []
    for path in [ROOT / "app.py", *(ROOT / "components").rglob("*.py"), *(ROOT / "model").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(key)), *_]):
                    found.append((name, key, node))
    return found


def named(function: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call of `function` whose first argument is a plain string, with that string."""
    return ((key, node) for name, key, node in calls() if name == function)


def test_every_key_the_code_names_is_in_the_catalogue() -> None:
    assert {key for key, _ in named("words")} <= spoken("en").keys()


REACHABLE = ("config.", "mask.", "training.", "generation.", "length.", "cache.", "link.", "runs.", "attention.", "world.")


def test_every_refusal_a_reader_can_meet_is_translated() -> None:
    met = {code for code, _ in named("Refusal") if code.startswith(REACHABLE)}
    assert {f"errors.{code}" for code in met} <= catalogue("pt-BR").keys()
    assert "config.kv_heads" in met


def test_translated_refusals_use_only_the_operands_they_are_given() -> None:
    operands: dict[str, set[str]] = {}
    for code, call in named("Refusal"):
        operands.setdefault(f"errors.{code}", set()).update(keyword.arg or "" for keyword in call.keywords)
    translated = {key: placeholders(sentence) for key, sentence in catalogue("pt-BR").items() if key in operands}
    assert {key: names - operands[key] for key, names in translated.items() if names - operands[key]} == {}


def test_a_refusal_is_told_in_the_readers_language_with_the_settings_own_name() -> None:
    refused = Refusal("config.at_least", "{name} is a whole number, {low} or more; got {given}", name="width", low=1, given=-3)
    assert PT.refusal(refused) == "Largura é um número inteiro, a partir de 1; recebeu -3."
    assert EN.refusal(refused) == "Width is a whole number, 1 or more; got -3."


def test_a_refusal_without_translation_keeps_its_own_sentence() -> None:
    assert PT.refusal(Refusal("nowhere.known", "{name} is odd", name="kv_heads")) == "kv_heads is odd."


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    ("value", "digits", "pt", "en"),
    [
        (1234.5678, None, "1.235", "1,235"),
        (1234.5678, 2, "1.234,57", "1,234.57"),
        (0.0623, None, "0,062", "0.062"),
        (-3.14159, 2, "−3,14", "−3.14"),
        (12, None, "12", "12"),
        (12.5, None, "12,50", "12.50"),
        (0, None, "0", "0"),
        (-0.004, 2, "0,00", "0.00"),
        (4.2e-7, None, "4,2\u00a0×\u00a010⁻⁷", "4.2\u00a0×\u00a010⁻⁷"),
        (float("inf"), None, "∞", "∞"),
        (float("-inf"), None, "−∞", "−∞"),
        (float("nan"), None, "–", "–"),
    ],
)
def test_numbers(value: float, digits: int | None, pt: str, en: str) -> None:
    assert PT.number(value, digits) == pt
    assert EN.number(value, digits) == en


@pytest.mark.parametrize(("share", "pt"), [(0.62, "62 %"), (0.0342, "3,4 %"), (0.00004, "< 0,1 %"), (0.0, "0 %"), (1.0, "100 %"), (0.0996, "10 %")])
def test_percentages(share: float, pt: str) -> None:
    assert PT.percent(share).replace("\u202f", " ") == pt


@pytest.mark.parametrize(
    ("value", "pt", "en"),
    [(9_999, "9.999", "9,999"), (131_072, "131 mil", "131 k"), (3_299_840, "3,3 mi", "3.3 M"), (175e9, "175 bi", "175 B"), (999_960, "1 mi", "1 M")],
)
def test_counts(value: float, pt: str, en: str) -> None:
    assert PT.count(value).replace("\u00a0", " ") == pt
    assert EN.count(value).replace("\u00a0", " ") == en


@pytest.mark.parametrize(("value", "pt"), [(12, "12 B"), (6_543_210, "6,5 MB"), (999_960, "1 MB"), (24e9, "24 GB")])
def test_bytes(value: float, pt: str) -> None:
    assert PT.bytes(value).replace("\u00a0", " ") == pt


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0352, "35 ms"), (4.23, "4.2 s"), (59.9, "60 s"), (59.96, "1 min"), (90, "1 min 30 s"), (3_600, "1 h 00 min"), (7_512, "2 h 05 min")],
)
def test_durations(seconds: float, said: str) -> None:
    assert EN.duration(seconds).replace("\u00a0", " ") == said


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(0, 6))
def test_a_number_reads_back_in_either_language(value: float, digits: int) -> None:
    pt = PT.number(value, digits).replace(".", "").replace(",", ".").replace("−", "-")
    en = EN.number(value, digits).replace(",", "").replace("−", "-")
    assert float(pt) == float(en) == round(float(en), digits)
    assert abs(float(en) - value) <= 0.5 * 10**-digits * (1 + 1e-9) + abs(value) * 1e-12


@pytest.mark.parametrize(
    ("locale", "language"), [("pt-BR", "pt-BR"), ("pt-PT", "pt-BR"), ("PT", "pt-BR"), ("en-GB", "en"), ("fr", "en"), ("", "en"), (None, "en")]
)
def test_the_first_guess_follows_the_browser(locale: str | None, language: str) -> None:
    assert guess(locale) == language


def test_keys_are_places_not_sentences() -> None:
    assert not [key for key in catalogue("en") if not re.fullmatch(r"[a-z0-9_]+(\.[A-Za-z0-9_]+)+", key)]
