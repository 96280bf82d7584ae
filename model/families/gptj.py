"""GPT-J (Wang & Komatsuzaki 2021): attention and MLP side by side, after one norm, and rotary positions on a quarter of each head."""

from __future__ import annotations

import math
from typing import Any

from model.config import Attention, Config, Fixed, Free, LayerNorm, Parallel, PlainMlp, Rotary, Tied
from model.families.family import Family, Published, Same, Size, Source, Stacked
from model.families.reading import activation, flag, number, whole

PAPER = "Wang & Komatsuzaki 2021, GPT-J-6B: A 6 Billion Parameter Autoregressive Language Model, github.com/kingoflolz/mesh-transformer-jax"


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    width, heads = whole(given, "n_embd"), whole(given, "n_head")
    size = width // max(heads, 1)
    return Config(
        vocabulary=whole(given, "vocab_size"),
        context=whole(given, "n_positions"),
        width=width,
        layers=whole(given, "n_layer"),
        attention=Attention(heads=heads, kv_heads=heads, size=size),
        positions=Rotary(fraction=_share(whole(given, "rotary_dim", 64), size), pairing="neighbours"),
        mlp=PlainMlp(hidden=whole(given, "n_inner", 4 * width), activation=activation(given, "activation_function", "gelu_new"), bias=True),
        norm=LayerNorm(eps=number(given, "layer_norm_epsilon", 1e-5)),
        arrangement=Parallel(norms=1),
        output=Tied(bias=True) if flag(given, "tie_word_embeddings", False) else Free(bias=True),
        dropout=number(given, "resid_pdrop", 0.0),
        initialisation=Fixed(deviation=number(given, "initializer_range", 0.02)),
    )


def _share(turned: int, size: int) -> float:
    """The share of a head that is `turned` numbers exactly, not one fewer when a product is rounded."""
    share = turned / max(size, 1)
    return share if int(share * size) == turned else math.nextafter(share, math.inf)


NAMES: dict[str, Source] = {
    "embed.token.weight": Same("wte.weight"),
    "decoder.blocks.{}.attn.qkv.weight": Stacked(*(f"h.{{}}.attn.{part}_proj.weight" for part in "qkv")),
    "decoder.blocks.{}.attn.out.weight": Same("h.{}.attn.out_proj.weight"),
    "head.bias": Same("lm_head.bias"),
}
for leaf in ("weight", "bias"):
    NAMES |= {
        f"decoder.blocks.{{}}.norm1.{leaf}": Same(f"h.{{}}.ln_1.{leaf}"),
        f"decoder.blocks.{{}}.mlp.up.{leaf}": Same(f"h.{{}}.mlp.fc_in.{leaf}"),
        f"decoder.blocks.{{}}.mlp.down.{leaf}": Same(f"h.{{}}.mlp.fc_out.{leaf}"),
        f"decoder.norm.{leaf}": Same(f"ln_f.{leaf}"),
        f"head.unembed.{leaf}": Same(f"lm_head.{leaf}"),
    }

FAMILY = Family(
    name="gptj",
    changed="Computed attention and MLP side by side from one norm, which trains faster on many chips, and brought rotary positions to a "
    "large open model.",
    sizes={
        "gptj-6b": Size(
            Config(
                vocabulary=50_400,
                context=2_048,
                width=4_096,
                layers=28,
                attention=Attention(heads=16, kv_heads=16, size=256),
                positions=Rotary(fraction=0.25, pairing="neighbours"),
                mlp=PlainMlp(hidden=16_384, activation="gelu_tanh", bias=True),
                arrangement=Parallel(norms=1),
                output=Free(bias=True),
                initialisation=Fixed(deviation=0.02),
            ),
            2021,
            PAPER,
        )
    },
    published=Published(
        model_type="gptj",
        prefix="transformer.",
        names=NAMES,
        ignored=("h.*.attn.bias", "h.*.attn.masked_bias", "h.*.attn.embed_positions"),
        config=published_config,
    ),
)
