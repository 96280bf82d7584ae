"""Vitrine's own models, trained on the micro-world: one that ships with the project, one that learns in half a minute.

What is theirs is taste: GPT-2's LayerNorm and plain MLP, LLaMA's rotary positions and no biases, one shared embedding. Heads of
32 numbers are wide enough for rotary positions to let an induction head form within seconds.
"""

from __future__ import annotations

from model.config import Attention, Config, PlainMlp
from model.families.family import Family, Size

PAPER = "model/training/presets, this project"
VOCABULARY = 756


def _size(width: int, layers: int, heads: int) -> Size:
    attention = Attention(heads=heads, kv_heads=heads, size=width // heads)
    mlp = PlainMlp(hidden=4 * width, activation="gelu")
    return Size(Config(vocabulary=VOCABULARY, context=1_024, width=width, layers=layers, attention=attention, mlp=mlp), 2026, PAPER)


FAMILY = Family(
    name="vitrine",
    changed="Small enough to be trained while you watch, on a language whose entropy is known exactly.",
    sizes={"vitrine-live": _size(64, 2, 2), "vitrine-embedded": _size(256, 4, 8)},
)
