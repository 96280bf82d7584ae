"""Small configurations that between them use every alternative the machine has."""

from __future__ import annotations

from itertools import product

from model.config import (
    Alibi,
    Attention,
    Config,
    Fixed,
    Free,
    GatedMlp,
    LayerNorm,
    Learned,
    NoPositions,
    Parallel,
    PlainMlp,
    RMSNorm,
    Rotary,
    Serial,
    Sinusoidal,
    Tied,
)

POSITIONS = (Learned(), Sinusoidal(), Rotary(), Rotary(fraction=0.5, pairing="neighbours"), Alibi(), NoPositions())
ARRANGEMENTS = (Serial(), Serial(norm_place="after"), Parallel(norms=1), Parallel(norms=2))
HEADS = ((6, 6), (6, 3), (6, 1))
PARTS = (
    (LayerNorm(), PlainMlp(hidden=40, bias=True), Tied(), True),
    (RMSNorm(), GatedMlp(hidden=24), Free(), False),
    (LayerNorm(bias=False), PlainMlp(hidden=40, activation="relu"), Free(bias=True), True),
)


def _every() -> list[Config]:
    found = []
    for number, (positions, arrangement, (heads, kv_heads)) in enumerate(product(POSITIONS, ARRANGEMENTS, HEADS)):
        norm, mlp, output, bias = PARTS[number % len(PARTS)]
        attention = Attention(heads=heads, kv_heads=kv_heads, size=8, bias=bias, out_bias=bias)
        found.append(
            Config(
                vocabulary=61,
                context=48,
                width=20,
                layers=3,
                attention=attention,
                positions=positions,
                mlp=mlp,
                norm=norm,
                arrangement=arrangement,
                output=output,
                initialisation=Fixed(deviation=0.3),
            )
        )
    return found


EVERY = _every()


def told(config: Config) -> str:
    """A test's name for a configuration."""
    attention = config.attention
    return f"{config.positions}-{config.arrangement}-{attention.heads}/{attention.kv_heads}".replace(" ", "")
