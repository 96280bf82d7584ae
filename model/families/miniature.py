"""Any published design at a size one can run, and train, while somebody watches: its choices kept, its numbers shrunk.

What makes a family is kept: form, positions and where they enter, norms and where they stand, the arrangement, the gate, biases,
sharing of keys and values and of blocks, narrow embeddings, the way to the output; widths keep their proportion to the residual
stream. Two things of training are made equal, since nobody could see a design behind them: no dropout, and first weights drawn by
their number of inputs.
"""

from __future__ import annotations

from dataclasses import replace

from model.config import Attention, ByWavelength, Config, EncoderDecoder, FanIn, Form, Mlp, Narrow, Positions, Reach, Room, Rotary, Sliding
from model.errors import Refusal

STEP = 8
"""Head sizes and narrow widths are multiples of this, so that rotary positions find pairs to turn, also in a quarter of a head."""


def miniature(
    config: Config, *, vocabulary: int, width: int = 64, layers: int = 2, heads: int = 4, context: int = 128, window: int = 8
) -> Config:
    """`config` with so many `layers` in each stack and query `heads`, its residual stream `width` numbers wide, for texts of `context`
    tokens of a `vocabulary`; where a token looks back through a window, it sees `window` tokens.

    Miniatures of two families differ exactly in design. Raises `Refusal` for heads that would be less than eight numbers each.
    """
    if width < STEP * heads:
        sentence = "{heads} heads in a width of {width} would have fewer than {least} numbers each; use {most} or fewer, or a greater width"
        raise Refusal("families.miniature", sentence, heads=heads, width=width, least=STEP, most=max(1, width // STEP))
    return replace(
        config,
        vocabulary=vocabulary,
        context=context,
        width=width,
        layers=layers,
        form=_form(config.form, layers),
        embedding=replace(config.embedding, room=_room(config, width)),
        attention=_attention(config, width, heads, window),
        positions=_positions(config, context),
        mlp=_mlp(config, width),
        dropout=0.0,
        initialisation=FanIn(),
    )


def shared_heads(heads: int, kv_heads: int, wanted: int) -> int:
    """How many key/value heads `wanted` query heads have when they are shared as `kv_heads` are among `heads`: all or one stay all or
    one, anything between stays between where it can."""
    if kv_heads in (1, heads):
        return 1 if kv_heads == 1 and heads > 1 else wanted
    between = [count for count in range(2, wanted) if wanted % count == 0] or [1]
    return min(between, key=lambda count: abs(wanted / count - heads / kv_heads))


def _attention(config: Config, width: int, heads: int, window: int) -> Attention:
    a = config.attention
    size = _round(a.heads * a.size / config.width * width / heads)
    return replace(a, heads=heads, kv_heads=shared_heads(a.heads, a.kv_heads, heads), size=size, reach=_reach(a.reach, window))


def _reach(reach: Reach, window: int) -> Reach:
    return Sliding(window=window) if isinstance(reach, Sliding) else reach


def _positions(config: Config, context: int) -> Positions:
    """A stretch by wavelength keeps the share of the context that it was trained on."""
    match config.positions:
        case Rotary(stretch=ByWavelength(trained=trained) as stretch):
            return replace(config.positions, stretch=replace(stretch, trained=max(1, round(trained * context / config.context))))
        case positions:
            return positions


def _mlp(config: Config, width: int) -> Mlp:
    return replace(config.mlp, hidden=max(1, round(config.mlp.hidden * width / config.width)))


def _room(config: Config, width: int) -> Room:
    room = config.embedding.room
    return replace(room, size=_round(room.size * width / config.width)) if isinstance(room, Narrow) else room


def _form(form: Form, layers: int) -> Form:
    return EncoderDecoder(encoder_layers=layers) if isinstance(form, EncoderDecoder) else form


def _round(value: float) -> int:
    return max(STEP, STEP * round(value / STEP))
