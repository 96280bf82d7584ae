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
from model.config import Config, Decoder, Encoder, EncoderDecoder
from model.transformer import Transformer
from model.verbs.given import CHECKPOINT, located
from model.verbs.layout import pairs

DOUBLE_BELOW = 2 * 10**8
LENGTH = 32


def arguments(parser: argparse.ArgumentParser) -> None:
    """A checkpoint."""
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="DIR", help=CHECKPOINT)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The report of loading, and the largest difference of a logit from `transformers`: null for our own family, which it
    does not know, and where it is not installed. Models below 200 million parameters are compared in float64."""
    folder = located(options.checkpoint)
    loaded = load(folder)
    report = loaded.report
    return {
        "family": report.family,
        "parameters": report.parameters,
        "loaded": list(report.loaded),
        "skipped": list(report.skipped),
        "tied": [list(pair) for pair in report.tied],
        "missing": list(report.missing),
        "stored": list(report.formats),
        "max_difference": None if report.family == OURS or find_spec("transformers") is None else _difference(folder, loaded.model),
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
            "arrays tied": ", ".join(f"{copy} to {original}" for copy, original in result["tied"]) or "none",
            "arrays missing": ", ".join(f"{name} (zero)" for name in result["missing"]) or "none",
            "largest difference": "not compared with transformers" if difference is None else f"{difference:.3g} from transformers, in a logit",
        }
    )


@torch.no_grad()
def _difference(folder: Path, ours: Transformer) -> float:
    numbers = sum(parameter.numel() for parameter in ours.parameters())
    dtype = torch.float64 if numbers < DOUBLE_BELOW else torch.float32
    require_memory(2 * dtype.itemsize * numbers, "a comparison of two models")
    drawn = torch.Generator().manual_seed(0)
    length = min(LENGTH, ours.config.context)
    ids, source = (torch.randint(ours.config.vocabulary, (1, count), generator=drawn) for count in (length, max(length // 2, 1)))
    ours = ours.to(dtype)
    memory = ours.encode(source) if isinstance(ours.config.form, EncoderDecoder) else None
    return float((ours(ids, memory=memory) - _theirs(folder, ours.config, ids, source, dtype)).abs().max())


def _theirs(folder: Path, config: Config, ids: Tensor, source: Tensor, dtype: torch.dtype) -> Tensor:
    """What `transformers` makes of the same ids, spelled-out attention, nothing fetched and nothing unpickled."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    match config.form:
        case Decoder():
            kind, given = transformers.AutoModelForCausalLM, {"input_ids": ids}
        case Encoder():
            kind, given = transformers.AutoModelForMaskedLM, {"input_ids": ids}
        case EncoderDecoder():
            kind, given = transformers.AutoModelForSeq2SeqLM, {"input_ids": source, "decoder_input_ids": ids}
    peer = kind.from_pretrained(folder, local_files_only=True, use_safetensors=True, attn_implementation="eager", dtype=dtype)
    return peer.eval()(**given).logits
