"""GPT-NeoX (Black et al. 2022) and Pythia (Biderman et al. 2023): GPT-J's two branches with a norm each."""

from __future__ import annotations

from typing import Any

from model.config import Activation, Attention, Config, Fixed, Free, LayerNorm, Parallel, PlainMlp, Rotary, Serial, Tied
from model.families.family import Either, Family, Interleaved, Published, Same, Size, Source
from model.families.reading import activation, flag, number, rotary, whole

NEOX = "Black et al. 2022, GPT-NeoX-20B: An Open-Source Autoregressive Language Model, arXiv:2204.06745"
PYTHIA = "Biderman et al. 2023, Pythia: A Suite for Analyzing Large Language Models Across Training and Scaling, arXiv:2304.01373"


def configuration(width: int, layers: int, heads: int, *, vocabulary: int = 50_304, act: Activation = "gelu") -> Config:
    """A Pythia of this size, or the 20B: the vocabulary is filled up until it divides among the chips it was trained on."""
    return Config(
        vocabulary=vocabulary,
        context=2_048,
        width=width,
        layers=layers,
        attention=Attention(heads=heads, kv_heads=heads, size=width // heads, bias=True, out_bias=True),
        positions=Rotary(fraction=0.25),
        mlp=PlainMlp(hidden=4 * width, activation=act, bias=True),
        arrangement=Parallel(norms=2),
        output=Free(),
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    width, heads = whole(given, "hidden_size"), whole(given, "num_attention_heads")
    biased = flag(given, "attention_bias", True)
    return Config(
        vocabulary=whole(given, "vocab_size"),
        context=whole(given, "max_position_embeddings"),
        width=width,
        layers=whole(given, "num_hidden_layers"),
        attention=Attention(heads=heads, kv_heads=heads, size=width // max(heads, 1), bias=biased, out_bias=biased),
        positions=rotary({"rope_theta": given.get("rotary_emb_base"), "partial_rotary_factor": number(given, "rotary_pct", 0.25)} | given),
        mlp=PlainMlp(hidden=whole(given, "intermediate_size"), activation=activation(given, "hidden_act", "gelu"), bias=True),
        norm=LayerNorm(eps=number(given, "layer_norm_eps", 1e-5)),
        arrangement=Parallel(norms=2) if flag(given, "use_parallel_residual", True) else Serial(),
        output=Tied() if flag(given, "tie_word_embeddings", False) else Free(),
        dropout=number(given, "hidden_dropout", 0.0),
        initialisation=Fixed(deviation=number(given, "initializer_range", 0.02)),
    )


NAMES: dict[str, Source] = {
    "embed.token.weight": Same("embed_in.weight"),
    "head.unembed.weight": Either(("embed_out.weight", "lm_head.weight")),
}
for leaf in ("weight", "bias"):
    NAMES |= {
        f"decoder.blocks.{{}}.norm1.{leaf}": Same(f"layers.{{}}.input_layernorm.{leaf}"),
        f"decoder.blocks.{{}}.attn.qkv.{leaf}": Interleaved(f"layers.{{}}.attention.query_key_value.{leaf}"),
        f"decoder.blocks.{{}}.attn.out.{leaf}": Same(f"layers.{{}}.attention.dense.{leaf}"),
        f"decoder.blocks.{{}}.norm2.{leaf}": Same(f"layers.{{}}.post_attention_layernorm.{leaf}"),
        f"decoder.blocks.{{}}.mlp.up.{leaf}": Same(f"layers.{{}}.mlp.dense_h_to_4h.{leaf}"),
        f"decoder.blocks.{{}}.mlp.down.{leaf}": Same(f"layers.{{}}.mlp.dense_4h_to_h.{leaf}"),
        f"decoder.norm.{leaf}": Same(f"final_layer_norm.{leaf}"),
    }

FAMILY = Family(
    name="neox",
    changed="Gave each of GPT-J's two branches a norm of its own; Pythia then trained one recipe at ten sizes on the same text in the same "
    "order and kept every stage, so that learning itself can be studied.",
    sizes={
        "pythia-14m": Size(configuration(128, 6, 4), 2023, PYTHIA),
        "pythia-31m": Size(configuration(256, 6, 8), 2023, PYTHIA),
        "pythia-70m": Size(configuration(512, 6, 8), 2023, PYTHIA),
        "pythia-160m": Size(configuration(768, 12, 12), 2023, PYTHIA),
        "pythia-410m": Size(configuration(1_024, 24, 16), 2023, PYTHIA),
        "pythia-1b": Size(configuration(2_048, 16, 8), 2023, PYTHIA),
        "pythia-1.4b": Size(configuration(2_048, 24, 16), 2023, PYTHIA),
        "pythia-2.8b": Size(configuration(2_560, 32, 32), 2023, PYTHIA),
        "pythia-6.9b": Size(configuration(4_096, 32, 32, vocabulary=50_432), 2023, PYTHIA),
        "pythia-12b": Size(configuration(5_120, 36, 40, vocabulary=50_688), 2023, PYTHIA),
        "gpt-neox-20b": Size(configuration(6_144, 44, 64, vocabulary=50_432, act="gelu_tanh"), 2022, NEOX),
    },
    published=Published(
        model_type="gpt_neox",
        prefix="gpt_neox.",
        names=NAMES,
        ignored=("*.attention.bias", "*.attention.masked_bias", "*rotary_emb.inv_freq"),
        config=published_config,
    ),
)
