"""`evaluate`: the figures of a model's card, measured again on documents it never saw."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from model.analysis.skills import floor, loss, measure
from model.checkpoints import Loaded, load
from model.errors import Refusal
from model.text.skills import held_out
from model.training.session import read
from model.verbs.given import add_checkpoint
from model.verbs.layout import columns, pairs

DOCUMENTS = 2_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """A checkpoint of ours."""
    add_checkpoint(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Loss and exact floor in nats per token over 2,000 held-out documents, their ratio, and the share right of each skill.

    One thread: two add in another order, and are slower when anyone else is at work.
    """
    torch.set_num_threads(1)
    loaded = load(options.checkpoint)
    return {"parameters": loaded.report.parameters, "tokens_seen": (loaded.card or {}).get("tokens_seen"), **figures(loaded)}


def figures(loaded: Loaded) -> dict[str, Any]:
    """What a card says of a model that anyone can measure again, in the world the card says it was trained in. Raises
    `Refusal` for a model that does not read the micro-world's tokens."""
    if loaded.tokenizer is None or loaded.card is None:
        raise Refusal("verbs.no_world", "only a model of the micro-world can be evaluated: it needs its tokenizer.json and card.json")
    dials = read(loaded.card.get("preset", {})).dials
    documents = held_out(DOCUMENTS, dials)
    nats, tokens = loss(loaded.model, loaded.tokenizer, documents)
    least = floor(documents)
    return {
        "documents": DOCUMENTS,
        "loss": nats / tokens,
        "floor": least / tokens,
        "ratio": nats / least,
        "skills": measure(loaded.model, loaded.tokenizer, dials=dials),
    }


def table(result: dict[str, Any]) -> str:
    """The figures, then a row a skill."""
    seen = result["tokens_seen"]
    whole = {
        "parameters": f"{result['parameters']:,}",
        "tokens seen": "not recorded" if seen is None else f"{seen:,}",
        "loss": f"{result['loss']:.4f} nats a token",
        "exact floor": f"{result['floor']:.4f} nats a token",
        "ratio": f"{result['ratio']:.4f}",
    }
    return pairs(whole) + "\n\n" + columns(("skill", "right"), ((name, f"{right:.1%}") for name, right in result["skills"].items()))
