"""Texts that stand elsewhere, and texts longer than any in training: what becomes of a model's loss there, measured.

T tokens, B stretches of a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model.config import Encoder, Positions
from model.errors import Refusal
from model.layers.frame import own_mask
from model.text.rows import table
from model.text.tokenizer import Tokenizer
from model.text.world import Document
from model.transformer import Transformer

Floats = NDArray[np.float32]
ROWS_AT_ONCE = 8


# ---------------------------------------------------------------- the same text elsewhere


@dataclass(frozen=True, slots=True, eq=False)
class Elsewhere:
    """A text that begins at position `start`: `loss` in nats of each token said (a decoder's second and later, an encoder's all),
    and `moved` (T,), the share of each prediction that lies elsewhere than when the text begins at 0 (total variation distance)."""

    start: int
    loss: Floats
    moved: Floats


def elsewhere(model: Transformer, ids: Sequence[int], starts: Sequence[int], source: Sequence[int] = ()) -> list[Elsewhere]:
    """A text read as if so many tokens stood before it that nobody may look at: the same text, with the same mask among its own
    tokens, at other positions; for an encoder–decoder about a `source`, which stays where it is.

    Raises `Refusal` for a start after which the context has no room for the text.
    """
    room = model.config.context - len(ids)
    if max(starts) > room:
        sentence = "a text of {length} tokens can begin at {room} at most in a context of {context}; got {given}"
        raise Refusal("length.start", sentence, length=len(ids), room=room, context=model.config.context, given=max(starts))
    logits = [_read_from(model, ids, start, source) for start in starts]
    first = logits[0] if starts[0] == 0 else _read_from(model, ids, 0, source)
    return [Elsewhere(start, _losses(model, found, ids), _moved(first, found)) for start, found in zip(starts, logits, strict=True)]


@torch.inference_mode()
def _read_from(model: Transformer, ids: Sequence[int], start: int, source: Sequence[int]) -> Tensor:
    """Logits (T, V) of a text that begins at `start`."""
    window = model.config.attention.window
    mask = torch.zeros(start + len(ids), start + len(ids), dtype=torch.bool)
    mask[start:, start:] = own_mask(model.config.main, window, len(ids), len(ids))
    memory = model.encode(torch.tensor([list(source)])) if source else None
    return model(torch.tensor([[ids[0]] * start + list(ids)]), memory=memory, mask=mask)[0, start:].float()


def _losses(model: Transformer, logits: Tensor, ids: Sequence[int]) -> Floats:
    said = torch.tensor(ids)
    if isinstance(model.config.form, Encoder):
        return F.cross_entropy(logits, said, reduction="none").numpy()
    return F.cross_entropy(logits[:-1], said[1:], reduction="none").numpy()


def _moved(first: Tensor, other: Tensor) -> Floats:
    return ((first.softmax(-1) - other.softmax(-1)).abs().sum(-1) / 2).numpy()


# ---------------------------------------------------------------- longer than in training


@dataclass(frozen=True, slots=True, eq=False)
class Beyond:
    """Loss along rows longer than in training. A document belongs to the stretch of `width` tokens in which it ends: `ends` (B,) are the
    stretches' last positions, `loss` and `floor` (B,) the nats per token of the documents there, the model's and the grammar's own, over
    exactly the same `tokens` (B,); so each stretch has the exact floor of its texts."""

    width: int
    ends: NDArray[np.int64]
    loss: Floats
    floor: Floats
    tokens: NDArray[np.int64]

    @property
    def ratio(self) -> Floats:
        """The loss as a multiple of the floor: (B,)."""
        return self.loss / self.floor

    def mean(self, low: int, high: int) -> float:
        """The ratio over all documents that end after `low` and at `high` at the latest; NaN where there are none."""
        here = (self.ends > low) & (self.ends <= high) & (self.tokens > 0)
        return float(self.loss[here] @ self.tokens[here] / (self.floor[here] @ self.tokens[here])) if here.any() else float("nan")


@dataclass(frozen=True, slots=True, eq=False)
class Long:
    """Rows (R, length + 1) of held-out documents, to be read by several models: `documents` (R, length) numbers the document each
    predicted token belongs to, −1 for padding, and `nats` holds each document's −log-probability under the grammar."""

    rows: Tensor
    documents: NDArray[np.int64]
    nats: NDArray[np.float64]


def long_rows(documents: Sequence[Document], tokenizer: Tokenizer, length: int) -> Long:
    """Documents packed as in training into rows of `length` tokens; a last row that they do not fill is left out."""
    rows = table(documents, tokenizer, length)
    rows = rows[: max(1, len(rows) - 1)]
    said, begin = rows[:, 1:], rows[:, :-1] == tokenizer.begin
    number = begin.flatten().cumsum(0).view_as(said) - 1
    closed = begin & (said == tokenizer.pad)
    skipped = closed.sum(1).cumsum(0) - closed.sum(1)
    number = (number - skipped[:, None]).masked_fill(said == tokenizer.pad, -1)
    count = int(number.max()) + 1
    return Long(rows, number.numpy(), np.array([-document.log_probability for document in documents[:count]]))


def beyond(model: Transformer, long: Long, width: int = 16) -> Beyond:
    """How a model fares along these rows, in stretches of `width` tokens."""
    loss, last = np.concatenate(list(_costs(model, long.rows))), long.documents.shape[1]
    kept = long.documents >= 0
    number, place = long.documents[kept], np.nonzero(kept)[1]
    costs = np.bincount(number, loss[kept], len(long.nats))
    sizes, ends = np.bincount(number, minlength=len(long.nats)), np.zeros(len(long.nats), np.int64)
    np.maximum.at(ends, number, place)
    stretch = ends // width
    stretches = -(-last // width)
    tokens, nats, floors = (np.bincount(stretch, values, stretches) for values in (sizes, costs, long.nats))
    with np.errstate(invalid="ignore"):
        means = (nats / tokens).astype(np.float32), (floors / tokens).astype(np.float32)
    return Beyond(width, np.minimum(width * (np.arange(stretches) + 1), last), *means, tokens.astype(np.int64))


@torch.inference_mode()
def _costs(model: Transformer, rows: Tensor) -> Iterator[Floats]:
    for some in rows.split(ROWS_AT_ONCE):
        logits = model(some[:, :-1]).float()
        yield F.cross_entropy(logits.transpose(1, 2), some[:, 1:], reduction="none").numpy()


def reread(model: Transformer, positions: Positions) -> Transformer:
    """The same weights with another way to tell positions, one that has no weights of its own: angles stretched after training."""
    other = Transformer(replace(model.config, positions=positions))
    other.load_state_dict(model.state_dict())
    return other.eval().requires_grad_(False)
