"""Vitrine's own models, trained on the micro-world: a decoder, an encoder and a translator that ship with the project, and a decoder
that learns in half a minute.

What is theirs is taste: GPT-2's LayerNorm and plain MLP, LLaMA's rotary positions and no biases, one shared embedding. Heads of
32 numbers are wide enough for rotary positions to let an induction head form within seconds.
"""

from __future__ import annotations

from dataclasses import replace

from model.config import Attention, Config, Encoder, EncoderDecoder, PlainMlp
from model.families.family import Family, Size

PAPER = "model/training/presets, this project"
VOCABULARY = 756


def configuration(width: int, layers: int, heads: int, context: int) -> Config:
    """A decoder of ours of this size, for texts of up to `context` tokens."""
    attention = Attention(heads=heads, kv_heads=heads, size=width // heads)
    mlp = PlainMlp(hidden=4 * width, activation="gelu")
    return Config(vocabulary=VOCABULARY, context=context, width=width, layers=layers, attention=attention, mlp=mlp)


MASKED = replace(configuration(160, 4, 5, 256), vocabulary=VOCABULARY + 1, form=Encoder())
"""Its last token stands for a hidden one."""
TRANSLATOR = replace(configuration(128, 2, 4, 256), form=EncoderDecoder(encoder_layers=2))

FAMILY = Family(
    name="vitrine",
    changed="Small enough to be trained while you watch, on a language whose entropy is known exactly.",
    sizes={
        "vitrine-live": Size(configuration(64, 2, 2, 1_024), 2026, PAPER),
        "vitrine-translator": Size(TRANSLATOR, 2026, PAPER),
        "vitrine-masked": Size(MASKED, 2026, PAPER),
        "vitrine-embedded": Size(configuration(256, 4, 8, 1_024), 2026, PAPER),
    },
)
