"""Speculative decoding: the embedded model with the draft that ships against the same model alone, in turns, on one thread.

A row says tokens a second with the draft, alone, and their ratio; beside it, what the formula of Leviathan et al. (2023) expects of the
acceptance counted and the costs measured in the same run. A ratio below 1 is shown like any other.
"""

from __future__ import annotations

import torch

from model.checkpoints import DRAFT, EMBEDDED, load
from model.generation import Greedy, Sample
from model.generation.duel import Duel, duel
from tests.bench.race import Row

TEXT, TOKENS, LAPS = "Ana viu uma bola azul no parque.", 128, 9
AHEAD = (2, 4, 8)
WAYS = {"greedy": Greedy(), "sampled": Sample(temperature=1.0)}


def rows() -> list[Row]:
    """Two rows for each way and number of proposals: measured against alone, and measured against expected."""
    torch.set_num_threads(1)
    target, draft = load(EMBEDDED), load(DRAFT)
    assert target.tokenizer is not None
    ids = [target.tokenizer.begin, *target.tokenizer.ids(TEXT)]
    found: list[Row] = []
    for way, choose in WAYS.items():
        for ahead in AHEAD:
            found += told(way, duel(target.model, draft.model, ids, choose, ahead=ahead, tokens=TOKENS, laps=LAPS))
    return found


def told(way: str, found: Duel) -> list[Row]:
    """What one duel says."""
    name = f"speculative, {way}, γ {found.ahead}, α {found.count.rate or 0:.2f}"
    costs = f"c {found.cost:.2f}, reading {found.reading / found.step:.2f} steps"
    return [
        Row(name=f"{name}: tokens per second, with a draft vs alone", ours=found.together, peer=found.alone, ratio=found.speed_up),
        Row(name=f"{name}: speed-up, measured vs formula", ours=found.speed_up, peer=found.promised, ratio=found.speed_up / found.promised),
        Row(
            name=f"{name}: speed-up, measured vs formula with {costs}",
            ours=found.speed_up,
            peer=found.explained,
            ratio=found.speed_up / found.explained,
        ),
    ]
