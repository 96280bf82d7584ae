"""Documents into rows: whole documents side by side, the begin token before each and after the last, padding to the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.errors import Refusal
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


class RowStream:
    """Rows without end, from a world that may change its dials by the lesson. The same seed, the same rows.

    `state()` is the number of rows dealt; `restore` writes the documents again, a few seconds for a hundred thousand of them,
    and needs no file.
    """

    def __init__(self, tokenizer: Tokenizer, length: int, *, seed: int = 0, dials: Dials | None = None, lessons: tuple[Lesson, ...] = ()) -> None:
        self.tokenizer, self.length, self.seed = tokenizer, length, seed
        self.dials, self.lessons = dials or Dials(), lessons
        self._start()

    @property
    def pad(self) -> int:
        return self.tokenizer.pad

    def next(self, batch: int) -> Tensor:
        """The next rows: (batch, length + 1), int64."""
        self.dealt += batch
        return torch.tensor([next(self._rows) for _ in range(batch)])

    def state(self) -> dict[str, Any]:
        """How many rows were dealt."""
        return {"rows": self.dealt}

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where `state` was taken."""
        self._start()
        for _ in range(int(state["rows"])):
            next(self._rows)
        self.dealt = int(state["rows"])

    def _start(self) -> None:
        self.dealt = 0
        self._rows = pack(self._documents(), self.tokenizer, self.length)

    def _documents(self) -> Iterator[Document]:
        written = 0
        for number, lesson in enumerate(self.lessons):
            yield from islice(World(f"lesson {number} of {self.seed}", lesson.dials).documents(), max(0, lesson.until - written))
            written = max(written, lesson.until)
        yield from World(f"training {self.seed}", self.dials).documents()
