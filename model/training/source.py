"""Where training batches come from: anything that deals them, and can say where it stands.

This file knows nothing of text: a batch is whole numbers, `pad` among the targets where nothing is to be learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from model.errors import Refusal

PADDING = -1
"""The number that padding has where places are numbered by the text they belong to."""


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Token ids (B, T) of several texts a row, and the number of the text that each belongs to, `PADDING` where there is none."""

    ids: Tensor
    texts: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one step reads and what it should say: `ids` and `targets` (B, T), int64.

    With `texts` (B, T), the number of the text each place belongs to, texts that share a row do not see each other. `source` is what an
    encoder–decoder writes about, (B, S): a text there is seen by the text of the same number. `allowed` (T, T) says who may look at whom
    instead of the model's own mask.
    """

    ids: Tensor
    targets: Tensor
    texts: Tensor | None = None
    source: Packed | None = None
    allowed: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch there."""
        source = None if self.source is None else Packed(self.source.ids.to(device), self.source.texts.to(device))
        texts, allowed = (None if part is None else part.to(device) for part in (self.texts, self.allowed))
        return Batch(self.ids.to(device), self.targets.to(device), texts, source, allowed)


class Source(Protocol):
    """An endless deal of batches, `pad` marking places that are no target.

    `state()` is made of plain JSON values; after `restore(state)` the same batches follow as would have followed then.
    """

    @property
    def pad(self) -> int: ...

    def next(self, batch: int) -> Batch:
        """The next `batch` rows, each as long as the recipe's context."""
        ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


def following(rows: Tensor) -> Batch:
    """Rows (B, T + 1), each read but for its last token and predicted but for its first."""
    return Batch(rows[:, :-1], rows[:, 1:])


def together(queries: Tensor, keys: Tensor) -> Tensor:
    """Who may look at whom, (B, T, S): places of the same text. Padding looks at everything, so that it looks at something."""
    return (queries[:, :, None] == keys[:, None, :]) | (queries == PADDING)[:, :, None]


def deal(source: Source, batch: int, context: int, vocabulary: int) -> tuple[Batch, int]:
    """The next batch, and how many of its predictions count.

    Raises `Refusal` for rows of another size, ids that the vocabulary lacks, or nothing to predict.
    """
    dealt = source.next(batch)
    for part in (dealt.ids, dealt.targets) if dealt.source is None else (dealt.ids, dealt.targets, dealt.source.ids):
        _refuse_size(part, batch, context)
        _refuse_ids(part, vocabulary)
    count = int((dealt.targets != source.pad).sum())
    if count == 0:
        raise Refusal("training.empty", "the source dealt {batch} rows of padding only: there is nothing to learn", batch=batch)
    return dealt, count


def _refuse_size(part: Tensor, batch: int, context: int) -> None:
    if part.shape != (batch, context):
        raise Refusal(
            "training.rows",
            "the recipe asks for {batch} rows of {length} tokens, the source dealt {given}; give both the same batch and context",
            batch=batch,
            length=context,
            given=" x ".join(map(str, part.shape)),
        )


def _refuse_ids(part: Tensor, vocabulary: int) -> None:
    low, high = (int(edge) for edge in part.aminmax())
    if low < 0 or high >= vocabulary:
        wrong = low if low < 0 else high
        raise Refusal("training.ids", "a row holds token {given}, the model knows 0 to {last}", given=wrong, last=vocabulary - 1)
