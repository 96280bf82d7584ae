"""`check`: what loads from a checkpoint, what is left aside, and whether `transformers` computes the same."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoints import OURS, load
from model.checkpoints.memory import require_memory
from model.transformer import Transformer
from model.verbs.layout import pairs

DOUBLE_BELOW = 2 * 10**8
LENGTH = 32


def arguments(parser: argparse.ArgumentParser) -> None:
    """A checkpoint."""
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR", help="a folder of ours or in the Hugging Face layout")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The report of loading, and the largest difference of a logit from `transformers`: null for our own family, which it
    does not know, and where it is not installed. Models below 200 million parameters are compared in float64."""
    loaded = load(options.checkpoint)
    report = loaded.report
    return {
        "family": report.family,
        "parameters": report.parameters,
        "loaded": list(report.loaded),
        "skipped": list(report.skipped),
        "stored": list(report.formats),
        "max_difference": None if report.family == OURS or find_spec("transformers") is None else _difference(options.checkpoint, loaded.model),
    }


def table(result: dict[str, Any]) -> str:
    """A line a fact."""
    difference = result["max_difference"]
    return pairs(
        {
            "family": result["family"],
            "parameters": f"{result['parameters']:,}",
            "arrays loaded": f"{len(result['loaded']):,}, stored as {', '.join(result['stored'])}",
            "arrays skipped": ", ".join(result["skipped"]) or "none",
            "largest difference": "not compared with transformers" if difference is None else f"{difference:.3g} from transformers, in a logit",
        }
    )


@torch.no_grad()
def _difference(folder: Path, ours: Transformer) -> float:
    numbers = sum(parameter.numel() for parameter in ours.parameters())
    dtype = torch.float64 if numbers < DOUBLE_BELOW else torch.float32
    require_memory(2 * dtype.itemsize * numbers, "a comparison of two models")
    length = min(LENGTH, ours.config.context)
    ids = torch.randint(ours.config.vocabulary, (1, length), generator=torch.Generator().manual_seed(0))
    return float((ours.to(dtype)(ids) - _theirs(folder, ids, dtype)).abs().max())


def _theirs(folder: Path, ids: Tensor, dtype: torch.dtype) -> Tensor:
    """What `transformers` makes of the same ids, spelled-out attention, nothing fetched and nothing unpickled."""
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True, attn_implementation="eager", dtype=dtype)
    return model.eval()(ids).logits
