"""LaMDA (Thoppilan et al. 2022): a decoder trained on dialogue, as its paper describes it. Its weights were never published.

The paper gives the layers, widths and heads of three sizes, and for the largest heads of 128 and an MLP eight times as wide as the
residual stream, which are taken for the others too. It does not say how long a text the model reads, nor whether the output reuses the
embedding; 2,048 tokens and T5's shared embedding stand here.
"""

from __future__ import annotations

from model.config import Attention, Config, GatedMlp, Relative, RMSNorm, Tied
from model.families.family import Family, Size

PAPER = "Thoppilan et al. 2022, LaMDA: Language Models for Dialog Applications, arXiv:2201.08239"


def configuration(width: int, layers: int, heads: int) -> Config:
    """A LaMDA of this size: 32,000 tokens, relative positions and gated GELU after T5."""
    return Config(
        vocabulary=32_000,
        context=2_048,
        width=width,
        layers=layers,
        attention=Attention(heads=heads, kv_heads=heads, size=128, scaled=False),
        positions=Relative(),
        mlp=GatedMlp(hidden=8 * width, activation="gelu_tanh"),
        norm=RMSNorm(eps=1e-6),
        output=Tied(scaled=True),
    )


FAMILY = Family(
    name="lamda",
    changed="Was trained on dialogue, tuned by human ratings to be sensible, specific, interesting and safe, and taught to consult a search "
    "engine before it answers.",
    sizes={
        "lamda-2b": Size(configuration(2_560, 10, 40), 2022, PAPER),
        "lamda-8b": Size(configuration(4_096, 16, 64), 2022, PAPER),
        "lamda-137b": Size(configuration(8_192, 64, 128), 2022, PAPER),
    },
    released=False,
)
