"""Small configurations that between them use every alternative the machine has."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from model.config import (
    Alibi,
    Attention,
    ByWavelength,
    Config,
    Decoder,
    Embedding,
    Encoder,
    EncoderDecoder,
    Evenly,
    Fixed,
    Free,
    GatedMlp,
    LayerNorm,
    Learned,
    Narrow,
    NoPositions,
    Parallel,
    PlainMlp,
    Relative,
    RMSNorm,
    Rotary,
    Serial,
    Sinusoidal,
    Sliding,
    Tied,
    Transformed,
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


def _stacks() -> list[Config]:
    """What encoders, and models of two stacks, have beyond that; and what only some families do."""
    plain = Config(
        vocabulary=61,
        context=48,
        width=20,
        layers=3,
        attention=Attention(heads=6, kv_heads=3, size=8, bias=True, out_bias=True),
        initialisation=Fixed(deviation=0.3),
    )
    both = EncoderDecoder(encoder_layers=2)
    relative = replace(plain, positions=Relative(buckets=8, reach=16), attention=replace(plain.attention, scaled=False), norm=RMSNorm())
    bert = replace(plain, form=Encoder(), positions=Learned(), embedding=Embedding(norm=True, segments=2), readout=Transformed())
    after = Serial(norm_place="after")
    return [
        relative,
        replace(relative, form=both, output=Tied(scaled=True), final_norm=True),
        replace(relative, form=Encoder()),
        replace(plain, form=both, positions=Sinusoidal(order="halves"), embedding=Embedding(scaled=True), arrangement=after),
        replace(plain, form=both, attention=replace(plain.attention, head_norm=True), output=Tied(bias=True)),
        replace(bert, arrangement=after, final_norm=False),
        replace(bert, embedding=replace(bert.embedding, room=Narrow(size=12)), shared=True),
        replace(plain, positions=Learned(spare=2), embedding=Embedding(room=Narrow(size=12, positions="after", bias=False)), final_norm=False),
        replace(plain, attention=replace(plain.attention, reach=Sliding(window=5), head_norm=True)),
        replace(plain, form=Encoder(), attention=replace(plain.attention, reach=Sliding(window=3)), positions=Alibi()),
        replace(plain, positions=Rotary(stretch=Evenly(factor=4.0)), embedding=Embedding(norm=True), shared=True),
        replace(plain, positions=Rotary(stretch=ByWavelength(factor=8.0, trained=32)), output=Free(bias=True)),
    ]


EVERY = _every() + _stacks()
DECODERS = [config for config in EVERY if config.form == Decoder()]


def told(config: Config) -> str:
    """A test's name for a configuration."""
    attention, usual = config.attention, Config()
    parts = [str(config.positions), str(config.arrangement), f"{attention.heads}/{attention.kv_heads}"]
    parts += [str(part) for part, plain in ((config.form, usual.form), (config.embedding, usual.embedding)) if part != plain]
    return "-".join(parts).replace(" ", "")
