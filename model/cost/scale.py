"""Large numbers at human scale: paper, shelves, discs, years of reading; and synapses, an analogy that has its limits.

Each is a division by something a person can picture; what is assumed about that thing is a field of `Scale`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from model.errors import Refusal
from model.space import Interval

YEAR = 365.25 * 86_400

SYNAPSES = {"fly": 54.5e6, "cortex": 1.5e14}
"""Of a fruit fly's brain (Dorkenwald et al. 2024, doi:10.1038/s41586-024-07558-y) and of a human neocortex (Pakkenberg et al. 2003,
doi:10.1016/S0531-5565(02)00151-1). A synapse is no parameter: it has a state that changes within milliseconds and for years, grows,
vanishes, and works at all times, not once a token. The two counts may be set side by side; what they count may not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """What a person can picture: a number printed in `figures` characters, a page of `page` characters, a book of `pages` pages that is
    `thickness` cm thick; a novel of `novel` words, a token being `words` words, read at `reading` words a minute; a disc of `disc` GB.

    Silent readers of English manage 238 words a minute (Brysbaert 2019, doi:10.1016/j.jml.2019.104047); a token is about three quarters
    of an English word (OpenAI, "What are tokens and how to count them?"); a DVD holds 4.7 GB a side (ECMA-267). The book is a paperback.
    """

    figures: Annotated[int, Interval(2, 20, step=1)] = 8
    page: Annotated[int, Interval(500, 5_000, step=100)] = 2_000
    pages: Annotated[int, Interval(50, 1_000, step=25)] = 300
    thickness: Annotated[float, Interval(0.5, 6, step=0.5)] = 2.0
    words: Annotated[float, Interval(0.3, 1.0, step=0.05)] = 0.75
    novel: Annotated[int, Interval(20_000, 500_000, log=True)] = 80_000
    reading: Annotated[int, Interval(100, 600, step=5)] = 238
    disc: Annotated[float, Interval(0.1, 200, log=True)] = 4.7

    def __post_init__(self) -> None:
        for name in ("figures", "page", "pages", "thickness", "words", "novel", "reading", "disc"):
            if not 0 < getattr(self, name) < math.inf:
                raise Refusal("paper.above_zero", "{name} is a number above 0; got {given}", name=name, given=getattr(self, name))


@dataclass(frozen=True, slots=True)
class Pictured:
    """The parameters counted aloud one a second, in years; printed, in books and metres of shelf; stored, in discs; the training text in
    novels and years of reading day and night; and parameters for each synapse, by whose they are."""

    counting_years: float
    books: float
    shelf_metres: float
    discs: float
    novels: float
    reading_years: float
    per_synapse: dict[str, float]


def pictured(parameters: float, stored_bytes: float, tokens: float, scale: Scale) -> Pictured:
    """A model's size beside things a person can picture."""
    books = parameters * scale.figures / (scale.page * scale.pages)
    words = tokens * scale.words
    return Pictured(
        counting_years=parameters / YEAR,
        books=books,
        shelf_metres=books * scale.thickness / 100,
        discs=stored_bytes / (scale.disc * 1e9),
        novels=words / scale.novel,
        reading_years=60 * words / scale.reading / YEAR,
        per_synapse={whose: parameters / count for whose, count in SYNAPSES.items()},
    )
