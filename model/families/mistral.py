"""Mistral (Jiang et al. 2023): LLaMA's block with grouped heads, and a window beyond which a token reads only through other tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.config import Attention, Config, Everywhere, Fixed, Free, GatedMlp, RMSNorm, Rotary, Sliding
from model.families.family import Family, Published, Size
from model.families.llama import NAMES
from model.families.llama import published_config as llama
from model.families.reading import whole

PAPER = "Jiang et al. 2023, Mistral 7B, arXiv:2310.06825"


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes: LLaMA's, with a window unless it is null."""
    plain = llama(given)
    reach = Everywhere() if given.get("sliding_window") is None else Sliding(window=whole(given, "sliding_window"))
    return replace(plain, attention=replace(plain.attention, reach=reach))


FAMILY = Family(
    name="mistral",
    changed="Let each token look back 4,096 places only, so that the cache stops growing, and trust the layers to carry news from further away.",
    sizes={
        "mistral-7b": Size(
            Config(
                vocabulary=32_000,
                context=32_768,
                width=4_096,
                layers=32,
                attention=Attention(heads=32, kv_heads=8, size=128, reach=Sliding(window=4_096)),
                positions=Rotary(),
                mlp=GatedMlp(hidden=14_336),
                norm=RMSNorm(eps=1e-5),
                output=Free(),
                initialisation=Fixed(deviation=0.02),
            ),
            2023,
            PAPER,
        )
    },
    published=Published(model_type="mistral", prefix="model.", names=NAMES, ignored=("*rotary_emb.inv_freq",), config=published_config),
)
