"""LLaMA, LLaMA 2 (Touvron et al. 2023) and LLaMA 3 (Grattafiori et al. 2024): RMSNorm, SwiGLU, rotary positions and no biases, the
recipe most open models follow. From 3.1 on, slow angles are stretched for texts of 131,072 tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.config import Attention, ByWavelength, Config, Fixed, Free, GatedMlp, RMSNorm, Rotary, Tied
from model.families.family import Family, Published, Same, Size, Source, Stacked
from model.families.reading import activation, flag, number, rotary, whole

FIRST = "Touvron et al. 2023, LLaMA: Open and Efficient Foundation Language Models, arXiv:2302.13971"
SECOND = "Touvron et al. 2023, Llama 2: Open Foundation and Fine-Tuned Chat Models, arXiv:2307.09288"
THIRD = "Grattafiori et al. 2024, The Llama 3 Herd of Models, arXiv:2407.21783"
SMALL = "Meta 2024, Llama 3.2 model card, github.com/meta-llama/llama-models"


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


def third(width: int, layers: int, heads: int, hidden: int, *, factor: float | None = None, tied: bool = False) -> Config:
    """A LLaMA 3 of this size: 128,256 tokens, eight key/value heads, a longer base; with `factor`, slow angles stretched by it."""
    plain = configuration(width, layers, heads, hidden, kv_heads=8, context=8_192 if factor is None else 131_072, eps=1e-5)
    positions = Rotary(base=500_000.0) if factor is None else Rotary(base=500_000.0, stretch=ByWavelength(factor=factor))
    return replace(plain, vocabulary=128_256, positions=positions, output=Tied() if tied else Free())


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
        positions=rotary(given),
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
    "model shares keys and values between heads, and the third's all do.",
    sizes={
        "llama-7b": Size(configuration(4_096, 32, 32, 11_008), 2023, FIRST),
        "llama-13b": Size(configuration(5_120, 40, 40, 13_824), 2023, FIRST),
        "llama-33b": Size(configuration(6_656, 60, 52, 17_920), 2023, FIRST),
        "llama-65b": Size(configuration(8_192, 80, 64, 22_016, eps=1e-5), 2023, FIRST),
        "llama2-7b": Size(configuration(4_096, 32, 32, 11_008, context=4_096, eps=1e-5), 2023, SECOND),
        "llama2-13b": Size(configuration(5_120, 40, 40, 13_824, context=4_096, eps=1e-5), 2023, SECOND),
        "llama2-70b": Size(configuration(8_192, 80, 64, 28_672, kv_heads=8, context=4_096, eps=1e-5), 2023, SECOND),
        "llama3-8b": Size(third(4_096, 32, 32, 14_336), 2024, THIRD),
        "llama3-70b": Size(third(8_192, 80, 64, 28_672), 2024, THIRD),
        "llama3.1-8b": Size(third(4_096, 32, 32, 14_336, factor=8.0), 2024, THIRD),
        "llama3.1-70b": Size(third(8_192, 80, 64, 28_672, factor=8.0), 2024, THIRD),
        "llama3.1-405b": Size(third(16_384, 126, 128, 53_248, factor=8.0), 2024, THIRD),
        "llama3.2-1b": Size(third(2_048, 16, 32, 8_192, factor=32.0, tied=True), 2024, SMALL),
        "llama3.2-3b": Size(third(3_072, 28, 24, 8_192, factor=32.0, tied=True), 2024, SMALL),
    },
    published=Published(
        model_type="llama",
        prefix="model.",
        names=NAMES,
        ignored=("*rotary_emb.inv_freq",),
        config=published_config,
    ),
)
