"""`cache`: what the KV cache stores and saves, step by step, while a text is continued."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from model.analysis.caching import cached, keys_again
from model.analysis.places import Where
from model.checkpoints import Loaded, load
from model.config import EncoderDecoder
from model.cost import cache_bytes, cache_bytes_per_token
from model.errors import Refusal
from model.generation import generate
from model.verbs.given import add_checkpoint, add_source, add_text, located, read_ids, read_source
from model.verbs.layout import columns

TOKENS = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    """A text, a model, and how many tokens it writes."""
    add_text(parser, required=False)
    add_source(parser)
    add_checkpoint(parser)
    parser.add_argument("--tokens", type=int, default=TOKENS, metavar="N", help=f"how many to write (default: {TOKENS})")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Every pass with the keys it computed and reused in each layer and the bytes held after it; and how far its logits lie from those of
    one pass without a cache."""
    loaded = load(located(options.checkpoint))
    model, config = loaded.model.eval(), loaded.model.config
    if options.tokens < 0:
        raise Refusal("verbs.some_tokens", "--tokens is 0 or more, got {given}", given=options.tokens)
    ids, source = _given(options, loaded), read_source(options, loaded)
    room = min(options.tokens, config.context - len(ids))
    steps = list(generate(model, ids, tokens=room, stop=loaded.marks.stop, source=source)) if room and config.main == "decoder" else []
    text = (*ids, *(step.id for step in steps if step.id != loaded.marks.stop))
    found = cached(model, text, len(ids), 0, Where(config.main), source or ())
    passes = [asdict(ledger) | {"again": ledger.again, "apart": float(far)} for ledger, far in zip(found.ledgers, found.apart, strict=True)]
    with_cache, without = keys_again(len(text), len(ids))
    return {
        "layers": config.layers,
        "window": config.attention.window,
        "bytes_per_token": cache_bytes_per_token(config),
        "bytes_counted": cache_bytes(config, len(text), source=len(source) if source else None),
        "keys": {"with": with_cache, "without": without},
        "max_difference": float(found.apart.max()),
        "steps": [{"token": _piece(id, loaded)} | each for id, each in zip(text[len(ids) - 1 :], passes, strict=True)],
    }


def table(result: dict[str, Any]) -> str:
    """A row a pass, and the sums."""
    rows = ((at, step["token"], step["length"], step["computed"], step["reused"], step["bytes"]) for at, step in enumerate(result["steps"]))
    keys, layers = result["keys"], result["layers"]
    return (
        f"{columns(('step', 'token', 'tokens', 'computed', 'reused', 'bytes'), rows)}\n\n"
        f"keys computed in each of {layers} layers: {keys['with']:,} with the cache, {keys['without']:,} without\n"
        f"the logits differ at most by {result['max_difference']:.1e}"
    )


def _given(options: argparse.Namespace, loaded: Loaded) -> list[int]:
    if options.text is not None or options.ids is not None:
        return read_ids(options, loaded)
    if isinstance(loaded.model.config.form, EncoderDecoder) and loaded.marks.start is not None:
        return [loaded.marks.start]
    raise Refusal("verbs.nothing", "there is nothing to go on from; give --text or --ids")


def _piece(id: int, loaded: Loaded) -> str:
    return str(id) if loaded.tokenizer is None else loaded.tokenizer.piece(id)
