"""GPT-2 (Radford et al. 2019): the decoder-only transformer as most people first meet it."""

from __future__ import annotations

from typing import Any

from model.config import Attention, Config, Fixed, Free, LayerNorm, Learned, PlainMlp, Tied
from model.families.family import Family, Published, Same, Size, Source, Transposed
from model.families.reading import activation, flag, number, refuse_unless, whole

PAPER = "Radford et al. 2019, Language Models are Unsupervised Multitask Learners"


def configuration(width: int, layers: int, heads: int) -> Config:
    """A GPT-2 of this size: 50,257 tokens, a context of 1,024, an MLP four times as wide as the residual stream."""
    return Config(
        vocabulary=50_257,
        context=1_024,
        width=width,
        layers=layers,
        attention=Attention(heads=heads, kv_heads=heads, size=width // heads, bias=True, out_bias=True),
        positions=Learned(),
        mlp=PlainMlp(hidden=4 * width, activation="gelu_tanh", bias=True),
        norm=LayerNorm(eps=1e-5),
        output=Tied(),
        dropout=0.1,
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    refuse_unless(given, "scale_attn_weights", only=True, default=True)
    refuse_unless(given, "scale_attn_by_inverse_layer_idx", only=False, default=False)
    refuse_unless(given, "add_cross_attention", only=False, default=False)
    width, heads = whole(given, "n_embd"), whole(given, "n_head")
    return Config(
        vocabulary=whole(given, "vocab_size"),
        context=whole(given, "n_positions", given.get("n_ctx")),
        width=width,
        layers=whole(given, "n_layer"),
        attention=Attention(heads=heads, kv_heads=heads, size=width // max(heads, 1), bias=True, out_bias=True),
        positions=Learned(),
        mlp=PlainMlp(hidden=whole(given, "n_inner", 4 * width), activation=activation(given, "activation_function", "gelu_new"), bias=True),
        norm=LayerNorm(eps=number(given, "layer_norm_epsilon", 1e-5)),
        output=Tied() if flag(given, "tie_word_embeddings", True) else Free(),
        dropout=number(given, "resid_pdrop", 0.1),
        initialisation=Fixed(deviation=number(given, "initializer_range", 0.02)),
    )


NAMES: dict[str, Source] = {
    "embed.token.weight": Same("wte.weight"),
    "embed.position.weight": Same("wpe.weight"),
    "decoder.blocks.{}.norm1.weight": Same("h.{}.ln_1.weight"),
    "decoder.blocks.{}.norm1.bias": Same("h.{}.ln_1.bias"),
    "decoder.blocks.{}.attn.qkv.weight": Transposed("h.{}.attn.c_attn.weight"),
    "decoder.blocks.{}.attn.qkv.bias": Same("h.{}.attn.c_attn.bias"),
    "decoder.blocks.{}.attn.out.weight": Transposed("h.{}.attn.c_proj.weight"),
    "decoder.blocks.{}.attn.out.bias": Same("h.{}.attn.c_proj.bias"),
    "decoder.blocks.{}.norm2.weight": Same("h.{}.ln_2.weight"),
    "decoder.blocks.{}.norm2.bias": Same("h.{}.ln_2.bias"),
    "decoder.blocks.{}.mlp.up.weight": Transposed("h.{}.mlp.c_fc.weight"),
    "decoder.blocks.{}.mlp.up.bias": Same("h.{}.mlp.c_fc.bias"),
    "decoder.blocks.{}.mlp.down.weight": Transposed("h.{}.mlp.c_proj.weight"),
    "decoder.blocks.{}.mlp.down.bias": Same("h.{}.mlp.c_proj.bias"),
    "decoder.norm.weight": Same("ln_f.weight"),
    "decoder.norm.bias": Same("ln_f.bias"),
    "head.unembed.weight": Same("lm_head.weight"),
}

FAMILY = Family(
    name="gpt2",
    changed="Moved the norm to the start of each branch, and showed that one model trained to continue text does many tasks untrained.",
    sizes={
        "gpt2": Size(configuration(768, 12, 12), 2019, PAPER),
        "gpt2-medium": Size(configuration(1_024, 24, 16), 2019, PAPER),
        "gpt2-large": Size(configuration(1_280, 36, 20), 2019, PAPER),
        "gpt2-xl": Size(configuration(1_600, 48, 25), 2019, PAPER),
    },
    published=Published(
        model_type="gpt2",
        prefix="transformer.",
        names=NAMES,
        ignored=("h.*.attn.bias", "h.*.attn.masked_bias"),
        config=published_config,
    ),
)
