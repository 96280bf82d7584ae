"""OPT (Zhang et al. 2022): GPT-3's sizes with ReLU, its weights and its training diary opened to researchers.

The 350M stands apart, as it was trained: norms after each sum, no last norm, and token vectors half as wide as the residual stream.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.config import AsWide, Attention, Config, Embedding, Fixed, Free, LayerNorm, Learned, Narrow, PlainMlp, Serial, Tied
from model.families.family import Family, Published, Same, Size, Source, Stacked
from model.families.reading import activation, flag, number, refuse_unless, whole

PAPER = "Zhang et al. 2022, OPT: Open Pre-trained Transformer Language Models, arXiv:2205.01068"


def configuration(width: int, layers: int, heads: int) -> Config:
    """An OPT of this size: 50,272 tokens, a context of 2,048, two rows spared before the first position."""
    return Config(
        vocabulary=50_272,
        context=2_048,
        width=width,
        layers=layers,
        attention=Attention(heads=heads, kv_heads=heads, size=width // heads, bias=True, out_bias=True),
        positions=Learned(spare=2),
        mlp=PlainMlp(hidden=4 * width, activation="relu", bias=True),
        dropout=0.1,
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    refuse_unless(given, "layer_norm_elementwise_affine", only=True, default=True)
    width, heads = whole(given, "hidden_size"), whole(given, "num_attention_heads")
    biased, first = flag(given, "enable_bias", True), flag(given, "do_layer_norm_before", True)
    return Config(
        vocabulary=whole(given, "vocab_size"),
        context=whole(given, "max_position_embeddings"),
        width=width,
        layers=whole(given, "num_hidden_layers"),
        embedding=Embedding(room=_room(whole(given, "word_embed_proj_dim", width), width)),
        attention=Attention(heads=heads, kv_heads=heads, size=width // max(heads, 1), bias=biased, out_bias=biased),
        positions=Learned(spare=2),
        mlp=PlainMlp(hidden=whole(given, "ffn_dim"), activation=activation(given, "activation_function", "relu"), bias=biased),
        norm=LayerNorm(),
        arrangement=Serial(norm_place="before" if first else "after"),
        final_norm=first and not flag(given, "_remove_final_layer_norm", False),
        output=Tied() if flag(given, "tie_word_embeddings", True) else Free(),
        dropout=number(given, "dropout", 0.1),
        initialisation=Fixed(deviation=number(given, "init_std", 0.02)),
    )


def _room(size: int, width: int) -> AsWide | Narrow:
    return AsWide() if size == width else Narrow(size=size, positions="after", bias=False)


NAMES: dict[str, Source] = {
    "embed.token.weight": Same("decoder.embed_tokens.weight"),
    "embed.position.weight": Same("decoder.embed_positions.weight"),
    "embed.widen.weight": Same("decoder.project_in.weight"),
    "head.narrow.weight": Same("decoder.project_out.weight"),
    "head.unembed.weight": Same("lm_head.weight"),
}
for leaf in ("weight", "bias"):
    NAMES |= {
        f"decoder.blocks.{{}}.norm1.{leaf}": Same(f"decoder.layers.{{}}.self_attn_layer_norm.{leaf}"),
        f"decoder.blocks.{{}}.attn.qkv.{leaf}": Stacked(*(f"decoder.layers.{{}}.self_attn.{part}_proj.{leaf}" for part in "qkv")),
        f"decoder.blocks.{{}}.attn.out.{leaf}": Same(f"decoder.layers.{{}}.self_attn.out_proj.{leaf}"),
        f"decoder.blocks.{{}}.norm2.{leaf}": Same(f"decoder.layers.{{}}.final_layer_norm.{leaf}"),
        f"decoder.blocks.{{}}.mlp.up.{leaf}": Same(f"decoder.layers.{{}}.fc1.{leaf}"),
        f"decoder.blocks.{{}}.mlp.down.{leaf}": Same(f"decoder.layers.{{}}.fc2.{leaf}"),
        f"decoder.norm.{leaf}": Same(f"decoder.final_layer_norm.{leaf}"),
    }

ODD_ONE_OUT = replace(
    configuration(1_024, 24, 16),
    embedding=Embedding(room=Narrow(size=512, positions="after", bias=False)),
    arrangement=Serial(norm_place="after"),
    final_norm=False,
)

FAMILY = Family(
    name="opt",
    changed="Repeated GPT-3 in the open: the same sizes, with ReLU and with all but the largest model's weights for anyone to download, and a "
    "diary of what went wrong in training.",
    sizes={
        "opt-125m": Size(configuration(768, 12, 12), 2022, PAPER),
        "opt-350m": Size(ODD_ONE_OUT, 2022, PAPER),
        "opt-1.3b": Size(configuration(2_048, 24, 32), 2022, PAPER),
        "opt-2.7b": Size(configuration(2_560, 32, 32), 2022, PAPER),
        "opt-6.7b": Size(configuration(4_096, 32, 32), 2022, PAPER),
        "opt-13b": Size(configuration(5_120, 40, 40), 2022, PAPER),
        "opt-30b": Size(configuration(7_168, 48, 56), 2022, PAPER),
        "opt-66b": Size(configuration(9_216, 64, 72), 2022, PAPER),
        "opt-175b": Size(configuration(12_288, 96, 96), 2022, PAPER),
    },
    published=Published(model_type="opt", prefix="model.", names=NAMES, ignored=(), config=published_config),
)
