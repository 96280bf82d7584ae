"""GPT-3 (Brown et al. 2020): GPT-2's architecture at eight sizes, up to 175 billion parameters. Its weights were never published.

The sizes are those of the paper's table 2.1. The XL row there prints 24 heads of 128, which would be wider than the residual
stream and make 1.52 billion parameters; the 1,320 million of the paper's table D.1 are those of 16 heads, which stand here.
"""

from __future__ import annotations

from dataclasses import replace

from model.config import Attention
from model.families.family import Family, Size
from model.families.gpt2 import configuration

PAPER = "Brown et al. 2020, Language Models are Few-Shot Learners, arXiv:2005.14165"


def _size(layers: int, width: int, heads: int, size: int) -> Size:
    attention = Attention(heads=heads, kv_heads=heads, size=size, bias=True, out_bias=True)
    return Size(replace(configuration(width, layers, heads), context=2_048, attention=attention), 2020, PAPER)


FAMILY = Family(
    name="gpt3",
    changed="Changed almost nothing but the size, and found that tasks can be taught by examples in the prompt; every other layer's "
    "attention was banded and sparse, which is left out here.",
    sizes={
        "gpt3-small": _size(12, 768, 12, 64),
        "gpt3-medium": _size(24, 1_024, 16, 64),
        "gpt3-large": _size(24, 1_536, 16, 96),
        "gpt3-xl": _size(24, 2_048, 16, 128),
        "gpt3-2.7b": _size(32, 2_560, 32, 80),
        "gpt3-6.7b": _size(32, 4_096, 32, 128),
        "gpt3-13b": _size(40, 5_140, 40, 128),
        "gpt3-175b": _size(96, 12_288, 96, 128),
    },
    released=False,
)
