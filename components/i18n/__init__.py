"""Words: every sentence of the screen, by place, in each language; and numbers as that language writes them.

One folder per language, one TOML file per place; `attention.toml` holds the keys `attention.…`. Nothing here remembers a
language: each run makes its own `Words`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from model.errors import Refusal

LANGUAGES = ("pt-BR", "en")
FOLDER = Path(__file__).parent
_THIN = "\u202f"
_COUNTS = {"pt-BR": ("", "\u00a0mil", "\u00a0mi", "\u00a0bi", "\u00a0tri"), "en": ("", "\u00a0k", "\u00a0M", "\u00a0B", "\u00a0T")}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_BYTES = ("B", "kB", "MB", "GB", "TB")


def guess(locale: str | None) -> str:
    """The language to greet a browser with, from its locale ("pt-PT", "en-GB", "fr"): Portuguese or else English."""
    return "pt-BR" if (locale or "").lower().startswith("pt") else "en"


@lru_cache
def catalogue(language: str) -> dict[str, str]:
    """Every key of a language with its sentence. Raises `Refusal` for a language that has no folder."""
    if language not in LANGUAGES:
        raise Refusal("i18n.language", "{given!r} is not spoken here; try {known}", given=language, known=", ".join(LANGUAGES))
    files = sorted((FOLDER / language).glob("*.toml"))
    return {key: value for file in files for key, value in _flat(file.stem, tomllib.loads(file.read_text(encoding="utf-8")))}


def _flat(prefix: str, table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}.{name}", value)
        else:
            yield f"{prefix}.{name}", value


@lru_cache
def _setting_names(language: str) -> dict[str, str]:
    """What the editor calls each setting: field name → name on the screen."""
    named = (key.split(".") for key in catalogue(language) if key.startswith("settings.") and key.endswith(".name"))
    return {parts[-2]: catalogue(language)[".".join(parts)] for parts in named if len(parts) > 2}


@dataclass(frozen=True)
class Words:
    """The voice of one language."""

    language: str

    def __call__(self, key: str, /, **values: Any) -> str:
        """The sentence at `key`, its `{placeholders}` filled. Raises `KeyError` for a key that is not in the catalogue."""
        sentence = catalogue(self.language)[key]
        return sentence.format(**values) if values else sentence

    def has(self, key: str) -> bool:
        """Whether the catalogue holds `key`."""
        return key in catalogue(self.language)

    def refusal(self, refused: Refusal) -> str:
        """A refusal as a whole sentence in this language, or in its own English where it has no translation."""
        key = f"errors.{refused.code}"
        sentence = self(key, **self._spoken(refused.values)) if self.has(key) else str(refused)
        first, _, rest = sentence.partition(" ")
        named = "_" in first or "." in first
        return f"{first if named else first[:1].upper() + first[1:]} {rest}".rstrip() + ("" if sentence.endswith((".", "?", "!")) else ".")

    def _spoken(self, values: dict[str, Any]) -> dict[str, Any]:
        """A refusal's operands as this language writes them: numbers with its separators, settings by their names on the screen."""
        spoken = {name: self.number(value) if isinstance(value, float) else value for name, value in values.items()}
        if "name" in values:
            setting = str(values["name"]).rpartition(".")[2]
            spoken["name"] = _setting_names(self.language).get(setting, values["name"])
        return spoken

    # ------------------------------------------------------------ numbers

    def number(self, value: float, digits: int | None = None) -> str:
        """A number with this language's separators, to `digits` decimals, or to about three significant figures; a true minus sign,
        none before nought."""
        if not math.isfinite(value):
            return {"inf": "∞", "-inf": "−∞"}.get(str(float(value)), "–")
        if digits is None and 0 < abs(value) < 0.001:
            mantissa, _, exponent = f"{value:.1e}".partition("e")
            return f"{self._separators(mantissa)}\u00a0×\u00a010{str(int(exponent)).translate(_SUPERSCRIPT)}"
        places = _places(value) if digits is None else digits
        return self._separators(f"{value:z,.{places}f}")

    def percent(self, share: float, digits: int | None = None) -> str:
        """A share of one as a percentage: 0.62 is "62 %"; small ones keep a decimal, tiny ones say "< 0.1 %"."""
        hundred = 100 * share
        if digits is None:
            if 0 < hundred < 0.1:
                return f"<{_THIN}{self.number(0.1, 1)}{_THIN}%"
            digits = 1 if 0 < hundred < 9.95 else 0
        return f"{self.number(hundred, digits)}{_THIN}%"

    def count(self, value: float) -> str:
        """A big count, shortly: 3 300 000 is "3,3 mi" or "3.3 M"; below ten thousand it is written out."""
        power = 0
        while abs(value) >= (10_000 if power == 0 else 999.5) and power < 4:
            value, power = value / 1_000, power + 1
        return f"{self._short(value) if power else self.number(value, 0)}{_COUNTS[self.language][power]}"

    def bytes(self, value: float) -> str:
        """A size in bytes, in powers of 1000: "6.5 MB"."""
        power = 0
        while abs(value) >= 999.5 and power < 4:
            value, power = value / 1_000, power + 1
        return f"{self._short(value) if power else self.number(value, 0)}\u00a0{_BYTES[power]}"

    def duration(self, seconds: float) -> str:
        """A time span, as people say it: "35 ms", "4.2 s", "1 min 30 s", "2 h 05 min"."""
        if seconds < 0.9995:
            return f"{self.number(1_000 * seconds, 0)}\u00a0ms"
        if seconds < 59.95:
            return f"{self.number(seconds, 1 if seconds < 9.95 else 0)}\u00a0s"
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return f"{minutes}\u00a0min" + (f" {rest:02d}\u00a0s" if rest else "")
        return f"{minutes // 60}\u00a0h {minutes % 60:02d}\u00a0min"

    def _short(self, value: float) -> str:
        return self.number(value, 1 if abs(value) < 99.95 and f"{value:.1f}"[-1] != "0" else 0)

    def _separators(self, english: str) -> str:
        if self.language == "pt-BR":
            english = english.translate(str.maketrans(",.", ".,"))
        return english.replace("-", "−")


def _places(value: float) -> int:
    size = abs(value)
    if size == int(size) or size >= 1_000:
        return 0
    return 1 if size >= 100 else 2 if size >= 10 else 3
