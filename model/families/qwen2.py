"""Qwen2 (Yang et al. 2024): LLaMA's block with grouped heads, where queries, keys and values alone keep a bias."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.config import Attention, Config, Everywhere, Fixed, Free, GatedMlp, Reach, RMSNorm, Rotary, Sliding, Tied
from model.errors import Refusal
from model.families.family import Family, Published, Size
from model.families.llama import NAMES
from model.families.llama import published_config as llama
from model.families.reading import flag, whole

PAPER = "Yang et al. 2024, Qwen2 Technical Report, arXiv:2407.10671"


def configuration(
    width: int, layers: int, heads: int, kv_heads: int, hidden: int, *, vocabulary: int = 151_936, tied: bool = False, eps: float = 1e-6
) -> Config:
    """A Qwen2 of this size: rotary positions slow enough for 131,072 tokens; the small ones share one embedding."""
    return Config(
        vocabulary=vocabulary,
        context=131_072,
        width=width,
        layers=layers,
        attention=Attention(heads=heads, kv_heads=kv_heads, size=width // heads, bias=True),
        positions=Rotary(base=1_000_000.0),
        mlp=GatedMlp(hidden=hidden),
        norm=RMSNorm(eps=eps),
        output=Tied() if tied else Free(),
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes: LLaMA's, with biases on what enters attention."""
    plain = llama(given)
    return replace(plain, attention=replace(plain.attention, bias=True, reach=reach(given)))


def reach(given: dict[str, Any]) -> Reach:
    """How far back every layer looks. Raises `Refusal` where some have a window and others none."""
    match _kinds(given):
        case ["full_attention"]:
            return Everywhere()
        case ["sliding_attention"]:
            return Sliding(window=whole(given, "sliding_window"))
        case kinds:
            sentence = "config.json gives its layers {given}; this model computes full_attention in all of them, or sliding_attention in all"
            raise Refusal("families.layer_types", sentence, given=" and ".join(kinds))


def _kinds(given: dict[str, Any]) -> list[str]:
    """The kinds of layer there are, as listed, or as the first layer with a window implies."""
    listed = given.get("layer_types")
    if isinstance(listed, list) and listed:
        return sorted(set(map(str, listed)))
    if not flag(given, "use_sliding_window", False) or given.get("sliding_window") is None:
        return ["full_attention"]
    first, layers = whole(given, "max_window_layers", 28), whole(given, "num_hidden_layers")
    return ["full_attention"] * (first > 0) + ["sliding_attention"] * (first < layers)


FAMILY = Family(
    name="qwen2",
    changed="Kept a bias on queries, keys and values, which helps rotary positions reach beyond the trained length, and shared keys and values "
    "at every size down to half a billion parameters.",
    sizes={
        "qwen2-0.5b": Size(configuration(896, 24, 14, 2, 4_864, tied=True), 2024, PAPER),
        "qwen2-1.5b": Size(configuration(1_536, 28, 12, 2, 8_960, tied=True), 2024, PAPER),
        "qwen2-7b": Size(configuration(3_584, 28, 28, 4, 18_944, vocabulary=152_064), 2024, PAPER),
        "qwen2-72b": Size(configuration(8_192, 80, 64, 8, 29_568, vocabulary=152_064, eps=1e-5), 2024, PAPER),
    },
    published=Published(model_type="qwen2", prefix="model.", names=NAMES, ignored=("*rotary_emb.inv_freq",), config=published_config),
)
