"""Settings out of a published `config.json`: present and of the right kind, or refused by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from model.config import Activation, ByWavelength, Evenly, Rotary, Stretch, Unstretched
from model.errors import Refusal

ACTIVATIONS: dict[str, Activation] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu": "gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


def whole(given: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A whole number; `default` where it is absent or null."""
    value = given.get(name)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal("families.whole", "config.json needs {name} as a whole number, got {given!r}", name=name, given=value)
    return value


def number(given: Mapping[str, Any], name: str, default: float) -> float:
    """A number, not negative; `default` where it is absent or null."""
    value = given.get(name)
    value = default if value is None else value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refusal("families.number", "config.json needs {name} as a number, got {given!r}", name=name, given=value)
    if not 0 <= value < math.inf:
        raise Refusal("families.range", "config.json needs {name} as a number from 0 on, got {given!r}", name=name, given=value)
    return float(value)


def positive(given: Mapping[str, Any], name: str, default: float) -> float:
    """A number above zero; `default` where it is absent or null."""
    value = number(given, name, default)
    if value == 0:
        raise Refusal("families.positive", "config.json needs {name} as a number above 0, got {given!r}", name=name, given=value)
    return value


def flag(given: Mapping[str, Any], name: str, default: bool) -> bool:
    """True or false; `default` where it is absent or null."""
    value = given.get(name)
    value = default if value is None else value
    if not isinstance(value, bool):
        raise Refusal("families.flag", "config.json needs {name} as true or false, got {given!r}", name=name, given=value)
    return value


def activation(given: Mapping[str, Any], name: str, default: str) -> Activation:
    """An activation function under the name it is published by."""
    value = given.get(name)
    value = default if value is None else value
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise Refusal(
            "families.activation", "config.json names the activation {given!r}; this model knows {known}", given=value, known=", ".join(ACTIVATIONS)
        )
    return ACTIVATIONS[value]


def refuse_unless(given: Mapping[str, Any], name: str, only: bool | int | float | str, default: Any) -> None:
    """Refuse a setting whose other values this model does not compute; `default` where it is absent or null."""
    value = given.get(name)
    value = default if value is None else value
    if value != only:
        raise Refusal(
            "families.setting", "config.json sets {name} to {given!r}; this model computes only {only!r}", name=name, given=value, only=only
        )


def rotary(given: Mapping[str, Any]) -> Rotary:
    """The rotation, where `transformers` 5 writes it (`rope_parameters`) or where it used to be (`rope_theta`, `rope_scaling`)."""
    rope = given.get("rope_parameters") or given.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise Refusal("families.rope_shape", "config.json writes rope_parameters as an object, got {given!r}", given=rope)
    merged = {**given, **rope}
    base, fraction = positive(merged, "rope_theta", 10_000.0), number(merged, "partial_rotary_factor", 1.0)
    return Rotary(base=base, fraction=fraction, stretch=_stretch(rope, given))


def _stretch(rope: Mapping[str, Any], given: Mapping[str, Any]) -> Stretch:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    match kind:
        case "default":
            return Unstretched()
        case "linear":
            return Evenly(factor=positive(rope, "factor", 1.0))
        case "llama3":
            return ByWavelength(
                factor=positive(rope, "factor", 8.0),
                low=number(rope, "low_freq_factor", 1.0),
                high=number(rope, "high_freq_factor", 4.0),
                trained=whole(rope, "original_max_position_embeddings", given.get("original_max_position_embeddings", 8_192)),
            )
    sentence = "config.json stretches rotary positions by {given!r}; this model computes default, linear and llama3"
    raise Refusal("families.rope", sentence, given=kind)
