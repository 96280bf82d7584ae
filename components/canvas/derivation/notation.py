"""A derivation in the field's own notation: letters for sites and weights, formulas with their numbers."""

from __future__ import annotations

import math

from components.i18n import Words
from model.analysis.derivation import Activated, Constant, Derivation, Factor, Number, Place, Share, Term, Total, Weight
from model.config import Config

_SITES = {
    "embed.token": "E",
    "embed.position": "P",
    "embed.segment": "S",
    "norm1": "x̂",
    "norm2": "x̂",
    "cross_norm": "x̂",
    "norm": "x̂",
    "embed.norm": "x̂",
    "q_projected": "q",
    "k_projected": "k",
    "q_normed": "q̂",
    "k_normed": "k̂",
    "q": "q",
    "k": "k",
    "v": "v",
    "scores": "s",
    "masked": "s",
    "pattern": "a",
    "mixed": "z",
    "attn.out": "attn",
    "cross.out": "cross",
    "mlp.hidden": "h",
    "mlp.up": "u",
    "mlp.activated": "g",
    "mlp.out": "mlp",
    "head.dense": "d",
    "head.activated": "g",
    "head.transform": "t",
    "head.narrow": "n",
}
_WEIGHTS = {
    "embed.token": "E",
    "embed.position": "P",
    "embed.segment": "S",
    "embed.widen": "W",
    "attn.out": "W_O",
    "cross.out": "W_O",
    "mlp.up": "W_up",
    "mlp.gate": "W_gate",
    "mlp.down": "W_down",
    "head.unembed": "W_U",
    "head.narrow": "W",
    "head.transform.dense": "W",
}
_CONSTANTS = {
    "root_width": "√width",
    "one_over_root": "1/√d",
    "one_over_root_width": "1/√width",
    "wave": "sin, cos",
    "cos": "cos θ",
    "sin": "sin θ",
    "minus_sin": "−sin θ",
    "one_over_deviation": "1/σ",
    "one_over_rms": "1/RMS",
    "minus_mean": "−μ",
    "minus_slope": "−m",
    "distance": "|i − j|",
    "soft": "soft",
    "allowed": "mask",
    "forbidden": "mask",
}
_ACTIVATIONS = {"gelu_tanh": "GELU", "gelu": "GELU", "relu": "ReLU", "silu": "SiLU"}
FEW = 3
"""Up to how many terms a formula writes out."""


def letter(config: Config, factor: Factor) -> str:
    """What an operand is called."""
    match factor.source:
        case Constant(name):
            return _CONSTANTS[name]
        case Weight(name, _):
            return _weight(config, name, factor.source)
        case Number():
            return letter_of(config, factor.source)


def letter_of(config: Config, number: Number) -> str:
    """What a number is called: x for everything that is the residual stream."""
    leaf = Place.of(number.site, config).leaf
    if leaf.endswith("by_head"):
        return f"head {number.index[0] + 1}"
    return "logit" if leaf == "logits" else _SITES.get(leaf) or _SITES.get(leaf.rpartition(".")[2], "x")


def _weight(config: Config, name: str, weight: Weight) -> str:
    owner, _, kind = name.rpartition(".")
    part = ".".join(owner.split(".")[3:]) if ".blocks." in owner else owner
    if kind == "bias" or name == "head.bias":
        return "β" if "norm" in part else "b"
    if part.endswith("qkv"):
        a, row = config.attention, weight.index[0] // config.attention.size
        return "W_Q" if row < a.heads else "W_K" if row < a.heads + a.kv_heads else "W_V"
    if "norm" in part:
        return "γ"
    return "r" if "relative" in part else _WEIGHTS.get(part, "W")


def symbols(config: Config, derivation: Derivation) -> str:
    """The formula in letters."""
    closing, terms = derivation.closing, derivation.terms
    match closing:
        case Share():
            return "e^(sⱼ − max) ÷ Σ e^(s − max)"
        case Activated(name, gate):
            return f"{_ACTIVATIONS[name]}({letter(config, terms[0].factors[0])})" + ("" if gate is None else f" × {letter(config, gate)}")
        case Total("norm"):
            return _norm(derivation)
        case Total():
            return _sum(config, terms)


def _norm(derivation: Derivation) -> str:
    shift = " + β" if any(len(term.factors) == 1 for term in derivation.terms) else ""
    centred = derivation.statistics is not None and derivation.statistics.mean is not None
    return f"{'(x − μ) ÷ σ' if centred else 'x ÷ RMS'} × γ{shift}"


def _sum(config: Config, terms: tuple[Term, ...]) -> str:
    """Each kind of term once, under a Σ where there are many of it."""
    kinds: dict[str, int] = {}
    for term in terms:
        name = " · ".join(letter(config, factor) for factor in term.factors)
        name = "head" if name.startswith("head ") else name
        kinds[name] = kinds.get(name, 0) + 1
    return " + ".join(f"Σ {name}" if count > 1 else name for name, count in sorted(kinds.items(), key=lambda kind: -kind[1])).replace("+ −", "− ")


# ---------------------------------------------------------------- with numbers


def worked(words: Words, derivation: Derivation) -> tuple[str, ...]:
    """The formula with its numbers, ending in the value; before it, what it needs from a whole row."""
    closing = derivation.closing
    value = words.number(derivation.value)
    match closing:
        case Share(own=own, peak=peak, score=score):
            return _share(words, derivation, own, peak, score)
        case Activated(name, gate):
            inner = f"{_ACTIVATIONS[name]}({words.number(derivation.total)})"
            if gate is None:
                return (f"{inner} = {value}",)
            alone = words.number(closing.alone(derivation.total))
            return (f"{inner} × {bracketed(words, gate.value)} = {alone} × {bracketed(words, gate.value)} = {value}",)
        case Total("norm"):
            return _normed(words, derivation)
        case Total():
            return (f"{_written(words, derivation)} = {value}",)


def _share(words: Words, derivation: Derivation, own: float, peak: float, score: float) -> tuple[str, ...]:
    if not derivation.total:
        return (words("derivation.blind"),)
    raised = "e^(−∞) = 0" if math.isinf(score) else f"e^({words.number(score)} − {bracketed(words, peak)}) = {words.number(own)}"
    return raised, f"{words.number(own)} ÷ {words.number(derivation.total)} = {words.number(derivation.value)}"


def _normed(words: Words, derivation: Derivation) -> tuple[str, ...]:
    row = derivation.statistics
    assert row is not None
    size = "σ" if row.mean is not None else "RMS"
    mean = "" if row.mean is None else f"μ = {words.number(row.mean)};  "
    root = f"{mean}{size} = √({words.number(row.square)} + {words.number(row.eps)}) = {words.number(1 / row.factor)}"
    *shift, own = sorted(derivation.terms, key=_holds_number)
    divided = f"{words.number(own.factors[0].value)} ÷ {words.number(1 / row.factor)}"
    if row.mean is not None:
        divided = f"({words.number(own.factors[0].value)} − {bracketed(words, row.mean)}) ÷ {words.number(1 / row.factor)}"
    plus = "".join(f" + {bracketed(words, term.amount)}" for term in shift if len(term.factors) == 1)
    return root, f"{divided} × {bracketed(words, own.factors[-1].value)}{plus} = {words.number(derivation.value)}"


def _holds_number(term: Term) -> bool:
    return isinstance(term.factors[0].source, Number)


def _written(words: Words, derivation: Derivation) -> str:
    if len(derivation.terms) <= FEW:
        return " + ".join(multiplied(words, term) for term in derivation.terms)
    first = derivation.terms[:FEW]
    amounts = [bracketed(words, term.amount) if number else words.number(term.amount) for number, term in enumerate(first)]
    return " + ".join([*amounts, "…", bracketed(words, derivation.rest(first))])


def multiplied(words: Words, term: Term) -> str:
    """A term's factors with their numbers."""
    return " × ".join(bracketed(words, factor.value) if number else words.number(factor.value) for number, factor in enumerate(term.factors))


def bracketed(words: Words, value: float) -> str:
    """A number that may stand after a sign."""
    return f"({words.number(value)})" if value < 0 else words.number(value)
