"""Falcon (Almazrouei et al. 2023): one key and value for all heads (7B) or a few for many (40B, 180B), and no biases.

The earlier RW models, with ALiBi penalties and biases, are another architecture under the same name and are refused.
"""

from __future__ import annotations

from typing import Any, Literal

from model.config import Arrangement, Attention, Config, Fixed, Free, LayerNorm, Parallel, PlainMlp, Rotary, Serial, Tied
from model.errors import Refusal
from model.families.family import Either, Family, Interleaved, Published, Same, Size, Source
from model.families.reading import activation, flag, number, refuse_unless, rotary, whole

PAPER = "Almazrouei et al. 2023, The Falcon Series of Open Language Models, arXiv:2311.16867"


def configuration(width: int, layers: int, heads: int, kv_heads: int, *, norms: Literal[1, 2]) -> Config:
    """A Falcon of this size: 65,024 tokens, a context of 2,048, heads of 64."""
    return Config(
        vocabulary=65_024,
        context=2_048,
        width=width,
        layers=layers,
        attention=Attention(heads=heads, kv_heads=kv_heads, size=64),
        positions=Rotary(),
        mlp=PlainMlp(hidden=4 * width, activation="gelu"),
        arrangement=Parallel(norms=norms),
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    refuse_unless(given, "alibi", only=False, default=False)
    width, heads = whole(given, "hidden_size", given.get("n_embed")), whole(given, "num_attention_heads")
    biased = flag(given, "bias", False)
    return Config(
        vocabulary=whole(given, "vocab_size"),
        context=whole(given, "max_position_embeddings", 2_048),
        width=width,
        layers=whole(given, "num_hidden_layers"),
        attention=Attention(heads=heads, kv_heads=_kv_heads(given, heads), size=width // max(heads, 1), bias=biased, out_bias=biased),
        positions=rotary(given),
        mlp=PlainMlp(hidden=whole(given, "ffn_hidden_size", 4 * width), activation=activation(given, "activation", "gelu"), bias=biased),
        norm=LayerNorm(eps=number(given, "layer_norm_epsilon", 1e-5)),
        arrangement=_arrangement(given),
        output=Tied() if flag(given, "tie_word_embeddings", True) else Free(),
        dropout=number(given, "hidden_dropout", 0.0),
        initialisation=Fixed(deviation=number(given, "initializer_range", 0.02)),
    )


def _kv_heads(given: dict[str, Any], heads: int) -> int:
    """The newer layout counts them; the older has one, or as many as there are heads."""
    if flag(given, "new_decoder_architecture", False):
        return whole(given, "num_kv_heads", heads)
    return 1 if flag(given, "multi_query", True) else heads


def _arrangement(given: dict[str, Any]) -> Arrangement:
    """The newer layout is always parallel, with two norms unless it says one; the older is parallel with one, or in series."""
    new, parallel = flag(given, "new_decoder_architecture", False), flag(given, "parallel_attn", True)
    if not parallel and not new:
        return Serial()
    refuse_unless(given, "parallel_attn", only=True, default=True)
    match whole(given, "num_ln_in_parallel_attn", 2 if new else 1):
        case 1:
            return Parallel(norms=1)
        case 2 if new:
            return Parallel(norms=2)
        case norms:
            sentence = "config.json sets num_ln_in_parallel_attn to {given}; this model computes 1, or 2 where new_decoder_architecture is true"
            raise Refusal("families.norms", sentence, given=norms)


NAMES: dict[str, Source] = {"embed.token.weight": Same("word_embeddings.weight"), "head.unembed.weight": Same("lm_head.weight")}
for leaf in ("weight", "bias"):
    NAMES |= {
        f"decoder.blocks.{{}}.norm1.{leaf}": Either((f"h.{{}}.input_layernorm.{leaf}", f"h.{{}}.ln_attn.{leaf}")),
        f"decoder.blocks.{{}}.attn.qkv.{leaf}": Interleaved(f"h.{{}}.self_attention.query_key_value.{leaf}"),
        f"decoder.blocks.{{}}.attn.out.{leaf}": Same(f"h.{{}}.self_attention.dense.{leaf}"),
        f"decoder.blocks.{{}}.norm2.{leaf}": Either((f"h.{{}}.post_attention_layernorm.{leaf}", f"h.{{}}.ln_mlp.{leaf}")),
        f"decoder.blocks.{{}}.mlp.up.{leaf}": Same(f"h.{{}}.mlp.dense_h_to_4h.{leaf}"),
        f"decoder.blocks.{{}}.mlp.down.{leaf}": Same(f"h.{{}}.mlp.dense_4h_to_h.{leaf}"),
        f"decoder.norm.{leaf}": Same(f"ln_f.{leaf}"),
    }

FAMILY = Family(
    name="falcon",
    changed="Took up multi-query attention, one key and one value for all heads, which makes a long text cheap to remember, and showed that "
    "well-filtered web pages alone can train a strong model.",
    sizes={
        "falcon-7b": Size(configuration(4_544, 32, 71, 1, norms=1), 2023, PAPER),
        "falcon-40b": Size(configuration(8_192, 60, 128, 8, norms=2), 2023, PAPER),
        "falcon-180b": Size(configuration(14_848, 80, 232, 8, norms=2), 2023, PAPER),
    },
    published=Published(model_type="falcon", prefix="transformer.", names=NAMES, ignored=("*rotary_emb.inv_freq",), config=published_config),
)
