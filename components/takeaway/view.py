"""A page at one moment, as its hand-out and its notebook describe it."""

from __future__ import annotations

from dataclasses import dataclass

from components.i18n import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A text as the model read it. `text` is what the reader wrote; the lines of Python in `spell` make its `ids` again, where they are
    made from it; empty where the ids are all there is to say."""

    text: str
    ids: tuple[int, ...]
    spell: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The page's `title` and `address` (path and query), what the model is called and how large it is, what it read, and when.

    `folder` is the shipped model's own, beside its code; empty for a model from elsewhere, whose place is nobody's business.
    """

    words: Words
    title: str
    address: str
    model: str
    folder: str
    texts: tuple[Reading, ...]
    day: str

    @property
    def main(self) -> Reading | None:
        """What the model's main stack reads: the last of the texts, a source standing before its target."""
        return self.texts[-1] if self.texts else None

    @property
    def source(self) -> Reading | None:
        """What an encoder–decoder reads first."""
        return self.texts[0] if len(self.texts) > 1 else None
