"""The same numbers once more, in about ten lines of plain torch: from what the trace kept and the weights, never from a layer's own code.

The lines are written from templates here; nothing a reader typed is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from model.analysis.derivation.number import Number, Place
from model.analysis.derivation.standing import shape_of, standing
from model.analysis.derivation.wiring import Wiring
from model.config import (
    Activation,
    Alibi,
    Attention,
    ByWavelength,
    Config,
    Evenly,
    GatedMlp,
    LayerNorm,
    Learned,
    Narrow,
    Relative,
    Rotary,
    Sinusoidal,
    Tied,
    Transformed,
)
from model.layers.positions import alibi_slopes
from model.trace import Branch, Trace

_ACTIVATIONS: dict[Activation, str] = {
    "gelu_tanh": 'torch.nn.functional.gelu({}, approximate="tanh")',
    "gelu": "torch.nn.functional.gelu({})",
    "relu": "torch.relu({})",
    "silu": "torch.nn.functional.silu({})",
}


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The lines that were run; the largest difference between what they leave and the trace, and the largest number there is, both over the
    whole site and leaving out what a mask has made infinite."""

    code: str
    largest: float
    scale: float

    @property
    def relative(self) -> float:
        """The difference as a share of the largest number."""
        return self.largest / self.scale if self.scale else self.largest


@torch.no_grad()
def recompute(trace: Trace, number: Number) -> Recomputed:
    """Run the lines for everything at this number's site and hold it against the trace. Raises `Refusal` for a site the model has not."""
    shape_of(trace, number.site)
    code = lines(trace.model.config, number.site)
    room: dict[str, Any] = {"model": trace.model, "trace": trace, "ids": trace.ids.tolist()}
    room["source"] = [] if trace.source is None else trace.source.tolist()
    exec(code, room)
    again, kept = room["again"], standing(trace, number.site)
    finite = kept.isfinite()
    largest = float((again - kept)[finite].abs().max()) if bool(finite.any()) else 0.0
    same = again.shape == kept.shape and bool((again[~finite] == kept[~finite]).all())
    return Recomputed(code, largest if same else float("inf"), float(kept[finite].abs().max()) if bool(finite.any()) else 0.0)


def recipe(config: Config, number: Number) -> str:
    """The same lines for a notebook, which leave in `numbers` the whole site and the one number."""
    index = ", ".join(map(str, number.index))
    return f'{lines(config, number.site)}\nnumbers = {{"site": again.numpy(), "value": again[{index}].numpy()}}\n'


def lines(config: Config, site: str) -> str:
    """The lines for a site: given `model`, `trace`, `ids` and `source` they leave in `again` what stands there, without a batch axis."""
    place = Place.of(site, config)
    author = Author(config, Wiring(config, place.stack, place.layer), place.leaf)
    return "\n".join(["import torch", "", "weights = model.state_dict()", *author.written()])


@dataclass(frozen=True, slots=True)
class Author:
    """Writes the lines for one leaf."""

    config: Config
    wiring: Wiring
    leaf: str

    def written(self) -> Iterator[str]:
        """The lines."""
        part, _, last = self.leaf.rpartition(".")
        if part in ("attn", "cross"):
            yield from _ATTENTION[last](self, "cross" if part == "cross" else "attn")
        else:
            yield from _ELSEWHERE[self.leaf](self)

    # ------------------------------------------------------------ pieces

    def at(self, site: str) -> str:
        """A site of the trace."""
        return f'trace["{site}"]'

    def weight(self, name: str) -> str:
        """A parameter."""
        return f'weights["{name}"]'

    def linear(self, read: str, name: str, bias: bool, rows: str = "") -> str:
        """x Wᵀ + b."""
        plus = f' + {self.weight(f"{name}.bias")}{rows}' if bias else ""
        return f"{read} @ {self.weight(f'{name}.weight')}{rows}.T{plus}"

    def normed(self, name: str, *, root: bool = False, into: str = "again") -> Iterator[str]:
        """`x`, normalised over its last axis."""
        norm = self.config.norm
        if isinstance(norm, LayerNorm) and not root:
            yield "centred = x - x.mean(-1, keepdim=True)"
            yield f"{into} = centred / (centred.square().mean(-1, keepdim=True) + {norm.eps}).sqrt() * {self.weight(f'{name}.weight')}"
            if norm.bias:
                yield f"{into} = {into} + {self.weight(f'{name}.bias')}"
        else:
            yield f"{into} = x / (x.square().mean(-1, keepdim=True) + {norm.eps}).sqrt() * {self.weight(f'{name}.weight')}"

    @property
    def read_ids(self) -> str:
        """What this stack reads."""
        return "ids" if self.wiring.stack == self.config.main else "source"

    # ------------------------------------------------------------ the embedding

    def token(self) -> Iterator[str]:
        scale = f" * {self.config.width} ** 0.5" if self.config.embedding.scaled else ""
        yield f"again = {self.weight('embed.token.weight')}[{self.read_ids}]{scale}"

    def position(self) -> Iterator[str]:
        if isinstance(self.config.positions, Learned):
            spare = self.config.positions.spare
            yield f"places = torch.arange(len({self.read_ids}))" + (f" + {spare}" if spare else "")
            yield f"again = {self.weight('embed.position.weight')}[places]"
            return
        assert isinstance(self.config.positions, Sinusoidal)
        yield f'width = {self.at(f"{self.wiring.stack}.embed.sum")}.shape[1]'
        yield "waves = 10_000.0 ** (torch.arange(0, width, 2, dtype=torch.float64) / width)"
        yield f"angles = torch.arange(len({self.read_ids}), dtype=torch.float64)[:, None] / waves"
        turns = self.config.positions.order == "turns"
        joined = "torch.stack([angles.sin(), angles.cos()], -1).flatten(1)" if turns else "torch.cat([angles.sin(), angles.cos()], -1)"
        yield f"again = {joined}[:, :width].float()"

    def segment(self) -> Iterator[str]:
        yield f"again = {self.weight('embed.segment.weight')}[torch.zeros(len({self.read_ids}), dtype=torch.long)]"

    def embedded(self) -> Iterator[str]:
        embed = f"{self.wiring.stack}.embed"
        wide = isinstance(self.config.embedding.room, Narrow) and self.wiring.embedded != f"{embed}.wide"
        parts = ["wide" if wide else "token"]
        parts += ["position"] if isinstance(self.config.positions, Learned | Sinusoidal) else []
        parts += ["segment"] if self.config.embedding.segments else []
        yield f"again = {' + '.join(self.at(f'{embed}.{part}') for part in parts)}"

    def embedding_norm(self) -> Iterator[str]:
        yield f'x = {self.at(f"{self.wiring.stack}.embed.sum")}'
        yield from self.normed("embed.norm")

    def widened(self) -> Iterator[str]:
        embed = f"{self.wiring.stack}.embed"
        last = self.wiring.embedded == f"{embed}.wide"
        read = "token" if not last else "norm" if self.config.embedding.norm else "sum"
        yield f"again = {self.linear(self.at(f'{embed}.{read}'), 'embed.widen', getattr(self.config.embedding.room, 'bias', False))}"

    # ------------------------------------------------------------ the residual stream

    def received(self) -> Iterator[str]:
        yield f"again = {self.at(self.wiring.received)}"

    def added(self) -> Iterator[str]:
        if self.wiring.normed_after and self.leaf in _NORM_OF:
            yield from self.block_norm(_NORM_OF[self.leaf])
        else:
            yield f"again = {' + '.join(map(self.at, self.wiring.summed(self.leaf)))}"

    def block_norm(self, leaf: str = "") -> Iterator[str]:
        leaf = leaf or self.leaf
        yield f"x = {' + '.join(map(self.at, self._read_by(leaf)))}"
        yield from self.normed(self.wiring.weight(leaf))

    def _read_by(self, leaf: str) -> tuple[str, ...]:
        read = self.wiring.normalised(leaf)
        return self.wiring.summed(Place.of(read, self.config).leaf) if self.wiring.normed_after else (read,)

    def stack_norm(self) -> Iterator[str]:
        last = self.config.depths[self.wiring.stack] - 1
        yield f"x = {self.at(Wiring(self.config, self.wiring.stack, last).site('after'))}"
        yield from self.normed(f"{self.wiring.stack}.norm")

    # ------------------------------------------------------------ attention

    def projected(self, branch: Branch, into: str = "again") -> Iterator[str]:
        """Queries, keys or values as the matrix gives them, (heads, T, size)."""
        a, side = self.config.attention, self.leaf.rpartition(".")[2][0]
        starts = {"q": 0, "k": a.heads * a.size, "v": (a.heads + a.kv_heads) * a.size}
        count = a.heads if side == "q" else a.kv_heads
        read = self.wiring.asks(branch) if side == "q" else self.wiring.answers(branch)
        name = self.wiring.weight(f"{branch}.qkv")
        yield f"rows = slice({starts[side]}, {starts[side] + count * a.size})"
        yield f"flat = {self.linear(self.at(read), name, a.bias, '[rows]')}"
        yield f"{into} = flat.unflatten(-1, ({count}, {a.size})).transpose(0, 1)"

    def head_normed(self, branch: Branch, into: str = "again") -> Iterator[str]:
        """The same, brought to one length."""
        yield from self.projected(branch, "x")
        yield from self.normed(self.wiring.weight(f"{branch}.{self.leaf.rpartition('.')[2][0]}_norm"), root=True, into=into)

    def asked(self, branch: Branch) -> Iterator[str]:
        """Queries and keys as they meet."""
        make = self.head_normed if self.config.attention.head_norm else self.projected
        if not self.wiring.turned(branch):
            yield from make(branch)
            return
        yield from make(branch, "x")
        yield from self.turning()

    def turning(self) -> Iterator[str]:
        """`x`, turned by position."""
        positions, turned = self.config.positions, self.config.rotated
        assert isinstance(positions, Rotary)
        yield f"speed = {positions.base} ** (-torch.arange(0, {turned}, 2, dtype=torch.float32) / {turned})"
        match positions.stretch:
            case Evenly(factor=factor):
                yield f"speed = speed / {factor}"
            case ByWavelength(factor=factor, low=low, high=high, trained=trained):
                yield f"kept = (({trained} * speed / (2 * torch.pi) - {low}) / {high - low}).clamp(0, 1)"
                yield f"speed = speed * (kept + (1 - kept) / {factor})"
        yield "angle = torch.arange(x.shape[1])[:, None] * speed"
        if positions.pairing == "halves":
            yield f"a, b, rest = x.split([{turned // 2}, {turned // 2}, x.shape[-1] - {turned}], -1)"
            joined = "torch.cat([one, other], -1)"
        else:
            yield f"a, b, rest = x[..., :{turned}:2], x[..., 1:{turned}:2], x[..., {turned}:]"
            joined = "torch.stack([one, other], -1).flatten(-2)"
        yield "one, other = a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()"
        yield f"again = torch.cat([{joined}, rest], -1)"

    def scores(self, branch: Branch) -> Iterator[str]:
        """q · k / √size and what positions add."""
        a = self.config.attention
        group = f".repeat_interleave({a.heads // a.kv_heads}, 0)" if a.heads != a.kv_heads else ""
        yield f'q, k = {self.at(self.wiring.site(f"{branch}.q"))}, {self.at(self.wiring.site(f"{branch}.k"))}{group}'
        yield "again = q @ k.transpose(1, 2)" + (f" / {a.size} ** 0.5" if a.scaled else "")
        if branch == "attn":
            yield from self.distances(a)

    def distances(self, a: Attention) -> Iterator[str]:
        """What ALiBi or relative positions add to the scores."""
        positions = self.config.positions
        if isinstance(positions, Alibi | Relative):
            yield "away = torch.arange(k.shape[1]) - torch.arange(q.shape[1])[:, None]"
        if isinstance(positions, Alibi):
            yield f"again = again - torch.tensor({alibi_slopes(a.heads)})[:, None, None] * away.abs()"
        if isinstance(positions, Relative):
            yield from self.buckets(positions)

    def buckets(self, positions: Relative) -> Iterator[str]:
        """The trained number for each distance's bucket."""
        both = self.wiring.stack == "encoder"
        buckets = positions.buckets // 2 if both else positions.buckets
        near = buckets // 2
        yield "steps = away.abs()" if both else "steps = (-away).clamp_min(0)"
        yield f"share = torch.log(steps.clamp_min(1) / {near}) / torch.log(torch.tensor({positions.reach / near}))"
        yield f"far = ({near} + (share * {buckets - near}).long()).clamp_max({buckets - 1})"
        yield f"bucket = torch.where(steps < {near}, steps, far)" + (f" + {buckets} * (away > 0)" if both else "")
        yield f"again = again + {self.weight(f'{self.wiring.stack}.relative.weight')}[bucket].permute(2, 0, 1)"

    def masked(self, branch: Branch) -> Iterator[str]:
        """The scores and what a soft mask adds to them, minus infinity where a query may not look."""
        here, layer = f'"{branch}", "{self.wiring.stack}"', self.wiring.layer
        yield f"allowed, added = trace.allowed({here}, {layer}), trace.added({layer}, {here})"
        yield f'scores = {self.at(self.wiring.site(f"{branch}.scores"))}'
        yield "again = (scores if added is None else scores + added).masked_fill(~allowed, -torch.inf)"

    def pattern(self, branch: Branch) -> Iterator[str]:
        """Softmax, written out."""
        yield f'masked = {self.at(self.wiring.site(f"{branch}.masked"))}'
        yield "raised = (masked - masked.amax(-1, keepdim=True)).exp()"
        yield "again = (raised / raised.sum(-1, keepdim=True)).nan_to_num(0.0)  # a row that may look at nothing"

    def mixed(self, branch: Branch) -> Iterator[str]:
        """The values, by the pattern."""
        a = self.config.attention
        group = f".repeat_interleave({a.heads // a.kv_heads}, 0)" if a.heads != a.kv_heads else ""
        yield f'v = {self.at(self.wiring.site(f"{branch}.v"))}{group}'
        yield f'again = {self.at(self.wiring.site(f"{branch}.pattern"))} @ v'

    def by_head(self, branch: Branch) -> Iterator[str]:
        """Every head through its own slice of the matrix."""
        a = self.config.attention
        yield f'mixed = {self.at(self.wiring.site(f"{branch}.mixed"))}'
        yield f"slices = {self.weight(self.wiring.weight(f'{branch}.out.weight'))}.unflatten(1, ({a.heads}, {a.size}))"
        yield "again = torch.stack([mixed[head] @ slices[:, head].T for head in range(len(mixed))])"

    def together(self, branch: Branch) -> Iterator[str]:
        """All heads side by side through the matrix."""
        yield f'heads = {self.at(self.wiring.site(f"{branch}.mixed"))}.transpose(0, 1).flatten(1)'
        yield f"again = {self.linear('heads', self.wiring.weight(f'{branch}.out'), self.config.attention.out_bias)}"

    # ------------------------------------------------------------ the MLP and the output

    def hidden(self) -> Iterator[str]:
        name = "gate" if self.leaf == "mlp.hidden" and self.gated else "up"
        yield f"again = {self.linear(self.at(self.wiring.thinks), self.wiring.weight(f'mlp.{name}'), self.config.mlp.bias)}"

    @property
    def gated(self) -> bool:
        """Whether the MLP multiplies an activated gate."""
        return isinstance(self.config.mlp, GatedMlp)

    def activated(self) -> Iterator[str]:
        entering = self.at(self.wiring.site("mlp.hidden"))
        times = f" * {self.at(self.wiring.site('mlp.up'))}" if self.gated else ""
        yield f"again = {_ACTIVATIONS[self.config.mlp.activation].format(entering)}{times}"

    def thought(self) -> Iterator[str]:
        yield f"again = {self.linear(self.at(self.wiring.site('mlp.activated')), self.wiring.weight('mlp.down'), self.config.mlp.bias)}"

    def dense(self, into: str = "again") -> Iterator[str]:
        yield f"{into} = {self.linear(self.at(self.wiring.left), 'head.transform.dense', True)}"

    def dense_activated(self, into: str = "again") -> Iterator[str]:
        assert isinstance(self.config.readout, Transformed)
        yield from self.dense("dense")
        yield f"{into} = {_ACTIVATIONS[self.config.readout.activation].format('dense')}"

    def transformed(self) -> Iterator[str]:
        yield from self.dense_activated("x")
        yield from self.normed("head.transform.norm")

    def narrowed(self) -> Iterator[str]:
        yield f"again = {self.at(self.wiring.left)} @ {self.weight('head.narrow.weight')}.T"

    def logits(self) -> Iterator[str]:
        output = self.config.output
        scale = f" / {self.config.width} ** 0.5" if isinstance(output, Tied) and output.scaled else ""
        bias = f" + {self.weight('head.bias' if isinstance(output, Tied) else 'head.unembed.bias')}" if output.bias else ""
        yield f"again = {self.at(self.wiring.unembeds)}{scale} @ {self.weight(self.wiring.unembedding)}.T{bias}"


_NORM_OF = {"middle": "norm1", "crossed": "cross_norm", "after": "norm2"}
_ATTENTION: dict[str, Callable[[Author, Branch], Iterator[str]]] = {
    **dict.fromkeys(("v", "q_projected", "k_projected"), Author.projected),
    **dict.fromkeys(("q_normed", "k_normed"), Author.head_normed),
    **dict.fromkeys(("q", "k"), Author.asked),
    "scores": Author.scores,
    "masked": Author.masked,
    "pattern": Author.pattern,
    "mixed": Author.mixed,
    "by_head": Author.by_head,
    "out": Author.together,
}
_ELSEWHERE: dict[str, Callable[[Author], Iterator[str]]] = {
    "embed.token": Author.token,
    "embed.position": Author.position,
    "embed.segment": Author.segment,
    "embed.sum": Author.embedded,
    "embed.norm": Author.embedding_norm,
    "embed.wide": Author.widened,
    "before": Author.received,
    **dict.fromkeys(("norm1", "cross_norm", "norm2"), Author.block_norm),
    **dict.fromkeys(("middle", "crossed", "after", "sum1", "cross_sum", "sum2"), Author.added),
    "mlp.hidden": Author.hidden,
    "mlp.up": Author.hidden,
    "mlp.activated": Author.activated,
    "mlp.out": Author.thought,
    "norm": Author.stack_norm,
    "head.dense": Author.dense,
    "head.activated": Author.dense_activated,
    "head.transform": Author.transformed,
    "head.narrow": Author.narrowed,
    "logits": Author.logits,
}
