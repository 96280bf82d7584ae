"""128 tokens, one at a time: ours while yielding a full `Step` for each, against `generate` of `transformers`.

A GPT-2 of the same sizes for both, each with its matrices as it loads them, on one thread; the prompt is read anew in every run. The last
rows say how much of either's time goes by before every weight has been read once for each token, which neither can do without: their sum, the
fastest that this machine reads them, taken in turns with the rest.
"""

from __future__ import annotations

import logging
import warnings

import torch

from model.config import Attention, Config, Learned, PlainMlp
from model.generation import Greedy, Sample, generate
from model.transformer import Transformer
from tests.bench.race import Row, race, row

SIZES = ((2, 8, 256), (4, 8, 256), (6, 8, 256))
"""Layers, heads and width: 1.9, 3.5 and 5.1 million parameters."""
VOCABULARY, CONTEXT, PROMPT, TOKENS, ROUNDS = 1_024, 256, 16, 128, 9
SETTINGS = {"temperature": 0.8, "top_k": 40, "top_p": 0.9}


def rows() -> list[Row]:
    """Greedy and sampled generation at three sizes."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    prompt = torch.randint(0, VOCABULARY, (1, PROMPT), generator=torch.Generator().manual_seed(0))
    found: list[Row] = []
    for layers, heads, width in SIZES:
        ours, peer = _ours(layers, heads, width), _peer(layers, heads, width)
        weights = torch.cat([weight.detach().flatten() for name, weight in ours.named_parameters() if "position" not in name])
        times = race(
            {
                "greedy": lambda ours=ours: list(generate(ours, prompt[0], Greedy(), TOKENS)),
                "transformers, greedy": lambda peer=peer: _continue(peer, prompt, do_sample=False),
                "sampled": lambda ours=ours: list(generate(ours, prompt[0], Sample(**SETTINGS), TOKENS)),
                "transformers, sampled": lambda peer=peer: _continue(peer, prompt, do_sample=True, **SETTINGS),
                "reading": lambda weights=weights: [weights.sum() for _ in range(TOKENS)],
            },
            ROUNDS,
        )
        size, read = f"L{layers} H{heads} d{width}", f"{weights.nbytes * TOKENS / times['reading'] / 1e9:.0f} GB/s"
        found += [
            row(f"generation, {way}, vs transformers generate, {size}", times[way], times[f"transformers, {way}"]) for way in ("greedy", "sampled")
        ]
        found += [
            row(f"generation, {way}, vs reading {weights.nbytes / 1e6:.1f} MB of weights a token at {read}, {size}", times[way], times["reading"])
            for way in ("greedy", "transformers, greedy")
        ]
    return found


def _continue(peer, prompt: torch.Tensor, **settings) -> torch.Tensor:
    with torch.inference_mode():
        return peer.generate(prompt, max_new_tokens=TOKENS, pad_token_id=0, **settings)


def _ours(layers: int, heads: int, width: int) -> Transformer:
    attention = Attention(heads=heads, kv_heads=heads, size=width // heads, bias=True, out_bias=True)
    mlp = PlainMlp(hidden=4 * width, activation="gelu_tanh", bias=True)
    return Transformer(
        Config(vocabulary=VOCABULARY, context=CONTEXT, width=width, layers=layers, attention=attention, positions=Learned(), mlp=mlp)
    ).eval().settle()


def _peer(layers: int, heads: int, width: int):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=VOCABULARY, n_embd=width, n_head=heads, n_layer=layers, n_positions=CONTEXT, bos_token_id=None, eos_token_id=None)
    return GPT2LMHeadModel(config).eval()
