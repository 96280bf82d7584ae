"""`heads`: where each head looks, and what it costs to silence it."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import Any

import torch

from model.analysis.found import Found, keep, row
from model.analysis.heads import COSTS, LOOKS, MEASURES, SURE, find
from model.checkpoints import identity, load
from model.errors import Refusal
from model.text.published import PublishedTokenizer
from model.training.session import read
from model.verbs.given import add_checkpoint, located
from model.verbs.layout import columns


def arguments(parser: argparse.ArgumentParser) -> None:
    """A checkpoint of ours, and a file to keep the heads in."""
    add_checkpoint(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also keep them here, as the page reads them: FOLDER/heads.json")


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a head: `label`, `None` where no name fits, and of that name, or of the closest one, `score` and `silenced_effect`.

    Raises `Refusal` for a model that does not read the micro-world's tokens.
    """
    torch.set_num_threads(1)
    loaded = load(located(options.checkpoint))
    if loaded.tokenizer is None or isinstance(loaded.tokenizer, PublishedTokenizer):
        raise Refusal("verbs.heads", "heads are found by texts of the micro-world; this checkpoint has no tokenizer.json that reads them")
    preset = (loaded.card or {}).get("preset")
    heads = find(loaded.model, loaded.tokenizer, None if preset is None else read(preset).dials)
    if options.out is not None:
        keep(Found(identity(loaded.model), date.today(), tuple(heads)), options.out)
    return [row(head) for head in heads]


def table(result: list[dict[str, Any]]) -> str:
    """A row a head, those with a label first; then which labels no head earned, and how near the best one came."""
    ranked = sorted(result, key=lambda row: (row["label"] is None, -row["score"]))
    head = ("stack", "layer", "head", "label", "looks", "silenced", "distance", "entropy")
    rows = (
        (
            *(row["stack"], row["layer"], row["head"], ", ".join(row["labels"]) or f"– ({row['closest']})"),
            *(f"{row['score']:.2f}", f"{row['silenced_effect']:+.4f} ± {row['standard_error']:.4f}"),
            *("–" if row["distance"] is None else f"{row['distance']:.1f}", f"{row['entropy']:.2f} nats"),
        )
        for row in ranked
    )
    bounds = f"{COSTS} nats an answer and {SURE:.0f} standard errors"
    rule = f"A label needs {LOOKS:.0%} of a head's attention, and a loss of {bounds} when it alone is silenced."
    return "\n\n".join([columns(head, rows), rule, *_absent(result)])


def _absent(result: list[dict[str, Any]]) -> list[str]:
    """One line for the labels that make sense in this model and that no head has."""
    labels, sensible = {name for row in result for name in row["labels"]}, {name for row in result for name in row["scores"]}
    lines = []
    for name in (measure.name for measure in MEASURES if measure.name in sensible - labels):
        best = max((row for row in result if name in row["scores"]), key=lambda row: row["scores"][name])
        where = f"{best['stack']} layer {best['layer']} head {best['head']}"
        lines.append(f"no {name} head; the nearest is {where}: {best['scores'][name]:.2f}, {best['effects'][name]:+.4f} nats")
    return ["\n".join(lines)] if lines else []
