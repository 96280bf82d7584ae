"""Alpaca (Taori et al. 2023): LLaMA 7B tuned on 52,000 instructions that another model had written, with one token more for padding.

It was published as a difference from LLaMA's weights; put together, it is a LLaMA and loads as one.
"""

from __future__ import annotations

from dataclasses import replace

from model.families.family import Family, Size, Template
from model.families.llama import configuration

PAPER = "Taori et al. 2023, Stanford Alpaca: An Instruction-following LLaMA Model, github.com/tatsu-lab/stanford_alpaca"

FAMILY = Family(
    name="alpaca",
    changed="Turned a model that continues texts into one that follows instructions, with a few hundred dollars and a plain text template "
    "around each request.",
    sizes={"alpaca-7b": Size(replace(configuration(4_096, 32, 32, 11_008), vocabulary=32_001), 2023, PAPER)},
    template=Template(instruction="### Instruction:", input="### Input:", response="### Response:"),
)
