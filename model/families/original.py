"""The original transformer (Vaswani et al. 2017): an encoder reads a sentence, a decoder writes its translation.

Its weights are read in the layout of Marian (Junczys-Dowmunt et al. 2018, arXiv:1804.00344), which published thousands of such
translators; Marian gives the attention matrices biases, which the paper does without, and adds one to the logits.
"""

from __future__ import annotations

from typing import Any

from model.config import Attention, Config, Embedding, EncoderDecoder, FanIn, Free, LayerNorm, PlainMlp, Serial, Sinusoidal, Tied
from model.errors import Refusal
from model.families.family import Family, Flat, Published, Same, Size, Source, Stacked
from model.families.reading import activation, flag, number, refuse_unless, whole

PAPER = "Vaswani et al. 2017, Attention Is All You Need, arXiv:1706.03762"


def configuration(width: int, heads: int, hidden: int, dropout: float) -> Config:
    """Table 3's model of this size: six layers in each stack, one vocabulary of about 37,000 tokens for both languages. The paper
    states no longest text; 512 is Marian's."""
    return Config(
        vocabulary=37_000,
        context=512,
        width=width,
        layers=6,
        form=EncoderDecoder(encoder_layers=6),
        embedding=Embedding(scaled=True),
        attention=Attention(heads=heads, kv_heads=heads, size=width // heads),
        positions=Sinusoidal(),
        mlp=PlainMlp(hidden=hidden, activation="relu", bias=True),
        arrangement=Serial(norm_place="after"),
        final_norm=False,
        dropout=dropout,
        initialisation=FanIn(gain=1.0),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    refuse_unless(given, "share_encoder_decoder_embeddings", only=True, default=True)
    refuse_unless(given, "normalize_before", only=False, default=False)
    refuse_unless(given, "normalize_embedding", only=False, default=False)
    vocabulary, width = whole(given, "vocab_size"), whole(given, "d_model")
    heads, hidden = _alike(given, "attention_heads"), _alike(given, "ffn_dim")
    return Config(
        vocabulary=vocabulary,
        context=whole(given, "max_position_embeddings", 1_024),
        width=width,
        layers=whole(given, "decoder_layers"),
        form=EncoderDecoder(encoder_layers=whole(given, "encoder_layers")),
        embedding=Embedding(scaled=flag(given, "scale_embedding", False)),
        attention=Attention(heads=heads, kv_heads=heads, size=width // max(heads, 1), bias=True, out_bias=True),
        positions=Sinusoidal(order="halves"),
        mlp=PlainMlp(hidden=hidden, activation=activation(given, "activation_function", "gelu"), bias=True),
        norm=LayerNorm(),
        arrangement=Serial(norm_place="after"),
        final_norm=False,
        output=Tied(bias=True) if flag(given, "tie_word_embeddings", True) else Free(bias=True),
        dropout=number(given, "dropout", 0.1),
    )


def _alike(given: dict[str, Any], setting: str) -> int:
    """What both stacks have the same of. Raises `Refusal` where they differ."""
    encoder, decoder = (whole(given, f"{stack}_{setting}") for stack in ("encoder", "decoder"))
    if encoder != decoder:
        sentence = "config.json sets encoder_{setting} to {encoder} and decoder_{setting} to {decoder}; this model computes only equal ones"
        raise Refusal("families.alike", sentence, setting=setting, encoder=encoder, decoder=decoder)
    return encoder


NAMES: dict[str, Source] = {
    "embed.token.weight": Same("shared.weight"),
    "head.unembed.weight": Same("lm_head.weight"),
    "head.unembed.bias": Flat("final_logits_bias"),
    "head.bias": Flat("final_logits_bias"),
}
BRANCHES = {
    "encoder": {"attn": "self_attn", "norm1": "self_attn_layer_norm"},
    "decoder": {"attn": "self_attn", "norm1": "self_attn_layer_norm", "cross": "encoder_attn", "cross_norm": "encoder_attn_layer_norm"},
}
PLAIN = {"norm2": "final_layer_norm", "mlp.up": "fc1", "mlp.down": "fc2"}
for stack, branches in BRANCHES.items():
    for leaf in ("weight", "bias"):
        for ours, theirs in (branches | PLAIN).items():
            place = f"{stack}.blocks.{{}}.{ours}"
            if ours in ("attn", "cross"):
                NAMES[f"{place}.qkv.{leaf}"] = Stacked(*(f"{stack}.layers.{{}}.{theirs}.{part}_proj.{leaf}" for part in "qkv"))
                NAMES[f"{place}.out.{leaf}"] = Same(f"{stack}.layers.{{}}.{theirs}.out_proj.{leaf}")
            else:
                NAMES[f"{place}.{leaf}"] = Same(f"{stack}.layers.{{}}.{theirs}.{leaf}")

FAMILY = Family(
    name="original",
    changed="Replaced recurrence by attention alone: every token sees every other in one step, so training runs in parallel and distance "
    "costs nothing.",
    sizes={
        "transformer-base": Size(configuration(512, 8, 2_048, 0.1), 2017, PAPER),
        "transformer-big": Size(configuration(1_024, 16, 4_096, 0.3), 2017, PAPER),
    },
    published=Published(
        model_type="marian",
        prefix="model.",
        names=NAMES,
        ignored=("encoder.embed_positions.weight", "decoder.embed_positions.weight"),
        config=published_config,
        copies={"encoder.embed_tokens.weight": "shared.weight", "decoder.embed_tokens.weight": "shared.weight"},
        zero=("head.bias", "head.unembed.bias"),
    ),
)
