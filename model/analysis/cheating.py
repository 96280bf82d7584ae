"""What a decoder's loss is worth: measured with what follows in sight, and as a decoder must read, beside the exact floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from model.analysis import skills
from model.text.rows import table
from model.text.tokenizer import Tokenizer
from model.text.world import Document
from model.transformer import Transformer

ROWS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Cheating:
    """Nats per token on documents that no training reads: `open` with everything in sight, `causal` with nothing that follows, and the
    `floor` that no honest reader goes below."""

    open: float
    causal: float
    floor: float


def cheating(model: Transformer, tokenizer: Tokenizer, documents: Sequence[Document]) -> Cheating:
    """A decoder read both ways."""
    rows = table(documents, tokenizer, min(skills.ROW, model.config.context))
    count = int((rows[:, 1:] != tokenizer.pad).sum())
    seen, hidden = (sum(_nats(model, part, tokenizer.pad, causal) for part in rows.split(ROWS_AT_ONCE)) / count for causal in (False, True))
    return Cheating(seen, hidden, skills.floor(documents) / count)


@torch.inference_mode()
def _nats(model: Transformer, rows: torch.Tensor, pad: int, causal: bool) -> float:
    ids, targets = rows[:, :-1], rows[:, 1:]
    mask = None if causal else torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool)
    return F.cross_entropy(model(ids, mask=mask).flatten(0, 1).float(), targets.flatten(), ignore_index=pad, reduction="sum").item()
