"""A published design at another size: its numbers, each in the range that published models span, put back into its configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from model.config import Attention, Config
from model.space import Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """The numbers that decide what a model weighs. Raises `Refusal` where key/value heads cannot be shared evenly."""

    layers: Annotated[int, Interval(1, 200, step=1)] = 80
    width: Annotated[int, Interval(16, 32_768, step=16)] = 8_192
    heads: Annotated[int, Interval(1, 256, step=1)] = 64
    kv_heads: Annotated[int, Interval(1, 256, step=1)] = 8
    size: Annotated[int, Interval(2, 512, step=2)] = 128
    hidden: Annotated[int, Interval(16, 131_072, step=16)] = 28_672
    vocabulary: Annotated[int, Interval(2, 1_000_000, step=1)] = 32_000
    context: Annotated[int, Interval(16, 4_000_000, step=16)] = 4_096

    def __post_init__(self) -> None:
        Attention(heads=self.heads, kv_heads=self.kv_heads, size=self.size)

    @classmethod
    def of(cls, config: Config) -> Draft:
        """The numbers of a configuration."""
        attention = config.attention
        return cls(
            layers=config.layers,
            width=config.width,
            heads=attention.heads,
            kv_heads=attention.kv_heads,
            size=attention.size,
            hidden=config.mlp.hidden,
            vocabulary=config.vocabulary,
            context=config.context,
        )

    def on(self, design: Config) -> Config:
        """The design with these numbers. Raises `Refusal` where it cannot have them, such as a head that rotary positions cannot turn."""
        return replace(
            design,
            layers=self.layers,
            width=self.width,
            attention=replace(design.attention, heads=self.heads, kv_heads=self.kv_heads, size=self.size),
            mlp=replace(design.mlp, hidden=self.hidden),
            vocabulary=self.vocabulary,
            context=self.context,
        )
