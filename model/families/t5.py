"""T5 (Raffel et al. 2020): every task as text to text, distances as trained numbers on the scores, no biases and no division by √size.

Version 1.1 (2020) gates its MLP with GELU, gives the output a matrix of its own, and was trained without dropout.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.config import Attention, Config, EncoderDecoder, Free, GatedMlp, Mlp, PlainMlp, Relative, RMSNorm, Tied
from model.families.family import Either, Family, Published, Same, Size, Source, Stacked
from model.families.reading import activation, flag, number, whole

PAPER = "Raffel et al. 2020, Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, arXiv:1910.10683"
GATED = "Shazeer 2020, GLU Variants Improve Transformer, arXiv:2002.05202"


def configuration(width: int, layers: int, heads: int, size: int, hidden: int) -> Config:
    """A T5 of this size: 32,128 tokens, texts of 512, as many layers in the encoder as in the decoder."""
    return Config(
        vocabulary=32_128,
        context=512,
        width=width,
        layers=layers,
        form=EncoderDecoder(encoder_layers=layers),
        attention=Attention(heads=heads, kv_heads=heads, size=size, scaled=False),
        positions=Relative(),
        mlp=PlainMlp(hidden=hidden, activation="relu"),
        norm=RMSNorm(eps=1e-6),
        output=Tied(scaled=True),
        dropout=0.1,
    )


def gated(width: int, layers: int, heads: int, hidden: int) -> Config:
    """A T5 of version 1.1 of this size."""
    plain = configuration(width, layers, heads, 64, hidden)
    return replace(plain, mlp=GatedMlp(hidden=hidden, activation="gelu_tanh"), output=Free(), dropout=0.0)


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    layers, heads = whole(given, "num_layers"), whole(given, "num_heads")
    tied = flag(given, "tie_word_embeddings", True)
    return Config(
        vocabulary=whole(given, "vocab_size"),
        context=whole(given, "n_positions", 512),
        width=whole(given, "d_model"),
        layers=whole(given, "num_decoder_layers", layers),
        form=EncoderDecoder(encoder_layers=layers),
        attention=Attention(heads=heads, kv_heads=heads, size=whole(given, "d_kv"), scaled=False),
        positions=Relative(buckets=whole(given, "relative_attention_num_buckets", 32), reach=whole(given, "relative_attention_max_distance", 128)),
        mlp=_mlp(given),
        norm=RMSNorm(eps=number(given, "layer_norm_epsilon", 1e-6)),
        output=Tied(scaled=flag(given, "scale_decoder_outputs", True)) if tied else Free(),
        dropout=number(given, "dropout_rate", 0.1),
    )


def _mlp(given: dict[str, Any]) -> Mlp:
    """`feed_forward_proj` names the activation, after `gated-` where it gates; `gated-gelu` means GELU approximated by tanh."""
    hidden, kind = whole(given, "d_ff"), given.get("feed_forward_proj", "relu")
    if kind == "gated-gelu":
        return GatedMlp(hidden=hidden, activation="gelu_tanh")
    plain = kind.removeprefix("gated-") if isinstance(kind, str) else kind
    bend = activation({"feed_forward_proj": plain}, "feed_forward_proj", "relu")
    return PlainMlp(hidden=hidden, activation=bend) if plain == kind else GatedMlp(hidden=hidden, activation=bend)


NAMES: dict[str, Source] = {"embed.token.weight": Same("shared.weight"), "head.unembed.weight": Same("lm_head.weight")}
for stack, branches in {"encoder": ("attn", "mlp"), "decoder": ("attn", "cross", "mlp")}.items():
    NAMES |= {
        f"{stack}.relative.weight": Same(f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"),
        f"{stack}.norm.weight": Same(f"{stack}.final_layer_norm.weight"),
    }
    for place, branch in enumerate(branches):
        ours, theirs = f"{stack}.blocks.{{}}", f"{stack}.block.{{}}.layer.{place}"
        norm = {"attn": "norm1", "cross": "cross_norm", "mlp": "norm2"}[branch]
        NAMES[f"{ours}.{norm}.weight"] = Same(f"{theirs}.layer_norm.weight")
        if branch == "mlp":
            NAMES |= {
                f"{ours}.mlp.up.weight": Either((f"{theirs}.DenseReluDense.wi.weight", f"{theirs}.DenseReluDense.wi_1.weight")),
                f"{ours}.mlp.gate.weight": Same(f"{theirs}.DenseReluDense.wi_0.weight"),
                f"{ours}.mlp.down.weight": Same(f"{theirs}.DenseReluDense.wo.weight"),
            }
        else:
            kind = "SelfAttention" if branch == "attn" else "EncDecAttention"
            NAMES |= {
                f"{ours}.{branch}.qkv.weight": Stacked(*(f"{theirs}.{kind}.{part}.weight" for part in "qkv")),
                f"{ours}.{branch}.out.weight": Same(f"{theirs}.{kind}.o.weight"),
            }

FAMILY = Family(
    name="t5",
    changed="Wrote every task as text to text, so that one model, one loss and one way of decoding serve them all, and compared the choices of "
    "its day one by one.",
    sizes={
        "t5-small": Size(configuration(512, 6, 8, 64, 2_048), 2019, PAPER),
        "t5-base": Size(configuration(768, 12, 12, 64, 3_072), 2019, PAPER),
        "t5-large": Size(configuration(1_024, 24, 16, 64, 4_096), 2019, PAPER),
        "t5-3b": Size(configuration(1_024, 24, 32, 128, 16_384), 2019, PAPER),
        "t5-11b": Size(configuration(1_024, 24, 128, 128, 65_536), 2019, PAPER),
        "t5-v1.1-small": Size(gated(512, 8, 6, 1_024), 2020, GATED),
        "t5-v1.1-base": Size(gated(768, 12, 12, 2_048), 2020, GATED),
        "t5-v1.1-large": Size(gated(1_024, 24, 16, 2_816), 2020, GATED),
        "t5-v1.1-xl": Size(gated(2_048, 24, 32, 5_120), 2020, GATED),
        "t5-v1.1-xxl": Size(gated(4_096, 24, 64, 10_240), 2020, GATED),
    },
    published=Published(
        model_type="t5",
        prefix="",
        names=NAMES,
        ignored=("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",),
        config=published_config,
        copies={"encoder.embed_tokens.weight": "shared.weight", "decoder.embed_tokens.weight": "shared.weight"},
    ),
)
