"""What parity with `transformers` is measured with: peers whose every weight matters, ids, distances, padding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoints import Report, load
from model.transformer import Transformer

VOCABULARY, LENGTH, CLOSE = 101, 29, 1e-5


@dataclass(frozen=True, eq=False)
class Pair:
    """Theirs and ours with the same weights, both float64; the folder that holds them, and the report of reading it."""

    theirs: Any
    ours: Transformer
    folder: Path
    report: Report


def paired(theirs: Any, folder: Path) -> Pair:
    """The peer, redrawn and saved to a folder, beside what we read from there."""
    redraw(theirs, torch.Generator().manual_seed(1))
    theirs.eval().save_pretrained(folder)
    loaded = load(folder)
    return Pair(theirs.double(), loaded.model.double(), folder, loaded.report)


def redraw(peer: Any, generator: torch.Generator) -> None:
    """Every weight anew, norms and biases too, so that none of them is without effect. Gemma's gains begin at one, not nought: its
    residual stream grows fastest, and with it what their fp32 norms round off. Sinusoids are no weights, though Marian keeps them as such."""
    deviation = 0.25 if peer.config.model_type == "gemma" else 0.4
    learned = [parameter for parameter in peer.parameters() if parameter.requires_grad]
    added = [buffer for name, buffer in peer.named_buffers() if name == "final_logits_bias"]
    for parameter in (*learned, *added):
        parameter.data.normal_(0, deviation, generator=generator)


def ids_of(*shape: int, seed: int = 2) -> Tensor:
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(seed))


def far(ours: Tensor, theirs: Tensor) -> float:
    assert ours.shape == theirs.shape
    return float((ours - theirs).abs().max())


def filled(length: int, width: int, side: str) -> Tensor:
    """Which of a row's places hold a token, the filling being on this side: (width,) bool."""
    place = torch.arange(width)
    return place >= width - length if side == "left" else place < length
