"""`size`: what a configuration weighs and costs, counted without building it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from model.config import Config
from model.cost import (
    activation_bytes,
    bytes_by_precision,
    cache_bytes_per_token,
    decoding_flops,
    flops_per_token,
    forward_flops,
    gradient_bytes,
    optimiser_bytes,
    parameters,
    parts,
    training_flops,
)
from model.errors import Refusal
from model.families import find
from model.verbs.layout import columns, pairs, short


def arguments(parser: argparse.ArgumentParser) -> None:
    """A published name, or a file."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", help="a size that `families` lists, such as gpt2-xl")
    which.add_argument("--config", type=Path, metavar="FILE", help="a configuration of ours, or a published config.json")
    parser.add_argument("--length", type=int, metavar="N", help="tokens in a text (default: the whole context)")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="texts in a training step (default: 1)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Parameters, bytes and FLOPs; per text and per training step for `length` tokens and `batch` texts."""
    config = find(options.name).config if options.name else _read(options.config)
    length, batch = config.context if options.length is None else options.length, options.batch
    if length < 1 or batch < 1:
        raise Refusal("verbs.size", "--length and --batch are 1 or more; got {length} and {batch}", length=length, batch=batch)
    return {
        "parameters": parameters(config),
        "parts": {part.name: part.total for part in parts(config)},
        "bytes": bytes_by_precision(config),
        "kv_cache_bytes_per_token": cache_bytes_per_token(config),
        "flops_per_token": flops_per_token(config),
        "length": length,
        "batch": batch,
        "forward_flops": forward_flops(config, length),
        "decoding_flops": decoding_flops(config, length - 1) if config.main == "decoder" else None,
        "training_step": {
            "flops": training_flops(config, length, batch),
            "gradient_bytes": gradient_bytes(config),
            "optimiser_bytes": optimiser_bytes(config),
            "activation_bytes": activation_bytes(config, batch, length),
        },
    }


def table(result: dict[str, Any]) -> str:
    """The parts, then the whole."""
    step = result["training_step"]
    whole = {
        "parameters": f"{result['parameters']:,}",
        **{f"weights in {precision}": short(count, "B") for precision, count in result["bytes"].items()},
        "KV cache, a token": short(result["kv_cache_bytes_per_token"], "B"),
        "a token that sees a full context": short(result["flops_per_token"], "FLOPs"),
        f"a text of {result['length']:,} tokens": short(result["forward_flops"], "FLOPs"),
        **({f"one more after {result['length'] - 1:,}": short(result["decoding_flops"], "FLOPs")} if result["decoding_flops"] else {}),
        f"training step of {result['batch']:,} texts": short(step["flops"], "FLOPs"),
        "gradients": short(step["gradient_bytes"], "B"),
        "AdamW's moments": short(step["optimiser_bytes"], "B"),
        "activations kept": short(step["activation_bytes"], "B"),
    }
    return columns(("part", "parameters"), result["parts"].items()) + "\n\n" + pairs(whole)


def _read(file: Path) -> Config:
    from model.checkpoints import read_config

    return read_config(file)[1]
