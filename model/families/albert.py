"""ALBERT (Lan et al. 2020): BERT with one block's weights for all layers, and token vectors that one matrix widens.

The sizes are those of the masked-LM model. The second version was trained longer, without dropout, and with GELU approximated by tanh.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from model.config import Config, Embedding, Fixed, Free, Narrow, PlainMlp, Tied, Transformed
from model.families import bert
from model.families.family import Either, Family, Published, Same, Size, Source, Stacked
from model.families.reading import flag, number, refuse_unless, whole

PAPER = "Lan et al. 2020, ALBERT: A Lite BERT for Self-supervised Learning of Language Representations, arXiv:1909.11942"


def configuration(width: int, layers: int, heads: int, version: int) -> Config:
    """An ALBERT of this size: 30,000 tokens whose vectors have 128 numbers."""
    bend = "gelu" if version == 1 else "gelu_tanh"
    return replace(
        bert.configuration(30_000, width, layers, heads),
        embedding=Embedding(norm=True, segments=2, room=Narrow(size=128)),
        mlp=PlainMlp(hidden=4 * width, activation=bend, bias=True),
        shared=True,
        readout=Transformed(activation=bend),
        dropout=0.1 if version == 1 and width < 4_096 else 0.0,
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes: BERT's, with fewer weights."""
    refuse_unless(given, "num_hidden_groups", only=1, default=1)
    refuse_unless(given, "inner_group_num", only=1, default=1)
    plain = bert.published_config({"hidden_act": "gelu_new", "hidden_dropout_prob": 0.0} | given)
    return replace(
        plain,
        embedding=replace(plain.embedding, room=Narrow(size=whole(given, "embedding_size", 128))),
        shared=True,
        output=Tied(bias=True) if flag(given, "tie_word_embeddings", True) else Free(bias=True),
        initialisation=Fixed(deviation=number(given, "initializer_range", 0.02)),
    )


LAYER = "encoder.albert_layer_groups.0.albert_layers.0"
NAMES: dict[str, Source] = {
    "embed.token.weight": Same("embeddings.word_embeddings.weight"),
    "embed.position.weight": Same("embeddings.position_embeddings.weight"),
    "embed.segment.weight": Same("embeddings.token_type_embeddings.weight"),
    "head.unembed.weight": Same("predictions.decoder.weight"),
    "head.unembed.bias": Either(("predictions.decoder.bias", "predictions.bias")),
    "head.bias": Either(("predictions.decoder.bias", "predictions.bias")),
}
for leaf in ("weight", "bias"):
    NAMES |= {
        f"embed.norm.{leaf}": Same(f"embeddings.LayerNorm.{leaf}"),
        f"embed.widen.{leaf}": Same(f"encoder.embedding_hidden_mapping_in.{leaf}"),
        f"encoder.blocks.{{}}.attn.qkv.{leaf}": Stacked(*(f"{LAYER}.attention.{part}.{leaf}" for part in ("query", "key", "value"))),
        f"encoder.blocks.{{}}.attn.out.{leaf}": Same(f"{LAYER}.attention.dense.{leaf}"),
        f"encoder.blocks.{{}}.norm1.{leaf}": Same(f"{LAYER}.attention.LayerNorm.{leaf}"),
        f"encoder.blocks.{{}}.mlp.up.{leaf}": Same(f"{LAYER}.ffn.{leaf}"),
        f"encoder.blocks.{{}}.mlp.down.{leaf}": Same(f"{LAYER}.ffn_output.{leaf}"),
        f"encoder.blocks.{{}}.norm2.{leaf}": Same(f"{LAYER}.full_layer_layer_norm.{leaf}"),
        f"head.transform.dense.{leaf}": Same(f"predictions.dense.{leaf}"),
        f"head.transform.norm.{leaf}": Same(f"predictions.LayerNorm.{leaf}"),
    }

SHAPES = {"base": (768, 12, 12), "large": (1_024, 24, 16), "xlarge": (2_048, 24, 16), "xxlarge": (4_096, 12, 64)}

FAMILY = Family(
    name="albert",
    changed="Showed how little of a model is its weights: every layer uses the same ones, and the vocabulary lives in a narrower space, so "
    "that the smallest has a ninth of BERT's numbers and does the same arithmetic.",
    sizes={f"albert-{name}-v{version}": Size(configuration(*shape, version), 2019, PAPER) for version in (1, 2) for name, shape in SHAPES.items()},
    published=Published(
        model_type="albert",
        prefix="albert.",
        names=NAMES,
        ignored=("embeddings.position_ids", "pooler.*", "sop_classifier.*", "predictions.bias"),
        config=published_config,
    ),
)
