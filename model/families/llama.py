"""LLaMA and LLaMA 2 (Touvron et al. 2023): RMSNorm, SwiGLU, rotary positions and no biases, the recipe most open models follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.config import Attention, Config, Fixed, Free, GatedMlp, RMSNorm, Rotary, Tied
from model.errors import Refusal
from model.families.family import Family, Published, Same, Size, Source, Stacked
from model.families.reading import activation, flag, number, whole

FIRST = "Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models, arXiv:2302.13971"
SECOND = "Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models, arXiv:2307.09288"


def configuration(
    width: int, layers: int, heads: int, hidden: int, *, kv_heads: int | None = None, context: int = 2_048, eps: float = 1e-6
) -> Config:
    """A LLaMA of this size: 32,000 tokens, an output matrix of its own, as many key/value heads as heads unless given."""
    return Config(
        vocabulary=32_000,
        context=context,
        width=width,
        layers=layers,
        attention=Attention(heads=heads, kv_heads=kv_heads or heads, size=width // heads),
        positions=Rotary(),
        mlp=GatedMlp(hidden=hidden),
        norm=RMSNorm(eps=eps),
        output=Free(),
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    width, heads = whole(given, "hidden_size"), whole(given, "num_attention_heads")
    biased = flag(given, "attention_bias", False)
    return Config(
        vocabulary=whole(given, "vocab_size"),
        context=whole(given, "max_position_embeddings"),
        width=width,
        layers=whole(given, "num_hidden_layers"),
        attention=Attention(
            heads=heads,
            kv_heads=whole(given, "num_key_value_heads", heads),
            size=whole(given, "head_dim", width // max(heads, 1)),
            bias=biased,
            out_bias=biased,
        ),
        positions=_rotary(given),
        mlp=GatedMlp(
            hidden=whole(given, "intermediate_size"),
            activation=activation(given, "hidden_act", "silu"),
            bias=flag(given, "mlp_bias", False),
        ),
        norm=RMSNorm(eps=number(given, "rms_norm_eps", 1e-6)),
        output=Tied() if flag(given, "tie_word_embeddings", False) else Free(),
        dropout=number(given, "attention_dropout", 0.0),
        initialisation=Fixed(deviation=number(given, "initializer_range", 0.02)),
    )


def _rotary(given: Mapping[str, Any]) -> Rotary:
    """The rotation, where `transformers` 5 writes it (`rope_parameters`) or where it used to be (`rope_theta`, `rope_scaling`)."""
    rope = given.get("rope_parameters") or given.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise Refusal("families.rope_shape", "config.json writes rope_parameters as an object, got {given!r}", given=rope)
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind != "default":
        raise Refusal("families.rope", "config.json stretches rotary positions by {given!r}; this model computes only 'default'", given=kind)
    merged = {**given, **rope}
    return Rotary(base=number(merged, "rope_theta", 10_000.0), fraction=number(merged, "partial_rotary_factor", 1.0))


NAMES: dict[str, Source] = {
    "embed.token.weight": Same("embed_tokens.weight"),
    "decoder.blocks.{}.norm1.weight": Same("layers.{}.input_layernorm.weight"),
    "decoder.blocks.{}.norm2.weight": Same("layers.{}.post_attention_layernorm.weight"),
    "decoder.norm.weight": Same("norm.weight"),
    "head.unembed.weight": Same("lm_head.weight"),
}
for leaf in ("weight", "bias"):
    query, key, value = (f"layers.{{}}.self_attn.{part}_proj.{leaf}" for part in "qkv")
    NAMES[f"decoder.blocks.{{}}.attn.qkv.{leaf}"] = Stacked(query, key, value)
    NAMES[f"decoder.blocks.{{}}.attn.out.{leaf}"] = Same(f"layers.{{}}.self_attn.o_proj.{leaf}")
    for part in ("up", "gate", "down"):
        NAMES[f"decoder.blocks.{{}}.mlp.{part}.{leaf}"] = Same(f"layers.{{}}.mlp.{part}_proj.{leaf}")

FAMILY = Family(
    name="llama",
    changed="Gathered RMSNorm, SwiGLU and rotary positions, and trained smaller models on far more text; the second version's largest "
    "model shares keys and values between heads.",
    sizes={
        "llama-7b": Size(configuration(4_096, 32, 32, 11_008), 2023, FIRST),
        "llama-13b": Size(configuration(5_120, 40, 40, 13_824), 2023, FIRST),
        "llama-33b": Size(configuration(6_656, 60, 52, 17_920), 2023, FIRST),
        "llama-65b": Size(configuration(8_192, 80, 64, 22_016, eps=1e-5), 2023, FIRST),
        "llama2-7b": Size(configuration(4_096, 32, 32, 11_008, context=4_096, eps=1e-5), 2023, SECOND),
        "llama2-13b": Size(configuration(5_120, 40, 40, 13_824, context=4_096, eps=1e-5), 2023, SECOND),
        "llama2-70b": Size(configuration(8_192, 80, 64, 28_672, kv_heads=8, context=4_096, eps=1e-5), 2023, SECOND),
    },
    published=Published(
        model_type="llama",
        prefix="model.",
        names=NAMES,
        ignored=("*rotary_emb.inv_freq", "lm_head.weight"),
        config=published_config,
    ),
)
