"""Settings out of a published `config.json`: present and of the right kind, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.config import Activation
from model.errors import Refusal

ACTIVATIONS: dict[str, Activation] = {
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
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
    """A number; `default` where it is absent or null."""
    value = given.get(name)
    value = default if value is None else value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Refusal("families.number", "config.json needs {name} as a number, got {given!r}", name=name, given=value)
    return float(value)


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
    if value not in ACTIVATIONS:
        raise Refusal(
            "families.activation", "config.json names the activation {given!r}; this model knows {known}", given=value, known=", ".join(ACTIVATIONS)
        )
    return ACTIVATIONS[value]


def refuse_unless(given: Mapping[str, Any], name: str, only: bool | int | float | str, default: Any) -> None:
    """Refuse a setting whose other values this model does not compute."""
    value = given.get(name, default)
    if value != only:
        raise Refusal(
            "families.setting", "config.json sets {name} to {given!r}; this model computes only {only!r}", name=name, given=value, only=only
        )
