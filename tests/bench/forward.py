"""A forward pass that keeps what happened inside, against `transformers` with its attention maps and TransformerLens with its cache.

The same GPT-2 (L6 H8 d256, V = 1,024) for all three, and a LLaMA of that size for the two that know it, each in a process of its own, on one
thread. Vitrine's trace keeps q, k, v, the patterns, each head's mixed values, what attention and MLP write, the residual stream and the
logits; `transformers` keeps its patterns, TransformerLens its whole cache. At 1,024 tokens Vitrine's trace is lazy, as in the app: a map is
made when it is looked at; the rows say so, and the rows below them keep every pattern.
"""

from __future__ import annotations

import importlib
import logging
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from model.config import Attention, Config, Fixed, GatedMlp, LayerNorm, Learned, PlainMlp, RMSNorm, Rotary
from model.layers.frame import Maps
from model.trace import EAGER, Tracer
from model.transformer import Transformer
from tests.bench.race import Lane, Row, relay, row

WIDTH, HEADS, LAYERS, VOCABULARY, CONTEXT, GATED = 256, 8, 6, 1_024, 1_024, 688
ROUNDS = {64: 61, 256: 31, 1_024: 9}
Runner = Callable[[], object]


def rows() -> list[Row]:
    """Both peers at three lengths."""
    return [found for length, rounds in ROUNDS.items() for found in (*_gpt2(length, rounds), *_llama(length, rounds))]


def _gpt2(length: int, rounds: int) -> list[Row]:
    lanes = {"ours": Lane(ours, "gpt2", length), "transformers": Lane(hugging, "gpt2", length), "TransformerLens": Lane(lens, length)}
    if length > EAGER:
        lanes["every pattern"] = Lane(ours, "gpt2", length, "pattern")
    times = relay(lanes, rounds)
    ways = [("ours", f"traced forward{', lazy maps' if length > EAGER else ''}"), ("every pattern", "traced forward, every pattern")]
    peers = ("transformers", "TransformerLens")
    return [row(f"{told} vs {peer}, T={length}", times[way], times[peer]) for way, told in ways if way in times for peer in peers]


def _llama(length: int, rounds: int) -> list[Row]:
    times = relay({"ours": Lane(ours, "llama", length), "transformers": Lane(hugging, "llama", length)}, rounds)
    return [row(f"traced forward vs transformers (LLaMA), T={length}", times["ours"], times["transformers"])]


def ours(family: str, length: int, maps: Maps | None = None) -> Runner:
    """Vitrine's tracer."""
    ids = _ready(length)
    attention = Attention(heads=HEADS, kv_heads=HEADS, size=WIDTH // HEADS, bias=family == "gpt2", out_bias=family == "gpt2")
    sizes = {"vocabulary": VOCABULARY, "context": CONTEXT, "width": WIDTH, "layers": LAYERS, "attention": attention, "initialisation": Fixed()}
    if family == "gpt2":
        config = Config(**sizes, positions=Learned(), norm=LayerNorm(), mlp=PlainMlp(hidden=4 * WIDTH, activation="gelu_tanh", bias=True))
    else:
        config = Config(**sizes, positions=Rotary(), norm=RMSNorm(), mlp=GatedMlp(hidden=GATED))
    tracer = Tracer(Transformer(config).eval().settle())
    return lambda: tracer.trace(ids, maps=maps)


def hugging(family: str, length: int) -> Runner:
    """`transformers`, eager, with its attention maps."""
    import transformers

    ids = _ready(length)
    if family == "gpt2":
        config = transformers.GPT2Config(vocab_size=VOCABULARY, n_embd=WIDTH, n_head=HEADS, n_layer=LAYERS, n_positions=CONTEXT)
    else:
        config = transformers.LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=GATED,
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
        )
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    return lambda: model(ids[None], output_attentions=True, use_cache=False)


def lens(length: int) -> Runner:
    """TransformerLens, with its cache of everything."""
    ids = _ready(length)
    sizes = {"n_layers": LAYERS, "d_model": WIDTH, "n_ctx": CONTEXT, "d_head": WIDTH // HEADS, "n_heads": HEADS, "d_vocab": VOCABULARY}
    rest = {"d_mlp": 4 * WIDTH, "act_fn": "gelu_new", "normalization_type": "LN", "device": "cpu", "seed": 0}
    bridge = importlib.import_module("transformer_lens.model_bridge").TransformerBridge.boot_native(sizes | rest)
    bridge.eval()
    return lambda: bridge.run_with_cache(ids[None])


def _ready(length: int) -> Tensor:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    return torch.randint(0, VOCABULARY, (length,), generator=torch.Generator().manual_seed(length))
