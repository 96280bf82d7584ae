"""Where a number stands, in words: its layer, its head, its tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.canvas.plate import visible
from components.i18n import Words
from model.analysis.derivation import Axis, Number, Place, layout
from model.config import Config, Encoder, EncoderDecoder


@dataclass(frozen=True, slots=True)
class Teller:
    """The names of one text in one model: the `pieces` it reads, of its `source` where it has one, and each `word` of the vocabulary."""

    words: Words
    config: Config
    pieces: tuple[str, ...]
    source: tuple[str, ...]
    word: Callable[[int], str]

    def place(self, number: Number) -> str:
        """The whole of it: "Layer 3, head 2: how much “is” looks at “sky”"."""
        told, leaf = self._told(number), Place.of(number.site, self.config).leaf
        name = leaf.rpartition(".")[2]
        if leaf == "logits":
            return self.words("derivation.place.logits_in" if isinstance(self.config.form, Encoder) else "derivation.place.logits", **told)
        kind = name if name in ("scores", "masked", "pattern") else "vector"
        return self.words("derivation.place.at", where=self._where(number), what=self.words(f"derivation.place.{kind}", **told))

    def short(self, number: Number) -> str:
        """For a step of the trail: what stands there, and in which layer."""
        place = Place.of(number.site, self.config)
        if place.leaf == "logits":
            return self.words("derivation.short.logits", **self._told(number))
        name = self.words(f"derivation.name.{key(place.leaf)}")
        return self.words("derivation.short.layer", layer=place.layer + 1, name=name) if ".blocks." in number.site else name

    def site(self, site: str) -> str:
        """A site, whatever the number in it."""
        place = Place.of(site, self.config)
        name = self.words(f"derivation.name.{key(place.leaf)}")
        layer = [self.words("derivation.place.layer", layer=place.layer + 1)] if ".blocks." in site else []
        return " · ".join([*self._stack(site), *layer, name])

    def subscript(self, number: Number) -> str:
        """What tells a number from its neighbours: the dimension, the token asked, or both."""
        *_, middle, last = ((axis, at) for axis, at in zip(self.axes(number), number.index, strict=True))
        named = [f" “{self.token(axis.about, at)}”" for axis, at in (middle, last) if axis.meaning == "key"]
        return ("" if last[0].meaning == "key" else f"[{last[1]}]") + "".join(named)

    def axes(self, number: Number) -> tuple[Axis, ...]:
        """What its indices count."""
        return layout(self.config)[number.site]

    def token(self, about: bool, at: int) -> str:
        """A token of the text this stack reads."""
        pieces = self.source if about else self.pieces
        return visible(pieces[at]) if at < len(pieces) else str(at + 1)

    # ------------------------------------------------------------ parts

    def _told(self, number: Number) -> dict[str, object]:
        told: dict[str, object] = {"name": self.words(f"derivation.name.{key(Place.of(number.site, self.config).leaf)}"), "token": "", "dimension": 0}
        for axis, at in zip(self.axes(number), number.index, strict=True):
            match axis.meaning:
                case "token" | "query" | "key":
                    told[axis.meaning] = told["token"] = self.token(axis.about, at)
                    if axis.meaning == "key" and "query" in told:
                        told["token"] = told["query"]
                case "word":
                    told["word"] = visible(self.word(at))
                case meaning:
                    told[meaning] = at
        return told

    def _where(self, number: Number) -> str:
        place, axes = Place.of(number.site, self.config), self.axes(number)
        parts = [self.words("derivation.place.layer", layer=place.layer + 1)] if ".blocks." in number.site else []
        if axes[0].meaning in ("head", "group"):
            parts.append(self.words(f"derivation.place.{axes[0].meaning}", head=number.index[0] + 1))
        where = ", ".join([*self._stack(number.site), *parts])
        return where[:1].upper() + where[1:] + ": " if where else ""

    def _stack(self, site: str) -> list[str]:
        """Which of two stacks; nothing where there is but one."""
        stack = site.partition(".")[0]
        return [stack] if isinstance(self.config.form, EncoderDecoder) and stack in self.config.depths else []


def key(leaf: str) -> str:
    """How the catalogue calls a leaf."""
    return leaf.replace(".", "_")
