"""Documents into rows: whole documents side by side, the begin token before each and after the last, padding to the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from model.errors import Refusal
from model.text.stream import Stream
from model.text.tokenizer import Tokenizer
from model.text.world import Dials, Document, World


@dataclass(frozen=True, slots=True)
class Lesson:
    """Until this many documents were dealt, write a world turned to these dials; a curriculum is a few of them in order."""

    until: int
    dials: Dials


def pack(documents: Iterable[Document], tokenizer: Tokenizer, length: int) -> Iterator[list[int]]:
    """Rows of `length` + 1 ids, as they fill; every document whole. Raises `Refusal` for one that fits no row."""
    row: list[int] = []
    for document in documents:
        ids = [tokenizer.begin, *tokenizer.ids(document.text)]
        if len(ids) > length:
            raise Refusal("rows.length", "a document has {given} tokens and a row only {room}; make the context longer", given=len(ids), room=length)
        if len(row) + len(ids) > length:
            yield finished(row, tokenizer, length)
            row = []
        row += ids
    if row:
        yield finished(row, tokenizer, length)


def finished(row: list[int], tokenizer: Tokenizer, length: int) -> list[int]:
    """A row closed by the begin token and padded to `length` + 1."""
    return [*row, tokenizer.begin, *[tokenizer.pad] * (length - len(row))]


def table(documents: Iterable[Document], tokenizer: Tokenizer, length: int) -> Tensor:
    """All rows of some documents: (rows, length + 1), int64."""
    return torch.from_numpy(np.array(list(pack(documents, tokenizer, length)), dtype=np.int64).reshape(-1, length + 1))


class RowStream(Stream[list[int], Tensor]):
    """Rows (batch, length + 1), int64, without end, from a world that may change its dials by the lesson."""

    def __init__(self, tokenizer: Tokenizer, length: int, *, seed: int = 0, dials: Dials | None = None, lessons: tuple[Lesson, ...] = ()) -> None:
        self.seed, self.dials, self.lessons = seed, dials or Dials(), lessons
        super().__init__(tokenizer, length)

    def written(self) -> Iterator[list[int]]:
        return pack(self._documents(), self.tokenizer, self.length)

    def laid(self, rows: list[list[int]]) -> Tensor:
        return torch.tensor(rows)

    def _documents(self) -> Iterator[Document]:
        written = 0
        for number, lesson in enumerate(self.lessons):
            yield from islice(World(f"lesson {number} of {self.seed}", lesson.dials).documents(), max(0, lesson.until - written))
            written = max(written, lesson.until)
        yield from World(f"training {self.seed}", self.dials).documents()
