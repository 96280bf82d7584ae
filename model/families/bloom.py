"""BLOOM (BigScience 2022): 46 human languages, distances as penalties instead of position vectors, a norm right after the embedding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.config import Alibi, Attention, Config, Embedding, Fixed, Free, LayerNorm, PlainMlp, Tied
from model.families.family import Family, Interleaved, Published, Same, Size, Source
from model.families.reading import flag, number, refuse_unless, whole

PAPER = "BigScience Workshop 2022, BLOOM: A 176B-Parameter Open-Access Multilingual Language Model, arXiv:2211.05100"


def configuration(width: int, layers: int, heads: int) -> Config:
    """A BLOOM of this size: 250,880 tokens, trained on texts of 2,048."""
    return Config(
        vocabulary=250_880,
        context=2_048,
        width=width,
        layers=layers,
        embedding=Embedding(norm=True),
        attention=Attention(heads=heads, kv_heads=heads, size=width // max(heads, 1), bias=True, out_bias=True),
        positions=Alibi(),
        mlp=PlainMlp(hidden=4 * width, activation="gelu_tanh", bias=True),
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    refuse_unless(given, "apply_residual_connection_post_layernorm", only=False, default=False)
    width, heads = whole(given, "hidden_size", given.get("n_embed")), whole(given, "n_head", given.get("num_attention_heads"))
    return replace(
        configuration(width, whole(given, "n_layer", given.get("num_hidden_layers")), heads),
        vocabulary=whole(given, "vocab_size"),
        context=whole(given, "seq_length", 2_048),
        norm=LayerNorm(eps=number(given, "layer_norm_epsilon", 1e-5)),
        output=Tied() if flag(given, "tie_word_embeddings", True) else Free(),
        dropout=number(given, "hidden_dropout", 0.0),
        initialisation=Fixed(deviation=number(given, "initializer_range", 0.02)),
    )


NAMES: dict[str, Source] = {"embed.token.weight": Same("word_embeddings.weight"), "head.unembed.weight": Same("lm_head.weight")}
for leaf in ("weight", "bias"):
    NAMES |= {
        f"embed.norm.{leaf}": Same(f"word_embeddings_layernorm.{leaf}"),
        f"decoder.blocks.{{}}.norm1.{leaf}": Same(f"h.{{}}.input_layernorm.{leaf}"),
        f"decoder.blocks.{{}}.attn.qkv.{leaf}": Interleaved(f"h.{{}}.self_attention.query_key_value.{leaf}"),
        f"decoder.blocks.{{}}.attn.out.{leaf}": Same(f"h.{{}}.self_attention.dense.{leaf}"),
        f"decoder.blocks.{{}}.norm2.{leaf}": Same(f"h.{{}}.post_attention_layernorm.{leaf}"),
        f"decoder.blocks.{{}}.mlp.up.{leaf}": Same(f"h.{{}}.mlp.dense_h_to_4h.{leaf}"),
        f"decoder.blocks.{{}}.mlp.down.{leaf}": Same(f"h.{{}}.mlp.dense_4h_to_h.{leaf}"),
        f"decoder.norm.{leaf}": Same(f"ln_f.{leaf}"),
    }

FAMILY = Family(
    name="bloom",
    changed="Was built by over a thousand researchers in public, reads 46 languages with one vocabulary of a quarter of a million tokens, and "
    "tells distance by a penalty on the scores.",
    sizes={
        "bloom-560m": Size(configuration(1_024, 24, 16), 2022, PAPER),
        "bloom-1b1": Size(configuration(1_536, 24, 16), 2022, PAPER),
        "bloom-1b7": Size(configuration(2_048, 24, 16), 2022, PAPER),
        "bloom-3b": Size(configuration(2_560, 30, 32), 2022, PAPER),
        "bloom-7b1": Size(configuration(4_096, 30, 32), 2022, PAPER),
        "bloom-176b": Size(configuration(14_336, 70, 112), 2022, PAPER),
    },
    published=Published(model_type="bloom", prefix="transformer.", names=NAMES, ignored=(), config=published_config),
)
