"""Who may look at whom: attention masks as functions of a query's and a key's position.

A mask is a value. `Causal() & Window(8)` combines two of them, `str` writes the specification (`causal & window(8)`), `parse` reads it
back, and `build` turns it into the booleans that attention consumes. A `Plan` gives layers and heads masks of their own and lays soft
ones over them; `parse_plan` reads it. Nothing here knows what is attended to.

What papers put together is written so:

- sliding window of a decoder (Mistral): `causal & window(k)`; of an encoder: `window(k)`
- prefix-LM (T5's third variant): `causal | prefix(n)`
- strided attention (Child et al. 2019, arXiv:1904.10509, section 4.3): `causal & (window(s) | strided(s))`
- Longformer (Beltagy et al. 2020, arXiv:2004.05150): `window(k) | global(n)`, some heads `dilated(k,d)`
- BigBird (Zaheer et al. 2020, arXiv:2007.14062): `window(k) | global(n) | random(r,seed)`
- streaming with attention sinks (Xiao et al. 2023, arXiv:2309.17453): `causal & (prefix(n) | window(k))`
- several documents in one row: `causal & packed(a,b,c)`; filling: `causal & pad_left(n)` or `pad_right(n)`
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
    "blind_rows",
    "mixed",
    "parse",
    "parse_plan",
    "union",
]
