"""Who may look at whom: attention masks as functions of a query's and a key's position.

A mask is a value. `Causal() & Window(8)` combines two of them, `str` writes the specification (`causal & window(8)`), `parse` reads it
back, and `build` turns it into the booleans that attention consumes. A `Plan` gives layers and heads masks of their own and lays soft
ones over them; `parse_plan` reads it. Nothing here knows what is attended to.
"""

from model.layers.masks.combining import And, Mask, Not, Or, blind_rows
from model.layers.masks.patterns import (
    PATTERNS,
    WIDEST,
    Bidirectional,
    Blocks,
    Causal,
    Dilated,
    Global,
    Packed,
    PadLeft,
    PadRight,
    Painted,
    Pattern,
    Prefix,
    Random,
    Strided,
    Wait,
    Window,
    mixed,
)
from model.layers.masks.plan import PLACES, Plan, Sights, Spot, union
from model.layers.masks.published import bigbird, longformer, sparse, streaming
from model.layers.masks.reading import DEEPEST, LONGEST, parse, parse_plan
from model.layers.masks.soft import SOFT, Alibi, Kerple, Relative, Shaded, Sight, Soft

__all__ = [
    "DEEPEST",
    "LONGEST",
    "PATTERNS",
    "PLACES",
    "SOFT",
    "WIDEST",
    "Alibi",
    "And",
    "Bidirectional",
    "Blocks",
    "Causal",
    "Dilated",
    "Global",
    "Kerple",
    "Mask",
    "Not",
    "Or",
    "Packed",
    "PadLeft",
    "PadRight",
    "Painted",
    "Pattern",
    "Plan",
    "Prefix",
    "Random",
    "Relative",
    "Shaded",
    "Sight",
    "Sights",
    "Soft",
    "Spot",
    "Strided",
    "Wait",
    "Window",
    "bigbird",
    "blind_rows",
    "longformer",
    "mixed",
    "parse",
    "parse_plan",
    "sparse",
    "streaming",
    "union",
]
