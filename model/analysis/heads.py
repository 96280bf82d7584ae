"""Which heads matter: where each one looks, and what it costs to silence it.

A head is named only by both: its attention falls where the name says, on average over a seeded set of held-out texts (`head_probes`),
and the model foretells that set's answers worse without it, beyond chance. The bounds are stated here and the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from model.analysis import head_probes
from model.analysis.head_probes import COUNTS, Link, Question, Skill, questions
from model.analysis.places import Where, places
from model.config import Config, Kind
from model.errors import Refusal
from model.layers.frame import Memory, Watch, frame, own_mask
from model.tap import Tap, ignore, under
from model.text.tokenizer import Tokenizer
from model.text.world import Dials
from model.trace import Trace
from model.transformer import Transformer

LOOKS = 0.4
"""The least mean share of its attention that a head must give to what it is named after."""
COSTS, SURE = 0.001, 3.0
"""The least that silencing it must cost: in nats an answer, and in standard errors of that mean."""

Name = Literal["previous token", "first token", "current token", "duplicate token", "induction", "agreement", "coreference"]


# ---------------------------------------------------------------- what is measured


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to look: the set it is measured on, and the links of a text of `queries` tokens there; `None` where it makes no sense."""

    name: Name
    skill: Skill
    links: Callable[[Question, Where, bool], list[Link]]


def _previous(question: Question, where: Where, _: bool) -> list[Link]:
    return [] if where.branch == "cross" else head_probes.previous(len(_read(question, where)))


def _first(question: Question, where: Where, _: bool) -> list[Link]:
    return head_probes.first(len(_read(question, where)), 0 if where.branch == "cross" else 1)


def _current(question: Question, where: Where, _: bool) -> list[Link]:
    return [] if where.branch == "cross" else head_probes.current(len(_read(question, where)))


def _duplicate(question: Question, where: Where, hides: bool) -> list[Link]:
    return [] if hides else head_probes.duplicate(question.ids)


def _asked(question: Question, where: Where, _: bool) -> list[Link]:
    return list(question.links)


MEASURES = (
    Measure("previous token", "documents", _previous),
    Measure("first token", "documents", _first),
    Measure("current token", "documents", _current),
    Measure("duplicate token", "repeats", _duplicate),
    Measure("induction", "repeats", _asked),
    Measure("agreement", "agreement", _asked),
    Measure("coreference", "coreference", _asked),
)
"""previous, first, current: the mean attention of every token but the first to the one before, to the first, to itself (across, of every
token to the source's first). duplicate: of a repeated word to its earlier occurrence; nothing where the word asked for is hidden.
induction: from the place that foretells a word of the second copy to that word in the first; in a decoder, the token after the earlier
occurrence. agreement: from the place that foretells a Portuguese adjective ("As bolas eram") to its noun, wherever it stands; in a
decoder that is mostly the token before, so read it beside the score for that. coreference: from the place that foretells a pronoun to
the name it stands for."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What silencing a head adds to the loss: nats an answer, above 0 where the model is worse without it, and the mean's standard error."""

    nats: float
    error: float

    @property
    def real(self) -> bool:
        """Whether it passes both bounds."""
        return self.nats >= max(COSTS, SURE * self.error)


@dataclass(frozen=True, slots=True)
class Head:
    """One head. `scores` (0 to 1) and `effects` of silencing it by name, only those that make sense there; no effects where nothing
    was silenced.

    Over the documents, without the first token: `distance` is the mean |query − key| in tokens (`None` across, where places do not
    compare) and `entropy` the mean entropy in nats of its attention.
    """

    where: Where
    layer: int
    head: int
    scores: Mapping[Name, float]
    effects: Mapping[Name, Effect]
    distance: float | None
    entropy: float

    @property
    def labels(self) -> tuple[Name, ...]:
        """Every name that both score and effect confirm, the highest score first."""
        passed: list[Name] = [name for name, score in self.scores.items() if score >= LOOKS and name in self.effects and self.effects[name].real]
        return tuple(sorted(passed, key=lambda name: self.scores[name], reverse=True))

    @property
    def label(self) -> Name | None:
        """The first of its names; `None` where it has none."""
        return next(iter(self.labels), None)

    @property
    def closest(self) -> Name:
        """The label, or for want of one the highest score."""
        return self.label or max(self.scores, key=self.scores.__getitem__)


# ---------------------------------------------------------------- finding them


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is, from 0 to 1, and at its end every head, in the order a pass goes through them."""

    fraction: float
    heads: tuple[Head, ...] = ()


def find(model: Transformer, tokenizer: Tokenizer, dials: Dials | None = None, counts: Mapping[Skill, int] = COUNTS) -> list[Head]:
    """Every head of every attention of a model that reads the micro-world, in the order a pass goes through them.

    Silencing is mean ablation: a head's mixed values are replaced, at every token, by their mean over the tokens of the set (Wang et al.
    2022, arXiv:2211.00593), so that what it always says stays and what it says of this text is gone. Raises `Refusal` for a context that
    no document fits.
    """
    *_, last = search(model, questions(model.config, tokenizer, dials, counts), tokenizer.pad)
    return list(last.heads)


def search(model: Transformer, sets: Mapping[Skill, Sequence[Question]], pad: int = 0) -> Generator[Progress, None, None]:
    """The same over any sets of questions, one silenced pass at a time. Raises `Refusal` where there is no document to ask about."""
    batches: dict[Skill, Batch] = {skill: batch(asked, pad) for skill, asked in sets.items() if asked}
    if "documents" not in batches:
        raise Refusal("heads.context", "no document of the micro-world fits a context of {context} tokens", context=model.config.context)
    seen: dict[Skill, Seen] = {skill: watch(model, asked) for skill, asked in batches.items()}
    costs: dict[Skill, Mapping[str, list[Effect]]] = {}
    whole, before = sum(asked.ids.numel() for asked in batches.values()), 0
    for skill, asked in batches.items():
        for done, found in effects(model, asked, seen[skill]):
            costs[skill] = found
            yield Progress(0.99 * (before + done * asked.ids.numel()) / whole)
        before += asked.ids.numel()
    yield Progress(1.0, glanced(model.config, batches, seen, costs))


def glanced(
    config: Config,
    batches: Mapping[Skill, Batch],
    seen: Mapping[Skill, Seen],
    costs: Mapping[Skill, Mapping[str, list[Effect]]] | None = None,
) -> tuple[Head, ...]:
    """Every head by what an untouched pass showed, and by what silencing it cost, where that is known."""
    return tuple(head for where in places(config).values() for head in _heads(config, where, batches, seen, costs or {}))


def glance(trace: Trace) -> tuple[Head, ...]:
    """Every head by where it looks in one text, at once: nothing is silenced, so nothing is named. A text without a repetition says nothing
    of duplicates and induction; an encoder–decoder is not asked for them."""
    config = trace.model.config
    source = () if trace.source is None else tuple(trace.source.tolist())
    ids = tuple(trace.ids.tolist())
    question = Question(ids, (), tuple(head_probes.induction(ids)) if config.main == "decoder" else (), source)
    skills = ("documents",) if source else ("documents", "repeats")
    return tuple(
        head
        for where in places(config).values()
        for layer in range(config.depths[where.stack])
        for head in _glanced(trace, where, layer, [(each.name, each.links(question, where, False)) for each in MEASURES if each.skill in skills])
    )


def _glanced(trace: Trace, where: Where, layer: int, measured: Sequence[tuple[Name, list[Link]]]) -> list[Head]:
    patterns = trace.pattern(layer, where.branch, where.stack)[None]
    real = torch.ones(1, patterns.shape[2], dtype=torch.bool)
    scores: dict[Name, list[float]] = {name: attended(patterns, [links]).tolist() for name, links in measured if links}
    distances = None if where.branch == "cross" else distance(patterns, real).tolist()
    found = enumerate(entropy(patterns, real).tolist())
    return [
        Head(where, layer, head, _of(scores, head), {}, None if distances is None else distances[head], spread)
        for head, spread in found
    ]


def _of(scores: Mapping[Name, list[float]], head: int) -> dict[Name, float]:
    return {name: score[head] for name, score in scores.items()}


def _heads(
    config: Config, where: Where, batches: Mapping[Skill, Batch], seen: Mapping[Skill, Seen], costs: Mapping[Skill, Mapping[str, list[Effect]]]
) -> list[Head]:
    found = []
    for layer in range(config.depths[where.stack]):
        site = where.site(layer, "mixed")
        scores = _scores(where, layer, batches, seen, hides=config.main == "encoder")
        pattern, real = seen["documents"].patterns[where.site(layer, "pattern")], batches["documents"].asking(where)
        distances, entropies = (None if where.branch == "cross" else distance(pattern, real)), entropy(pattern, real)
        found += [
            Head(
                where=where,
                layer=layer,
                head=head,
                scores={name: float(score[head]) for name, score in scores.items()},
                effects={each.name: costs[each.skill][site][head] for each in MEASURES if each.name in scores and each.skill in costs},
                distance=None if distances is None else float(distances[head]),
                entropy=float(entropies[head]),
            )
            for head in range(config.attention.heads)
        ]
    return found


def _scores(where: Where, layer: int, batches: Mapping[Skill, Batch], seen: Mapping[Skill, Seen], *, hides: bool) -> dict[Name, Tensor]:
    """Each measure that makes sense here, for all heads of a layer: (H,)."""
    found: dict[Name, Tensor] = {}
    for measure in MEASURES:
        if measure.skill in batches:
            links = [measure.links(question, where, hides) for question in batches[measure.skill].questions]
            if any(links):
                found[measure.name] = attended(seen[measure.skill].patterns[where.site(layer, "pattern")], links)
    return found


# ---------------------------------------------------------------- patterns to numbers


def attended(patterns: Tensor, links: Sequence[Sequence[Link]]) -> Tensor:
    """The mean, over all links of all texts, of the attention a query gives to its keys together: (N, H, T, S) and N lists to (H,)."""
    marks = patterns.new_zeros(len(links), *patterns.shape[2:])
    looked = [(text, query, key) for text, listed in enumerate(links) for query, keys in listed for key in keys]
    marks[torch.tensor(looked).unbind(1)] = 1
    return torch.einsum("nhts,nts->h", patterns, marks) / sum(map(len, links))


def distance(patterns: Tensor, real: Tensor) -> Tensor:
    """How far a head looks on average, Σ weight · |query − key| in tokens: (N, H, T, T) to (H,), over the tokens that are `real` (N, T)."""
    place = torch.arange(patterns.shape[-1], device=patterns.device)
    return _over(real, (patterns * (place[:, None] - place).abs()).sum(-1))


def entropy(patterns: Tensor, real: Tensor) -> Tensor:
    """How spread a head's attention is, −Σ weight · ln weight in nats: (N, H, T, S) to (H,), over the tokens that are `real` (N, T)."""
    return _over(real, torch.special.entr(patterns).sum(-1))


def _over(real: Tensor, values: Tensor) -> Tensor:
    """The mean of values (N, H, T) over real tokens but each text's first, which has nowhere else to look: (H,)."""
    counted = real.clone()
    counted[:, 0] = False
    return values.transpose(1, 2)[counted].mean(0)


# ---------------------------------------------------------------- silencing


def silence(site: str, head: int, stand_in: Tensor | float = 0.0) -> Tap:
    """The tap that puts `stand_in`, a number or (size,), in place of what one head mixed at every token; `site` ends in "mixed"."""

    def tap(name: str, value: Tensor) -> Tensor:
        if name != site:
            return value
        value = value.clone()
        value[:, head] = stand_in
        return value

    return tap


Parts = Sequence[tuple["Batch", Tensor, "Begun"]]


def parted(model: Transformer, asked: Batch) -> Parts:
    """A batch ready to be run many times: in parts, each with the numbers of its answers and its untouched pass."""
    return [(part, answers, begin(model, part)) for part, answers in split(asked)]


def effects(model: Transformer, asked: Batch, seen: Seen) -> Iterator[tuple[float, dict[str, list[Effect]]]]:
    """What silencing each head alone adds to the loss, by the site of its mixed values, one a head: as much of it as is done, and the
    share of the work that this is."""
    parts, found = parted(model, asked), {site: [] for site in seen.means}
    heads = [(site, head) for site, means in seen.means.items() for head in range(len(means))]
    for done, (site, head) in enumerate(heads, 1):
        found[site].append(silenced(model, parts, seen, site, head))
        yield done / len(heads), found


def silenced(model: Transformer, parts: Parts, seen: Seen, site: str, head: int) -> Effect:
    """What silencing one head alone adds to the loss of a set."""
    tap, added = silence(site, head, seen.means[site][head]), torch.empty_like(seen.losses)
    texts = torch.empty(len(added), dtype=torch.long)
    for number, (part, answers, begun) in enumerate(parts):
        added[answers] = resume(model, part, begun, site, tap) - seen.losses[answers]
        texts[answers] = part.texts + number * TOGETHER
    return effect(added, texts)


def effect(added: Tensor, texts: Tensor) -> Effect:
    """The mean of what was added to each answer's loss (A,), and its standard error. Answers of one text, `texts` (A,), move together, so
    it is their sums that count as independent (the clustered error of Liang and Zeger 1986); of one text alone, for want of others, each
    answer counts."""
    mean = added.mean()
    texts = texts if len(texts.unique()) > 1 else torch.arange(len(texts))
    sums = torch.zeros(int(texts.max()) + 1).index_add_(0, texts, added - mean)
    return Effect(mean.item(), (sums.norm() / len(added)).item())


# ---------------------------------------------------------------- running the sets


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Questions side by side: `ids` (N, T), which of them are no padding, `real` (N, T), and the same of their sources (N, S).

    Of the A answers together: the text of each and its place, (A,), and the ids that are right there, (A, most), filled up with −1.
    """

    questions: Sequence[Question]
    ids: Tensor
    real: Tensor
    source: Tensor
    source_real: Tensor
    texts: Tensor
    places: Tensor
    right: Tensor

    def asking(self, where: Where) -> Tensor:
        """Which tokens ask in this attention: (N, T) bool."""
        return self.source_real if where.stack == "encoder" and self.source.shape[1] else self.real


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What an untouched pass showed: each answer's loss in nats (A,), each map (N, H, T, S) and each head's mean mixed values (H, size), by site."""

    losses: Tensor
    patterns: Mapping[str, Tensor]
    means: Mapping[str, Tensor]


def batch(asked: Sequence[Question], pad: int) -> Batch:
    """Questions as one batch, filled up with `pad`."""
    answers = [(text, *answer) for text, question in enumerate(asked) for answer in question.answers]
    ids, sources = [question.ids for question in asked], [question.source for question in asked]
    return Batch(
        questions=asked,
        ids=_filled(ids, pad),
        real=_filled([[1] * len(row) for row in ids], 0).bool(),
        source=_filled(sources, pad),
        source_real=_filled([[1] * len(row) for row in sources], 0).bool(),
        texts=torch.tensor([text for text, _, _ in answers]),
        places=torch.tensor([place for _, place, _ in answers]),
        right=_filled([right for _, _, right in answers], -1),
    )


def watch(model: Transformer, asked: Batch) -> Seen:
    """One untouched pass: its losses, and what its heads did."""
    patterns: dict[str, Tensor] = {}
    means: dict[str, Tensor] = {}

    def record(name: str, value: Tensor) -> Tensor:
        if name.endswith(".pattern"):
            patterns[name] = value
        if name.endswith(".mixed"):
            stack = Where("encoder" if name.startswith("encoder.") else "decoder")
            means[name] = value.transpose(1, 2)[asked.asking(stack)].mean(0)
        return value

    with torch.no_grad():
        _logits(model, asked, record, Watch("pattern"))
    return Seen(losses(model, asked), patterns, means)


TOGETHER = 32
"""Texts that are run side by side, all of about one length: what is silenced is run often, and padding costs as much as text."""


def split(asked: Batch) -> list[tuple[Batch, Tensor]]:
    """A batch as smaller ones of texts of about the same length, each with the numbers of its answers in the whole."""
    lengths = asked.real.sum(1) + asked.source_real.sum(1)
    return [_part(asked, texts) for texts in lengths.argsort(stable=True).split(TOGETHER)]


def _part(asked: Batch, texts: Tensor) -> tuple[Batch, Tensor]:
    place = torch.full((len(asked.questions),), -1).index_put((texts,), torch.arange(len(texts)))
    answers = (place[asked.texts] >= 0).nonzero()[:, 0]
    wide, source = int(asked.real[texts].sum(1).max()), int(asked.source_real[texts].sum(1).max()) if asked.source.shape[1] else 0
    part = replace(
        asked,
        questions=[asked.questions[text] for text in texts.tolist()],
        ids=asked.ids[texts, :wide],
        real=asked.real[texts, :wide],
        source=asked.source[texts, :source],
        source_real=asked.source_real[texts, :source],
        texts=place[asked.texts[answers]],
        places=asked.places[answers],
        right=asked.right[answers],
    )
    return part, answers


@torch.no_grad()
def losses(model: Transformer, asked: Batch, tap: Tap = ignore) -> Tensor:
    """−log of the probability of any right id, for each answer in nats: (A,)."""
    return _answered(_logits(model, asked, tap, Watch("none"))[asked.texts, asked.places], asked)


def _answered(logits: Tensor, asked: Batch) -> Tensor:
    logs = logits.float().log_softmax(-1)
    right = logs.gather(-1, asked.right.clamp(min=0)).masked_fill(asked.right < 0, -torch.inf)
    return -right.logsumexp(-1)


def _logits(model: Transformer, asked: Batch, tap: Tap, seen: Watch) -> Tensor:
    """The logits (N, T, V), padding out of sight."""
    memory = None
    if asked.source.shape[1]:
        memory = model.encode(asked.source, mask=_sight(model, asked, "encoder"), across=_across(asked), tap=tap, watch=seen)
    return model(asked.ids, memory=memory, mask=_sight(model, asked, model.config.main), tap=tap, watch=seen)


def _sight(model: Transformer, asked: Batch, kind: Kind) -> Tensor:
    """Who may look at whom in a stack: (N, T, T) bool."""
    if kind != model.config.main:
        return asked.source_real[:, None, :].expand(-1, asked.source.shape[1], -1)
    length = asked.ids.shape[1]
    return own_mask(kind, model.config.attention.window, length, length) & asked.real[:, None, :]


def _across(asked: Batch) -> Tensor:
    """Who may look at whom in the source: (N, T, S) bool."""
    return asked.source_real[:, None, :].expand(-1, asked.ids.shape[1], -1)


# ---------------------------------------------------------------- a pass taken up in the middle


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """The residual stream as each block of an untouched pass received it, by the block's name, and what its encoder left for a decoder."""

    before: Mapping[str, Tensor]
    memory: Memory | None


@torch.no_grad()
def begin(model: Transformer, asked: Batch) -> Begun:
    """An untouched pass, kept at every block."""
    before: dict[str, Tensor] = {}
    memory: list[Memory] = []

    def record(name: str, value: Tensor) -> Tensor:
        if name.endswith(".before"):
            before[name.removesuffix(".before")] = value
        if name == "encoder.norm" or name.endswith(f"encoder.blocks.{model.config.depths.get('encoder', 0) - 1}.after"):
            memory[:] = [Memory(value, _across(asked))]
        return value

    _logits(model, asked, record, Watch("none"))
    return Begun(before, memory[0] if asked.source.shape[1] else None)


@torch.no_grad()
def resume(model: Transformer, asked: Batch, begun: Begun, site: str, tap: Tap) -> Tensor:
    """`losses` under a tap that changes nothing before the block of `site`, from that block on: (A,)."""
    kind, first, main = site.split(".")[0], int(site.split(".")[2]), model.config.main
    memory = begun.memory
    if kind != main:
        memory = Memory(_upward(model, asked, "encoder", first, begun.before[f"encoder.blocks.{first}"], None, tap), _across(asked))
        first = 0
    x = _upward(model, asked, main, first, begun.before[f"{main}.blocks.{first}"], memory, tap)
    return _answered(model.head(x[asked.texts, asked.places][None], model.embed.token.weight)[0], asked)


def _upward(model: Transformer, asked: Batch, kind: Kind, first: int, x: Tensor, memory: Memory | None, tap: Tap) -> Tensor:
    """A stack's residual stream from its block `first` to its top: (N, T, width)."""
    stack, length = model.stack(kind), x.shape[1]
    seen = frame(model.config, kind, length, x, Watch("none"), mask=_sight(model, asked, kind), bias=stack.bias(length, length, x), memory=memory)
    for layer in range(first, stack.depth):
        x = stack.blocks[layer % len(stack.blocks)](x, seen, layer, under(f"{kind}.blocks.{layer}", tap))
    return x if stack.norm is None else stack.norm(x)


def _read(question: Question, where: Where) -> Sequence[int]:
    """The ids that ask in this attention."""
    return question.source if where.stack == "encoder" and question.source else question.ids


def _filled(rows: Sequence[Sequence[int]], blank: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[blank] * (longest - len(row))] for row in rows], dtype=torch.long).view(len(rows), longest)
