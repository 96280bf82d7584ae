"""What papers report of their own models, and the same figures by this project's arithmetic: the scales on which everything else is weighed.

Each claim states what its arithmetic assumes and how far the two may lie apart. The rumoured stands by itself, and is never computed with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from model.config import Config
from model.cost.flops import training_flops
from model.cost.hardware import ACCELERATORS
from model.cost.memory import cache_bytes_per_token, optimiser_bytes
from model.cost.paper import DAY, Given, Power, Training, energy, six_n_d, training
from model.cost.weights import parameters

Unit = Literal["flops", "hours", "days", "kwh", "tonnes", "bytes"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure of the model `size`, as `published` in `source`, and as `reckon` computes it from the configuration, within `tolerance`
    of it (a share) for the reason its name stands for."""

    name: str
    size: str
    unit: Unit
    published: float
    source: str
    tolerance: float
    reckon: Callable[[Config], float]


LLAMA_SPEED = 380
"""Tokens a second that each A100 trained of LLaMA 65B (Touvron et al. 2023, arXiv:2302.13971, section 2.4)."""


def utilisation(config: Config, tokens_per_second: float, peak: float) -> float:
    """The MFU of an accelerator that trains on so many tokens a second (Chowdhery et al. 2022, arXiv:2204.02311, appendix B)."""
    return tokens_per_second * training_flops(config, config.context) / config.context / peak


def _gpt3_days(config: Config) -> float:
    """10,000 V100 at 24.6 TFLOP/s of useful arithmetic each."""
    v100 = ACCELERATORS["v100"]
    run = training(config, Training(tokens=Given(billions=300), count=10_000, mfu=24.6e12 / v100.bf16), v100)
    return run.seconds / DAY


def _llama_hours(config: Config) -> float:
    """1.4 trillion tokens at the MFU that 380 tokens a second and A100 come to."""
    a100 = ACCELERATORS["a100"]
    mfu = utilisation(config, LLAMA_SPEED, a100.bf16)
    return training(config, Training(tokens=Given(billions=1_400), mfu=mfu), a100).accelerator_hours


def _llama_energy(config: Config) -> float:
    return energy(3_600 * _llama_hours(config), ACCELERATORS["a100"], Power(pue=1.1)).kilowatt_hours


def _llama_carbon(config: Config) -> float:
    return energy(3_600 * _llama_hours(config), ACCELERATORS["a100"], Power(pue=1.1, grid=385)).kilograms / 1_000


def _llama2_hours(config: Config) -> float:
    """Two trillion tokens at an MFU of 46 %, which the paper does not report."""
    return training(config, Training(tokens=Given(billions=2_000), mfu=0.46), ACCELERATORS["a100"]).accelerator_hours


GPT3 = "Brown et al. 2020, arXiv:2005.14165, table D.1"
PATTERSON = "Patterson et al. 2021, arXiv:2104.10350, table 4"
LLAMA = "Touvron et al. 2023, arXiv:2302.13971, table 15"
LLAMA3 = "Grattafiori et al. 2024, arXiv:2407.21783, section 3.2"
LLAMA2 = "Touvron et al. 2023, arXiv:2307.09288, table 2"
ZERO = "Rajbhandari et al. 2020, arXiv:1910.02054, section 3.1"
VLLM = "Kwon et al. 2023, arXiv:2309.06180, section 3"

CLAIMS = (
    Claim("gpt3_flops", "gpt3-175b", "flops", 3.14e23, GPT3, 0.01, lambda config: six_n_d(config, 300e9)),
    Claim("gpt3_days", "gpt3-175b", "days", 14.8, PATTERSON, 0.03, _gpt3_days),
    Claim("llama_hours", "llama-65b", "hours", 1_022_362, LLAMA, 0.005, _llama_hours),
    Claim("llama_energy", "llama-65b", "kwh", 449e3, LLAMA, 0.005, _llama_energy),
    Claim("llama_carbon", "llama-65b", "tonnes", 173, LLAMA, 0.005, _llama_carbon),
    Claim("llama2_hours", "llama2-70b", "hours", 1_720_320, LLAMA2, 0.01, _llama2_hours),
    Claim("llama3_flops", "llama3.1-405b", "flops", 3.8e25, LLAMA3, 0.01, lambda config: six_n_d(config, 15.6e12)),
    Claim("zero_states", "gpt2-xl", "bytes", 24e9, ZERO, 0.05, lambda config: 8 * parameters(config) + optimiser_bytes(config)),
    Claim("cache_token", "opt-13b", "bytes", 800 * 1_024, VLLM, 0.001, lambda config: cache_bytes_per_token(config, "fp16")),
)


@dataclass(frozen=True, slots=True)
class Rumour:
    """A size that nobody has published: what the makers say, what is said elsewhere, and where."""

    name: str
    silence: str
    rumoured: float
    source: str


GPT4 = Rumour(
    "GPT-4",
    "OpenAI 2023, GPT-4 Technical Report, arXiv:2303.08774, section 2",
    1.8e12,
    "D. Patel and G. Wong, GPT-4 Architecture, Infrastructure, Training Dataset, Costs, Vision, MoE, SemiAnalysis, 10 July 2023",
)
