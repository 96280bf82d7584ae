"""From a model to a folder of ours, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from model.checkpoints.files import Replacement, fingerprint, refuse_foreign, write_json
from model.checkpoints.loading import CARD, CONFIG, OURS, TOKENIZER, WEIGHTS
from model.config import to_dict
from model.errors import Refusal
from model.text.tokenizer import Tokenizer
from model.transformer import Transformer

FILES = (CONFIG, WEIGHTS, TOKENIZER, CARD)
BESIDE = ("run.safetensors", "run.json")
"""What training keeps beside a checkpoint to go on from; saving again leaves it there."""
TYPES = {"fp16": torch.float16, "fp32": torch.float32}


def save(
    folder: str | Path,
    model: Transformer,
    tokenizer: Tokenizer | None = None,
    card: Mapping[str, Any] | None = None,
    *,
    precision: Literal["fp16", "fp32"] = "fp32",
) -> dict[str, Any]:
    """Write `config.json`, `model.safetensors`, `tokenizer.json` (if there is one) and `card.json`; return the card as written.

    The card records length and SHA-256 of the other files under `files`; `load` checks them. Raises `Refusal` if the folder
    holds anything else, or if a weight is not finite or too large for fp16.
    """
    with Replacement(Path(folder), FILES, carried=BESIDE) as path:
        write_json(path / CONFIG, {"model_type": OURS} | to_dict(model.config))
        save_file(_stored(model, precision), path / WEIGHTS, metadata={"format": "pt"})
        if tokenizer is not None:
            tokenizer.save(path / TOKENIZER)
        written = dict(card or {}) | {"files": {file.name: fingerprint(file) for file in sorted(path.iterdir())}}
        write_json(path / CARD, written)
    return written


def refuse_unless_free(folder: str | Path) -> None:
    """Raise `Refusal` if `save` could not write to this folder: before hours of training rather than after."""
    refuse_foreign(Path(folder), (*FILES, *BESIDE))


def _stored(model: Transformer, precision: Literal["fp16", "fp32"]) -> dict[str, Tensor]:
    return {name: _finite(name, value, precision) for name, value in model.state_dict().items()}


def _finite(name: str, value: Tensor, precision: Literal["fp16", "fp32"]) -> Tensor:
    stored = value.detach().to("cpu", TYPES[precision]).contiguous()
    if not bool(torch.isfinite(stored).all()):
        largest = float(value.abs().max())
        raise Refusal(
            "checkpoint.unsaved",
            "{name} has numbers as large as {largest:.4g}, which {precision} cannot hold; train from an earlier checkpoint, or save as fp32",
            name=name,
            largest=largest,
            precision=precision,
        )
    return stored
