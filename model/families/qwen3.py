"""Qwen3 (Yang et al. 2025): every query and key is brought to one length before they meet; the biases go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.config import Attention, Config, Fixed, Free, GatedMlp, RMSNorm, Rotary, Tied
from model.families.family import Family, Published, Same, Size, Source
from model.families.llama import NAMES as LLAMA
from model.families.llama import published_config as llama
from model.families.qwen2 import reach

PAPER = "Yang et al. 2025, Qwen3 Technical Report, arXiv:2505.09388"


def configuration(width: int, layers: int, heads: int, kv_heads: int, hidden: int, *, tied: bool = False) -> Config:
    """A Qwen3 of this size: heads of 128 whatever the width, a context of 40,960."""
    return Config(
        vocabulary=151_936,
        context=40_960,
        width=width,
        layers=layers,
        attention=Attention(heads=heads, kv_heads=kv_heads, size=128, head_norm=True),
        positions=Rotary(base=1_000_000.0),
        mlp=GatedMlp(hidden=hidden),
        norm=RMSNorm(eps=1e-6),
        output=Tied() if tied else Free(),
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes: LLaMA's, with heads of 128 unless told, each normalised."""
    plain = llama({"head_dim": 128} | given)
    return replace(plain, attention=replace(plain.attention, head_norm=True, reach=reach(given)))


NAMES: dict[str, Source] = LLAMA | {
    "decoder.blocks.{}.attn.q_norm.weight": Same("layers.{}.self_attn.q_norm.weight"),
    "decoder.blocks.{}.attn.k_norm.weight": Same("layers.{}.self_attn.k_norm.weight"),
}

FAMILY = Family(
    name="qwen3",
    changed="Normalised each head's queries and keys so that no score can run away in training, dropped the last biases, and freed the size of "
    "a head from the width.",
    sizes={
        "qwen3-0.6b": Size(configuration(1_024, 28, 16, 8, 3_072, tied=True), 2025, PAPER),
        "qwen3-1.7b": Size(configuration(2_048, 28, 16, 8, 6_144, tied=True), 2025, PAPER),
        "qwen3-4b": Size(configuration(2_560, 36, 32, 8, 9_728, tied=True), 2025, PAPER),
        "qwen3-8b": Size(configuration(4_096, 36, 32, 8, 12_288), 2025, PAPER),
        "qwen3-14b": Size(configuration(5_120, 40, 40, 8, 17_408), 2025, PAPER),
        "qwen3-32b": Size(configuration(5_120, 64, 64, 8, 25_600), 2025, PAPER),
    },
    published=Published(model_type="qwen3", prefix="model.", names=NAMES, ignored=("*rotary_emb.inv_freq",), config=published_config),
)
