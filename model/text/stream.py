"""What all supplies of training rows share: they deal rows without end, count them, and stand again where they stood."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

from model.text.tokenizer import Tokenizer

Row = TypeVar("Row")
Table = TypeVar("Table")


class Stream(ABC, Generic[Row, Table]):
    """Rows of a length without end. The same seed, the same rows.

    `state()` is the number of rows dealt; `restore` writes them again, a few seconds for a hundred thousand documents, and needs no file.
    """

    def __init__(self, tokenizer: Tokenizer, length: int) -> None:
        self.tokenizer, self.length = tokenizer, length
        self._start(0)

    @property
    def pad(self) -> int:
        return self.tokenizer.pad

    def next(self, batch: int) -> Table:
        """The next `batch` rows as tensors."""
        self.dealt += batch
        return self.laid(list(islice(self._rows, batch)))

    def state(self) -> dict[str, Any]:
        """How many rows were dealt."""
        return {"rows": self.dealt}

    def restore(self, state: dict[str, Any]) -> None:
        """Stand where `state` was taken."""
        self._start(int(state["rows"]))

    @abstractmethod
    def written(self) -> Iterator[Row]:
        """Every row, from the first on."""

    @abstractmethod
    def laid(self, rows: list[Row]) -> Table:
        """Some rows as tensors."""

    def _start(self, dealt: int) -> None:
        self.dealt, self._rows = dealt, self.written()
        next(islice(self._rows, dealt, dealt), None)
