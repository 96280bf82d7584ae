"""BERT (Devlin et al. 2019): an encoder alone, trained to fill blanks with what stands on both sides of them.

The sizes are those of the masked-LM model, with the matrix, norm and bias that turn the last layer into logits. Published counts
are often the bare encoder's with its pooler: 109,482,240 for the uncased base.
"""

from __future__ import annotations

from typing import Any

from model.config import Attention, Config, Embedding, Encoder, Fixed, Free, LayerNorm, Learned, PlainMlp, Serial, Tied, Transformed
from model.families.family import Either, Family, Published, Same, Size, Source, Stacked
from model.families.reading import activation, flag, number, refuse_unless, whole

PAPER = "Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, arXiv:1810.04805"


def configuration(vocabulary: int, width: int, layers: int, heads: int) -> Config:
    """A BERT of this size: texts of up to 512 tokens in two segments, an MLP four times as wide as the residual stream."""
    return Config(
        vocabulary=vocabulary,
        context=512,
        width=width,
        layers=layers,
        form=Encoder(),
        embedding=Embedding(norm=True, segments=2),
        attention=Attention(heads=heads, kv_heads=heads, size=width // heads, bias=True, out_bias=True),
        positions=Learned(),
        mlp=PlainMlp(hidden=4 * width, activation="gelu", bias=True),
        norm=LayerNorm(eps=1e-12),
        arrangement=Serial(norm_place="after"),
        final_norm=False,
        readout=Transformed(activation="gelu"),
        output=Tied(bias=True),
        dropout=0.1,
        initialisation=Fixed(deviation=0.02),
    )


def published_config(given: dict[str, Any]) -> Config:
    """The configuration that a published `config.json` describes."""
    refuse_unless(given, "is_decoder", only=False, default=False)
    refuse_unless(given, "position_embedding_type", only="absolute", default="absolute")
    width, heads = whole(given, "hidden_size"), whole(given, "num_attention_heads")
    bend = activation(given, "hidden_act", "gelu")
    return Config(
        vocabulary=whole(given, "vocab_size"),
        context=whole(given, "max_position_embeddings", 512),
        width=width,
        layers=whole(given, "num_hidden_layers"),
        form=Encoder(),
        embedding=Embedding(norm=True, segments=whole(given, "type_vocab_size", 2)),
        attention=Attention(heads=heads, kv_heads=heads, size=width // max(heads, 1), bias=True, out_bias=True),
        positions=Learned(),
        mlp=PlainMlp(hidden=whole(given, "intermediate_size"), activation=bend, bias=True),
        norm=LayerNorm(eps=number(given, "layer_norm_eps", 1e-12)),
        arrangement=Serial(norm_place="after"),
        final_norm=False,
        readout=Transformed(activation=bend),
        output=Tied(bias=True) if flag(given, "tie_word_embeddings", True) else Free(bias=True),
        dropout=number(given, "hidden_dropout_prob", 0.1),
        initialisation=Fixed(deviation=number(given, "initializer_range", 0.02)),
    )


NAMES: dict[str, Source] = {
    "embed.token.weight": Same("embeddings.word_embeddings.weight"),
    "embed.position.weight": Same("embeddings.position_embeddings.weight"),
    "embed.segment.weight": Same("embeddings.token_type_embeddings.weight"),
    "head.unembed.weight": Same("cls.predictions.decoder.weight"),
    "head.unembed.bias": Either(("cls.predictions.decoder.bias", "cls.predictions.bias")),
    "head.bias": Either(("cls.predictions.decoder.bias", "cls.predictions.bias")),
}
for leaf, old in (("weight", "gamma"), ("bias", "beta")):
    parts = (f"encoder.layer.{{}}.attention.self.{part}.{leaf}" for part in ("query", "key", "value"))
    NAMES |= {
        "encoder.blocks.{}.attn.qkv." + leaf: Stacked(*parts),
        "encoder.blocks.{}.attn.out." + leaf: Same(f"encoder.layer.{{}}.attention.output.dense.{leaf}"),
        "encoder.blocks.{}.mlp.up." + leaf: Same(f"encoder.layer.{{}}.intermediate.dense.{leaf}"),
        "encoder.blocks.{}.mlp.down." + leaf: Same(f"encoder.layer.{{}}.output.dense.{leaf}"),
        "head.transform.dense." + leaf: Same(f"cls.predictions.transform.dense.{leaf}"),
    }
    norms = {
        "embed.norm": "embeddings.LayerNorm",
        "encoder.blocks.{}.norm1": "encoder.layer.{}.attention.output.LayerNorm",
        "encoder.blocks.{}.norm2": "encoder.layer.{}.output.LayerNorm",
        "head.transform.norm": "cls.predictions.transform.LayerNorm",
    }
    NAMES |= {f"{ours}.{leaf}": Either((f"{theirs}.{leaf}", f"{theirs}.{old}")) for ours, theirs in norms.items()}

FAMILY = Family(
    name="bert",
    changed="Read in both directions at once and learned by filling blanks; one pre-trained encoder, tuned a little, then led almost every "
    "language test there was.",
    sizes={
        "bert-base-uncased": Size(configuration(30_522, 768, 12, 12), 2018, PAPER),
        "bert-base-cased": Size(configuration(28_996, 768, 12, 12), 2018, PAPER),
        "bert-large-uncased": Size(configuration(30_522, 1_024, 24, 16), 2018, PAPER),
        "bert-large-cased": Size(configuration(28_996, 1_024, 24, 16), 2018, PAPER),
    },
    published=Published(
        model_type="bert",
        prefix="bert.",
        names=NAMES,
        ignored=("embeddings.position_ids", "pooler.dense.*", "cls.seq_relationship.*", "cls.predictions.bias"),
        config=published_config,
    ),
)
