"""`evaluate`: the figures of a model's card, measured again on documents it never saw."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from statistics import fmean
from typing import Any

import torch

from model.analysis import filling, translating
from model.analysis.skills import floor, loss, measure
from model.checkpoints import Loaded, load
from model.config import Decoder, Encoder, EncoderDecoder
from model.errors import Refusal
from model.text.pairs import OTHER, held_out_pairs
from model.text.skills import held_out
from model.text.tokenizer import Tokenizer
from model.text.world import Dials
from model.training.session import read
from model.transformer import Transformer
from model.verbs.given import add_checkpoint, located
from model.verbs.layout import columns, pairs

DOCUMENTS, BLANKS, PAIRS = 2_000, 200, 2_000
"""How much is measured: documents for a decoder, blanks of each kind for an encoder, sentence pairs for a translator."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """A checkpoint of ours."""
    add_checkpoint(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Loss and exact floor on what the model never saw, and what it can do: see `continuing`, `filling_blanks` and `translating_pairs`.

    One thread: two add in another order, and are slower when anyone else is at work.
    """
    torch.set_num_threads(1)
    loaded = load(located(options.checkpoint))
    return {"parameters": loaded.report.parameters, "tokens_seen": (loaded.card or {}).get("tokens_seen"), **figures(loaded)}


def figures(loaded: Loaded) -> dict[str, Any]:
    """What a card says of a model that anyone can measure again, in the world the card says it was trained in. Raises
    `Refusal` for a model that does not read the micro-world's tokens."""
    if loaded.tokenizer is None or loaded.card is None:
        raise Refusal("verbs.no_world", "only a model of the micro-world can be evaluated: it needs its tokenizer.json and card.json")
    dials = read(loaded.card.get("preset", {})).dials
    match loaded.model.config.form:
        case Decoder():
            return continuing(loaded.model, loaded.tokenizer, dials)
        case Encoder():
            return filling_blanks(loaded.model, loaded.tokenizer, dials)
        case EncoderDecoder():
            return translating_pairs(loaded.model, loaded.tokenizer, dials)


def continuing(model: Transformer, tokenizer: Tokenizer, dials: Dials) -> dict[str, Any]:
    """A decoder's figures: what held-out documents cost it, the least they can cost, and its skills."""
    documents = held_out(DOCUMENTS, dials)
    nats, tokens = loss(model, tokenizer, documents)
    least = floor(documents)
    return {
        "documents": DOCUMENTS,
        "loss": nats / tokens,
        "floor": least / tokens,
        "ratio": nats / least,
        "skills": measure(model, tokenizer, dials=dials),
    }


def filling_blanks(model: Transformer, tokenizer: Tokenizer, dials: Dials) -> dict[str, Any]:
    """An encoder's figures: how often it fills a blank rightly and what that costs it, beside the best and the least that are possible,
    kind by kind and on average over kinds as often as they are written; and the share right where no bound can be read."""
    weights = dict(dials.usable())
    asked = {kind: filling.blanks(tokenizer, kind, BLANKS, dials) for kind in weights}
    bounded, open_ = filling.parted(asked)
    kinds = {kind: asdict(filling.measure(model, tokenizer, found)) for kind, found in bounded.items()}
    whole = sum(weights[kind] for kind in kinds)
    mean = {name: sum(weights[kind] * found[name] for kind, found in kinds.items()) / whole for name in ("accuracy", "best", "loss", "floor")}
    unread = {kind: filling.hits(model, tokenizer, found) for kind, found in open_.items()}
    return {**mean, "ratio": mean["loss"] / mean["floor"], "kinds": kinds, "unread": unread}


def translating_pairs(model: Transformer, tokenizer: Tokenizer, dials: Dials) -> dict[str, Any]:
    """An encoder–decoder's figures on pairs it never read: the share it translates without a mistake, in all, from either language and
    of every kind, and the cost of the right target. That has one wording, so the least cost is nothing."""
    asked = held_out_pairs(PAIRS, dials)
    right, nats, tokens = translating.examine(model, tokenizer, asked)
    told = list(zip(right, asked, strict=True))
    kinds = sorted({pair.kind for pair in asked})
    return {
        "pairs": len(asked),
        "exact": fmean(right),
        "loss": nats / tokens,
        "floor": 0.0,
        "directions": {f"{tongue} → {OTHER[tongue]}": fmean(r for r, pair in told if pair.language == tongue) for tongue in OTHER},
        "kinds": {kind: fmean(r for r, pair in told if pair.kind == kind) for kind in kinds},
    }


def table(result: dict[str, Any]) -> str:
    """The figures, then a row a skill or a kind."""
    seen = result["tokens_seen"]
    whole = {"parameters": f"{result['parameters']:,}", "tokens seen": "not recorded" if seen is None else f"{seen:,}", **headlines(result)}
    return "\n\n".join([pairs(whole), *_tables(result)])


def headlines(result: dict[str, Any]) -> dict[str, str]:
    """What of the figures is said first."""
    unit = "a blank" if "best" in result else "a token"
    said = {"loss": f"{result['loss']:.4f} nats {unit}", "exact floor": f"{result['floor']:.4f} nats {unit}"}
    if "ratio" in result:
        said["ratio"] = f"{result['ratio']:.4f}"
    if "best" in result:
        said |= {"right": f"{result['accuracy']:.2%}", "best possible": f"{result['best']:.2%}"}
    if "exact" in result:
        said["exact match"] = f"{result['exact']:.2%} of {result['pairs']:,} held-out pairs"
    return said


def _tables(result: dict[str, Any]) -> Iterator[str]:
    if "skills" in result:
        yield columns(("skill", "right"), _shares(result["skills"]))
    elif "best" in result:
        yield columns(
            ("kind", "right", "best possible", "nats", "floor"),
            ((kind, f"{f['accuracy']:.1%}", f"{f['best']:.1%}", f"{f['loss']:.4f}", f"{f['floor']:.4f}") for kind, f in result["kinds"].items()),
        )
        yield columns(("without a bound", "right"), _shares(result["unread"]))
    else:
        yield columns(("direction", "exact"), _shares(result["directions"]))
        yield columns(("kind", "exact"), _shares(result["kinds"]))


def _shares(shares: dict[str, float]) -> Iterator[tuple[str, str]]:
    return ((name, f"{right:.1%}") for name, right in shares.items())
