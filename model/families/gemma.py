"""Gemma (Gemma Team 2024): wide heads of 256, GELU gates, and one large embedding for reading and writing, scaled as it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.config import Attention, Config, Embedding, Fixed, GatedMlp, RMSNorm, Rotary
from model.families.family import Family, Published, Raised, Size, Source
from model.families.llama import NAMES as LLAMA
from model.families.llama import published_config as llama
from model.families.reading import refuse_unless

PAPER = "Gemma Team 2024, Gemma: Open Models Based on Gemini Research and Technology, arXiv:2403.08295"


def configuration(width: int, layers: int, heads: int, kv_heads: int, hidden: int) -> Config:
    """A Gemma of this size: 256,000 tokens, a context of 8,192, heads of 256 whatever the width."""
    return Config(
        vocabulary=256_000,
        context=8_192,
        width=width,
        layers=layers,
        embedding=Embedding(scaled=True),
        attention=Attention(heads=heads, kv_heads=kv_heads, size=256),
        positions=Rotary(),
        mlp=GatedMlp(hidden=hidden, activation="gelu_tanh"),
        norm=RMSNorm(eps=1e-6),
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes: LLaMA's, embedded larger. The first files say `gelu` and mean its
    approximation by tanh, which the models were trained with."""
    refuse_unless(given, "use_bidirectional_attention", only=False, default=False)
    plain = llama({"head_dim": 256, "hidden_act": "gelu_pytorch_tanh", "tie_word_embeddings": True} | given)
    activation = "gelu_tanh" if plain.mlp.activation == "gelu" else plain.mlp.activation
    return replace(plain, embedding=Embedding(scaled=True), mlp=replace(plain.mlp, activation=activation))


NAMES: dict[str, Source] = LLAMA | {
    "decoder.blocks.{}.norm1.weight": Raised("layers.{}.input_layernorm.weight"),
    "decoder.blocks.{}.norm2.weight": Raised("layers.{}.post_attention_layernorm.weight"),
    "decoder.norm.weight": Raised("norm.weight"),
}

FAMILY = Family(
    name="gemma",
    changed="Spent a fifth of a small model on one vocabulary of 256,000 tokens that it both reads and writes with, and stored each gain as its "
    "distance from one.",
    sizes={
        "gemma-2b": Size(configuration(2_048, 18, 8, 1, 16_384), 2024, PAPER),
        "gemma-7b": Size(configuration(3_072, 28, 16, 16, 24_576), 2024, PAPER),
    },
    published=Published(model_type="gemma", prefix="model.", names=NAMES, ignored=("*rotary_emb.inv_freq",), config=published_config),
)
