"""Where training rows come from: anything that deals them, and can say where it stands.

This file knows nothing of text: a row is whole numbers, `pad` among them where nothing is to be learned.
"""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from model.errors import Refusal


class Source(Protocol):
    """An endless deal of rows, `pad` marking places that are no target.

    `state()` is made of plain JSON values; after `restore(state)` the same rows follow as would have followed then.
    """

    @property
    def pad(self) -> int: ...

    def next(self, batch: int) -> Tensor:
        """The next rows: (batch, context + 1), int64. Each is read but for its last token and predicted but for its first."""
        ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


def deal(source: Source, batch: int, context: int, vocabulary: int) -> tuple[Tensor, Tensor, int]:
    """What to read (batch, context), what to predict (batch, context), and how many of those predictions count.

    Raises `Refusal` for rows of another size, ids that the vocabulary lacks, or nothing but padding.
    """
    rows = source.next(batch)
    if rows.shape != (batch, context + 1):
        raise Refusal(
            "training.rows",
            "the recipe asks for {batch} rows of {length} tokens, the source dealt {given}; give both the same batch and context",
            batch=batch,
            length=context + 1,
            given=" x ".join(map(str, rows.shape)),
        )
    low, high = (int(edge) for edge in rows.aminmax())
    if low < 0 or high >= vocabulary:
        wrong = low if low < 0 else high
        raise Refusal("training.ids", "a row holds token {given}, the model knows 0 to {last}", given=wrong, last=vocabulary - 1)
    targets = rows[:, 1:]
    count = int((targets != source.pad).sum())
    if count == 0:
        raise Refusal("training.empty", "the source dealt {batch} rows of padding only: there is nothing to learn", batch=batch)
    return rows[:, :-1], targets, count
