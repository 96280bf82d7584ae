"""How every site is derived: one rule a leaf, each matching on what the configuration holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from model.analysis.derivation.layout import layout
from model.analysis.derivation.number import Number, Place
from model.analysis.derivation.reading import Activated, Closing, Constant, Derivation, Factor, Named, Share, Statistics, Term, Total, Weight
from model.analysis.derivation.standing import biases, may_look, softly, standing, value, vector
from model.analysis.derivation.wiring import SUMS, Wiring
from model.config import Alibi, LayerNorm, Learned, Relative, Rotary, Tied, Transformed
from model.layers.positions import RelativeBias, alibi_slopes, bucket, rotation
from model.trace import Branch, Trace


@dataclass(frozen=True, slots=True)
class Made:
    """What a rule found: the terms in any order, and what makes the value of their sum."""

    terms: list[Term]
    closing: Closing
    statistics: Statistics | None = None


@torch.no_grad()
def derive(trace: Trace, number: Number) -> Derivation:
    """What this number was made from. Raises `Refusal` where this model has no such site, or this text no such place in it."""
    found = value(trace, number)
    place = Place.of(number.site, trace.model.config)
    bench = Bench(trace, Wiring(trace.model.config, place.stack, place.layer), place.leaf, number.index)
    made = RULES[place.leaf](bench)
    terms = sorted(made.terms, key=lambda term: -abs(term.amount))
    return Derivation(number, found, tuple(terms), made.closing, made.statistics)


# ---------------------------------------------------------------- the bench


@dataclass(frozen=True, slots=True)
class Bench:
    """Where one number is taken apart: the trace, the layer's wiring, the leaf and the index in it."""

    trace: Trace
    wiring: Wiring
    leaf: str
    index: tuple[int, ...]

    @property
    def branch(self) -> Branch:
        """Which attention the leaf belongs to."""
        return "cross" if self.leaf.startswith("cross.") else "attn"

    def parameter(self, name: str) -> Tensor | None:
        """A weight of the model by its name; `None` where it has none such."""
        owner, _, own = name.rpartition(".")
        try:
            return getattr(self.trace.model.get_submodule(owner), own, None)
        except AttributeError:
            return None

    def number(self, site: str, *index: int) -> Factor:
        """A number of this pass."""
        here = Number(site, index)
        return Factor(value(self.trace, here), here)

    def weight(self, name: str, *index: int) -> Factor:
        """A number of a parameter."""
        return Factor(float(self.trace.model.get_parameter(name)[index]), Weight(name, index))

    def row(self, site: str, *index: int) -> list[Factor]:
        """The last axis of a site."""
        return [Factor(each, Number(site, (*index, i))) for i, each in enumerate(vector(self.trace, site, *index).tolist())]

    def column(self, site: str, first: int, last: int) -> list[Factor]:
        """The middle axis of a site of three."""
        return [Factor(each, Number(site, (first, i, last))) for i, each in enumerate(standing(self.trace, site)[first, :, last].tolist())]

    def weights(self, name: str, row: int, start: int = 0, size: int | None = None) -> list[Factor]:
        """A row of a matrix, or `size` of its numbers from `start` on."""
        found = self.trace.model.get_parameter(name)[row]
        chosen = found[start : None if size is None else start + size].tolist()
        return [Factor(each, Weight(name, (row, start + i))) for i, each in enumerate(chosen)]

    def linear(self, site: str, index: tuple[int, ...], name: str, row: int) -> list[Term]:
        """Σ x · w, and the bias where there is one; `name` is the matrix without its ending."""
        terms = products(self.row(site, *index), self.weights(f"{name}.weight", row))
        return terms if self.parameter(f"{name}.bias") is None else [*terms, product(self.weight(f"{name}.bias", row))]

    def norm(self, site: str, name: str, *, root: bool | None = None) -> Made:
        """A row brought to one size, times a trained gain and plus a trained bias where there are such."""
        *where, at = self.index
        row, own = vector(self.trace, site, *where).double(), self.number(site, *self.index)
        eps, mean = self.wiring.config.norm.eps, None
        if isinstance(self.wiring.config.norm, LayerNorm) and not root:
            mean = float(row.mean())
        statistics = Statistics(len(row), mean, float((row - (mean or 0.0)).square().mean()), eps)
        size = constant("one_over_rms" if mean is None else "one_over_deviation", statistics.factor)
        gain = self.weight(f"{name}.weight", at)
        terms = [product(own, size, gain)]
        if mean is not None:
            terms.append(product(constant("minus_mean", -mean), size, gain))
        if self.parameter(f"{name}.bias") is not None:
            terms.append(product(self.weight(f"{name}.bias", at)))
        return Made(terms, Total("norm"), statistics)


def constant(name: Named, given: float) -> Factor:
    """A number that is no site's and no weight's."""
    return Factor(given, Constant(name))


def product(*factors: Factor) -> Term:
    """One term: its factors multiplied."""
    return Term(math.prod(factor.value for factor in factors), factors)


def products(*rows: Iterable[Factor]) -> list[Term]:
    """Term by term."""
    return [product(*factors) for factors in zip(*rows, strict=True)]


# ---------------------------------------------------------------- the embedding


def token(bench: Bench) -> Made:
    """The token's own row of the table, times √width where the configuration says so."""
    at, dimension = bench.index
    config, trace = bench.wiring.config, bench.trace
    ids = trace.ids if bench.wiring.stack == config.main or trace.source is None else trace.source
    scale = [constant("root_width", math.sqrt(config.width))] if config.embedding.scaled else []
    return Made([product(bench.weight("embed.token.weight", int(ids[at]), dimension), *scale)], Total("lookup"))


def position(bench: Bench) -> Made:
    """The position's row of its table, or a wave."""
    at, dimension = bench.index
    positions = bench.wiring.config.positions
    if isinstance(positions, Learned):
        return Made([product(bench.weight("embed.position.weight", at + positions.spare, dimension))], Total("lookup"))
    wave = float(standing(bench.trace, f"{bench.wiring.stack}.embed.position")[at, dimension])
    return Made([product(constant("wave", wave))], Total("lookup"))


def segment(bench: Bench) -> Made:
    """The row of the text's only segment."""
    return Made([product(bench.weight("embed.segment.weight", 0, bench.index[-1]))], Total("lookup"))


def embedded(bench: Bench) -> Made:
    """Token, position and segment added, as far as there are such."""
    embed, config = f"{bench.wiring.stack}.embed", bench.wiring.config
    wide = bench.parameter("embed.widen.weight") is not None and bench.wiring.embedded != f"{embed}.wide"
    parts = ["wide" if wide else "token"]
    parts += [part for part in ("position", "segment") if f"{embed}.{part}" in layout(config)]
    return Made([product(bench.number(f"{embed}.{part}", *bench.index)) for part in parts], Total("sum"))


def widened(bench: Bench) -> Made:
    """A narrow token's vector through the matrix that widens it."""
    embed = f"{bench.wiring.stack}.embed"
    last = bench.wiring.embedded == f"{embed}.wide"
    read = "token" if not last else "norm" if bench.wiring.config.embedding.norm else "sum"
    at, dimension = bench.index
    return Made(bench.linear(f"{embed}.{read}", (at,), "embed.widen", dimension), Total("dot"))


# ---------------------------------------------------------------- the residual stream


def received(bench: Bench) -> Made:
    """What the layer below left, or the embedding."""
    return copy(bench, bench.wiring.received)


def copy(bench: Bench, site: str) -> Made:
    """The same number under another name."""
    return Made([product(bench.number(site, *bench.index))], Total("copy"))


def added(bench: Bench) -> Made:
    """The stream and what a branch writes to it; where norms stand after the sums, what the norm left."""
    normed = {"middle": "norm1", "crossed": "cross_norm", "after": "norm2"}
    if bench.wiring.normed_after and bench.leaf in normed:
        return copy(bench, bench.wiring.site(normed[bench.leaf]))
    return Made([product(bench.number(site, *bench.index)) for site in bench.wiring.summed(bench.leaf)], Total("sum"))


def block_norm(bench: Bench) -> Made:
    """One of a block's norms."""
    return bench.norm(bench.wiring.normalised(bench.leaf), bench.wiring.weight(bench.leaf))


def stack_norm(bench: Bench) -> Made:
    """The norm at the end of a stack."""
    last = bench.wiring.config.depths[bench.wiring.stack] - 1
    return bench.norm(Wiring(bench.wiring.config, bench.wiring.stack, last).site("after"), f"{bench.wiring.stack}.norm")


# ---------------------------------------------------------------- attention


def projected(bench: Bench) -> Made:
    """Queries, keys or values: a row of the one matrix that makes all three."""
    head, at, dimension = bench.index
    a, side = bench.wiring.config.attention, bench.leaf.rpartition(".")[2][0]
    first = {"q": 0, "k": a.heads, "v": a.heads + a.kv_heads}[side]
    read = bench.wiring.asks(bench.branch) if side == "q" else bench.wiring.answers(bench.branch)
    name = bench.wiring.weight(f"{bench.branch}.qkv")
    return Made(bench.linear(read, (at,), name, (first + head) * a.size + dimension), Total("dot"))


def head_normed(bench: Bench) -> Made:
    """A query or key brought to one length."""
    side = bench.leaf.rpartition(".")[2][0]
    return bench.norm(bench.wiring.site(f"{bench.branch}.{side}_projected"), bench.wiring.weight(f"{bench.branch}.{side}_norm"), root=True)


def asked(bench: Bench) -> Made:
    """A query or key as it meets the others: turned by its position, brought to one length, or as the matrix made it."""
    if bench.wiring.turned(bench.branch):
        return turned(bench)
    return head_normed(bench) if bench.wiring.config.attention.head_norm else projected(bench)


def turned(bench: Bench) -> Made:
    """Two numbers of a pair, turned by the position's angle; those beyond the turned share stay as they are."""
    head, at, dimension = bench.index
    config = bench.wiring.config
    assert isinstance(config.positions, Rotary)
    site, count = bench.wiring.before_turning(bench.branch, bench.leaf[-1]), config.rotated
    if dimension >= count:
        return copy(bench, site)
    halves = config.positions.pairing == "halves"
    pair, second = (dimension % (count // 2), dimension >= count // 2) if halves else (dimension // 2, bool(dimension % 2))
    partner = (dimension + count // 2) % count if halves else dimension ^ 1
    cos, sin = rotation(config.positions, count, max(config.context, at + 1), bench.trace.logits.device)
    other = constant("sin", float(sin[at, pair])) if second else constant("minus_sin", -float(sin[at, pair]))
    own = product(bench.number(site, *bench.index), constant("cos", float(cos[at, pair])))
    return Made([own, product(bench.number(site, head, at, partner), other)], Total("rotation"))


def scores(bench: Bench) -> Made:
    """q · k / √size, plus what positions add."""
    head, query, key = bench.index
    a, wiring = bench.wiring.config.attention, bench.wiring
    asking = bench.row(wiring.site(f"{bench.branch}.q"), head, query)
    answering = bench.row(wiring.site(f"{bench.branch}.k"), head * a.kv_heads // a.heads, key)
    root = [[constant("one_over_root", 1 / math.sqrt(a.size))] * a.size] if a.scaled else []
    return Made([*products(asking, answering, *root), *distance(bench)], Total("scores"))


def distance(bench: Bench) -> list[Term]:
    """What ALiBi or relative positions add to one score."""
    head, query, key = bench.index
    wiring, positions = bench.wiring, bench.wiring.config.positions
    if biases(bench.trace, wiring.stack, bench.branch) is None:
        return []
    if isinstance(positions, Alibi):
        slope = alibi_slopes(wiring.config.attention.heads)[head]
        return [product(constant("minus_slope", -slope), constant("distance", abs(query - key)))]
    assert isinstance(positions, Relative)
    both_ways = isinstance(relative := bench.trace.model.stack(wiring.stack).relative, RelativeBias) and relative.both_ways
    return [product(bench.weight(f"{wiring.stack}.relative.weight", int(bucket(torch.tensor(key - query), positions, both_ways)), head))]


def masked(bench: Bench) -> Made:
    """The score, what a soft mask adds to it, and 0 where the query may look, minus infinity where not."""
    head, query, key = bench.index
    place = Place(bench.wiring.stack, bench.wiring.layer, bench.leaf)
    added = softly(bench.trace, place, bench.branch)
    soft = [] if added is None else [product(constant("soft", float(added[head, query, key])))]
    allowed = bool(may_look(bench.trace, place, bench.branch, head)[query, key])
    mask = constant("allowed", 0.0) if allowed else constant("forbidden", -math.inf)
    return Made([product(bench.number(bench.wiring.site(f"{bench.branch}.scores"), *bench.index)), *soft, product(mask)], Total("mask"))


def pattern(bench: Bench) -> Made:
    """The share of one exponential among those of its row."""
    head, query, key = bench.index
    row = bench.row(bench.wiring.site(f"{bench.branch}.masked"), head, query)
    peak = max(factor.value for factor in row)
    raised = [math.exp(factor.value - peak) if math.isfinite(peak) else 0.0 for factor in row]
    terms = [Term(amount, (factor,)) for amount, factor in zip(raised, row, strict=True)]
    return Made(terms, Share(raised[key], peak, row[key].value))


def mixed(bench: Bench) -> Made:
    """Every key's value, by how much the query looks at it."""
    head, query, dimension = bench.index
    a = bench.wiring.config.attention
    shares = bench.row(bench.wiring.site(f"{bench.branch}.pattern"), head, query)
    values = bench.column(bench.wiring.site(f"{bench.branch}.v"), head * a.kv_heads // a.heads, dimension)
    return Made(products(shares, values), Total("mix"))


def by_head(bench: Bench) -> Made:
    """One head's values through its part of the output matrix."""
    head, at, dimension = bench.index
    size, name = bench.wiring.config.attention.size, bench.wiring.weight(f"{bench.branch}.out.weight")
    own = bench.row(bench.wiring.site(f"{bench.branch}.mixed"), head, at)
    return Made(products(own, bench.weights(name, dimension, head * size, size)), Total("dot"))


def together(bench: Bench) -> Made:
    """All heads, and the output's bias where there is one."""
    site, name = bench.wiring.site(f"{bench.branch}.by_head"), bench.wiring.weight(f"{bench.branch}.out.bias")
    heads = standing(bench.trace, site)[:, bench.index[0], bench.index[1]].tolist()
    terms = [product(Factor(each, Number(site, (head, *bench.index)))) for head, each in enumerate(heads)]
    bias = [] if bench.parameter(name) is None else [product(bench.weight(name, bench.index[-1]))]
    return Made([*terms, *bias], Total("sum"))


# ---------------------------------------------------------------- the MLP and the output


def hidden(bench: Bench) -> Made:
    """What enters the activation: the gate's matrix where there is one, else the one that leads up."""
    gated = bench.leaf == "mlp.hidden" and bench.parameter(bench.wiring.weight("mlp.gate.weight")) is not None
    at, dimension = bench.index
    return Made(bench.linear(bench.wiring.thinks, (at,), bench.wiring.weight("mlp.gate" if gated else "mlp.up"), dimension), Total("dot"))


def activated(bench: Bench) -> Made:
    """The activation of one number, times what its gate lets through."""
    gated = bench.parameter(bench.wiring.weight("mlp.gate.weight")) is not None
    gate = bench.number(bench.wiring.site("mlp.up"), *bench.index) if gated else None
    entering = product(bench.number(bench.wiring.site("mlp.hidden"), *bench.index))
    return Made([entering], Activated(bench.wiring.config.mlp.activation, gate))


def thought(bench: Bench) -> Made:
    """The way back down."""
    at, dimension = bench.index
    return Made(bench.linear(bench.wiring.site("mlp.activated"), (at,), bench.wiring.weight("mlp.down"), dimension), Total("dot"))


def dense(bench: Bench) -> Made:
    """The output's own matrix."""
    at, dimension = bench.index
    return Made(bench.linear(bench.wiring.left, (at,), "head.transform.dense", dimension), Total("dot"))


def dense_activated(bench: Bench) -> Made:
    """Its activation."""
    readout = bench.wiring.config.readout
    assert isinstance(readout, Transformed)
    return Made([product(bench.number("head.dense", *bench.index))], Activated(readout.activation))


def narrowed(bench: Bench) -> Made:
    """The residual stream narrowed to a token's vector."""
    at, dimension = bench.index
    return Made(bench.linear(bench.wiring.left, (at,), "head.narrow", dimension), Total("dot"))


def logits(bench: Bench) -> Made:
    """What the last matrix reads, against a token's row in it."""
    at, word = bench.index
    output, config = bench.wiring.config.output, bench.wiring.config
    read, rows = bench.row(bench.wiring.unembeds, at), bench.weights(bench.wiring.unembedding, word)
    scaled = isinstance(output, Tied) and output.scaled
    root = [[constant("one_over_root_width", 1 / math.sqrt(config.width))] * len(read)] if scaled else []
    name = "head.bias" if isinstance(output, Tied) else "head.unembed.bias"
    bias = [] if bench.parameter(name) is None else [product(bench.weight(name, word))]
    return Made([*products(read, rows, *root), *bias], Total("dot"))


_ATTENTION: dict[str, Callable[[Bench], Made]] = {
    "q_projected": projected,
    "k_projected": projected,
    "q_normed": head_normed,
    "k_normed": head_normed,
    "q": asked,
    "k": asked,
    "v": projected,
    "scores": scores,
    "masked": masked,
    "pattern": pattern,
    "mixed": mixed,
    "by_head": by_head,
    "out": together,
}
RULES: dict[str, Callable[[Bench], Made]] = {
    "embed.token": token,
    "embed.position": position,
    "embed.segment": segment,
    "embed.sum": embedded,
    "embed.norm": lambda bench: bench.norm(f"{bench.wiring.stack}.embed.sum", "embed.norm"),
    "embed.wide": widened,
    "before": received,
    **dict.fromkeys(SUMS, block_norm),
    **dict.fromkeys(("middle", "crossed", "after", *SUMS.values()), added),
    **{f"{branch}.{leaf}": rule for branch in ("attn", "cross") for leaf, rule in _ATTENTION.items()},
    "mlp.hidden": hidden,
    "mlp.up": hidden,
    "mlp.activated": activated,
    "mlp.out": thought,
    "norm": stack_norm,
    "head.dense": dense,
    "head.activated": dense_activated,
    "head.transform": lambda bench: bench.norm("head.activated", "head.transform.norm"),
    "head.narrow": narrowed,
    "logits": logits,
}
"""One rule for every leaf that any configuration has."""
