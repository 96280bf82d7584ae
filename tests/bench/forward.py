"""A forward pass with everything kept, against `transformers` with its attention maps and TransformerLens with its cache.

The same GPT-2 (L6 H8 d256, V = 1,024) for all three, on one thread. Vitrine's trace keeps q, k, v, the patterns, each head's mixed values,
what attention and MLP write, the residual stream and the logits; `transformers` keeps its patterns, TransformerLens its whole cache.
At 1,024 tokens Vitrine's trace is lazy, as in the app: q, k, v
and every residual are kept and a map is made when it is looked at; the row says so, and the row below it keeps every pattern.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from torch import nn

from model.config import Attention, Config, Fixed, LayerNorm, Learned, PlainMlp
from model.trace import EAGER, Tracer
from model.transformer import Transformer
from tests.bench.race import Row, race, row

WIDTH, HEADS, LAYERS, VOCABULARY, CONTEXT = 256, 8, 6, 1_024, 1_024
ROUNDS = {64: 41, 256: 21, 1_024: 7}


def rows() -> list[Row]:
    """Both peers at three lengths."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    tracer, hugging, lens = Tracer(_ours()), _hugging(), _lens()
    found: list[Row] = []
    for length, rounds in ROUNDS.items():
        ids = torch.randint(0, VOCABULARY, (length,), generator=torch.Generator().manual_seed(length))
        with torch.inference_mode():
            times = race(
                {
                    "ours": lambda ids=ids: tracer.trace(ids),
                    "ours, every pattern": lambda ids=ids: tracer.trace(ids, maps="pattern"),
                    "transformers": lambda ids=ids: hugging(ids[None], output_attentions=True, use_cache=False),
                    "TransformerLens": lambda ids=ids: lens.run_with_cache(ids[None]),
                },
                rounds,
            )
        found += _rows(length, times)
    return found


def _rows(length: int, times: dict[str, float]) -> list[Row]:
    ways = [("ours", "traced forward" + (", lazy maps" if length > EAGER else ""))]
    if length > EAGER:
        ways.append(("ours, every pattern", "traced forward, every pattern"))
    return [row(f"{told} vs {peer}, T={length}", times[way], times[peer]) for way, told in ways for peer in ("transformers", "TransformerLens")]


def _ours() -> Transformer:
    attention = Attention(heads=HEADS, kv_heads=HEADS, size=WIDTH // HEADS, bias=True, out_bias=True)
    config = Config(
        vocabulary=VOCABULARY, context=CONTEXT, width=WIDTH, layers=LAYERS, attention=attention, positions=Learned(), norm=LayerNorm(),
        mlp=PlainMlp(hidden=4 * WIDTH, activation="gelu_tanh", bias=True), initialisation=Fixed(),
    )  # fmt: skip
    return Transformer(config).eval().settle()


def _hugging() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=VOCABULARY, n_embd=WIDTH, n_head=HEADS, n_layer=LAYERS, n_positions=CONTEXT, bos_token_id=0, eos_token_id=0)
    config._attn_implementation = "eager"
    return GPT2LMHeadModel(config).eval()


def _lens() -> Any:
    from transformer_lens.model_bridge import TransformerBridge

    shape = {"n_layers": LAYERS, "d_model": WIDTH, "n_ctx": CONTEXT, "d_head": WIDTH // HEADS, "n_heads": HEADS, "d_vocab": VOCABULARY}
    rest = {"d_mlp": 4 * WIDTH, "act_fn": "gelu_new", "normalization_type": "LN", "device": "cpu", "seed": 0}
    bridge = getattr(TransformerBridge, "boot_native")(shape | rest)  # noqa: B009 – its stubs do not know this constructor
    bridge.eval()
    return bridge
