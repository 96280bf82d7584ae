"""How many sentences a model translates without a mistake."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from model.text.pairs import Pair, table
from model.text.tokenizer import Tokenizer
from model.training.objective import translated
from model.training.run import answer
from model.training.source import Batch
from model.transformer import Transformer

AT_ONCE = 64


@torch.inference_mode()
def examine(model: Transformer, tokenizer: Tokenizer, pairs: Sequence[Pair]) -> tuple[list[bool], float, int]:
    """For each pair, whether greedy decoding writes the right target, to the last token and the end after it; what all targets cost in
    nats; and how many tokens they have, their ends among them.

    The right target is fed and the most likely token asked for at each of its places: as far as being right goes, that is the same as
    feeding back what was decoded, in one pass for all places. Pairs of a length are read together, so that little padding is.
    """
    order = sorted(range(len(pairs)), key=lambda at: len(pairs[at].source))
    right: dict[int, bool] = {}
    nats, tokens = 0.0, 0
    for start in range(0, len(pairs), AT_ONCE):
        places = order[start : start + AT_ONCE]
        batch = alone(tokenizer, [pairs[at] for at in places])
        logits, asked = answer(model, batch), batch.targets != tokenizer.pad
        right |= zip(places, ((logits.argmax(-1) == batch.targets) | ~asked).all(1).tolist(), strict=True)
        nats += F.cross_entropy(logits[asked].float(), batch.targets[asked], reduction="sum").item()
        tokens += int(asked.sum())
    return [right[at] for at in range(len(pairs))], nats, tokens


def alone(tokenizer: Tokenizer, pairs: Sequence[Pair]) -> Batch:
    """Pairs as a batch, one a row."""
    ids = [(tokenizer.ids(pair.source), tokenizer.ids(pair.target)) for pair in pairs]
    longest = 1 + max(len(side) for pair in ids for side in pair)
    return translated(table([[pair] for pair in ids], tokenizer, longest))
