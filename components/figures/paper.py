"""One or two sizes weighed on paper: what `model.cost` computes, as pictures, readings and tables. Every number here is a function's."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from components.figures import sheet, weighing
from components.figures.sheet import Figure, Known, Pile, Slice, Stretch
from components.i18n import Words
from components.theme import DIVERGING, PAIR, SEQUENTIAL, colour
from model.analysis.speed import Measured
from model.config import Config
from model.cost import bytes_by_precision, cache_bytes, cache_bytes_per_token, forward_flops, parameters, parts
from model.cost.hardware import ACCELERATORS, Accelerator, Listed
from model.cost.paper import Assumptions, Energy, Load, Pace, Run, best_size, energy, pace, to_serve, to_train, training
from model.cost.published import CLAIMS, Claim, Rumour
from model.cost.scale import SYNAPSES, YEAR, Pictured, pictured
from model.families import find

COLOURS = {
    "weights": colour(SEQUENTIAL, 0.80),
    "cache": colour(DIVERGING, 0.20),
    "gradients": colour(SEQUENTIAL, 0.62),
    "master": colour(SEQUENTIAL, 0.93),
    "moments": colour(SEQUENTIAL, 0.46),
    "activations": colour(DIVERGING, 0.20),
}
EARTH = 40_075
"""Kilometres once round the equator (WGS 84)."""


@dataclass(frozen=True)
class Subject:
    """A size on the scales, with everything that is computed of it under one set of assumptions."""

    name: str
    config: Config
    assumed: Assumptions

    @cached_property
    def parameters(self) -> int:
        """How many numbers it learns."""
        return parameters(self.config)

    @cached_property
    def serving(self) -> Load:
        """What it takes to serve it."""
        return to_serve(self.config, self.assumed.serving)

    @cached_property
    def pace(self) -> Pace | None:
        """How fast it writes on as many machines as it needs; an encoder writes nothing."""
        if self.config.main == "encoder":
            return None
        hardware = self.assumed.hardware
        return pace(self.config, self.assumed.serving, hardware.accelerator, self.serving.machines(hardware))

    @cached_property
    def states(self) -> Load:
        """What it takes to train it."""
        return to_train(self.config, self.assumed.training)

    @cached_property
    def run(self) -> Run:
        """The training run."""
        return training(self.config, self.assumed.training, self.assumed.hardware.accelerator)

    @cached_property
    def energy(self) -> Energy:
        """What the run draws."""
        return energy(self.run.accelerator_seconds, self.assumed.hardware.accelerator, self.assumed.power)

    @cached_property
    def pictured(self) -> Pictured:
        """Its size at human scale."""
        stored = bytes_by_precision(self.config)[self.assumed.serving.weights]
        return pictured(self.parameters, stored, self.run.tokens, self.assumed.scale)

    def seconds_on(self, machine: Accelerator) -> float:
        """The same run on one such machine."""
        return training(self.config, replace(self.assumed.training, count=1), machine).seconds


def machine(words: Words, assumed: Assumptions) -> str:
    """The assumed machine's name."""
    return assumed.hardware.accelerator.title or words("paper.machine.own")


def _named(subjects: Sequence[Subject], subject: Subject) -> str:
    """A subject's name where there are two."""
    return f"{subject.name}: " if len(subjects) > 1 else ""


# ---------------------------------------------------------------- the first picture: size, memory, time


def first(words: Words, subjects: Sequence[Subject], measured: Measured | None) -> str:
    """What a room must see first: how many parameters, how many machines hold them, how long they train."""
    sums = [weighing.by_group(subject.config) for subject in subjects]
    widest = max(sum(groups.values()) for groups in sums)
    strips = [f'<div class="v-bar">{weighing.strip(words, groups, widest)}</div>' for groups in sums]
    piles = [pile(words, subject.serving, subject.assumed) for subject in subjects]
    spans = [stretches(words, subject, measured) for subject in subjects]
    reach = sheet.reach([stretch for each in spans for stretch in each], sheet.TIMES)
    rules = [sheet.rule(words, each, sheet.TIMES, reach) for each in spans]
    size = _section(words, "size", subjects, [_told_size(words, subject) for subject in subjects], strips, weighing.keys(words, sums))
    memory = _section(
        words, "memory", subjects, [_told_memory(words, s, s.serving) for s in subjects], filled(words, piles), sheet.slices(words, piles)
    )
    time = _section(words, "time", subjects, [_told_time(words, subject) for subject in subjects], rules)
    return f'<div class="v-plate v-paper">{size}{memory}{time}</div>'


def _section(words: Words, name: str, subjects: Sequence[Subject], told: Sequence[tuple[str, str]], drawn: Sequence[str], keys: str = "") -> str:
    """A row for each size: its name where there are two, the number, what it is, the picture; below the last one what its colours are."""
    title = html.escape(words(f"paper.first.{name}"))
    rows = ""
    for subject, (value, what), picture in zip(subjects, told, drawn, strict=True):
        head = f"{title} · {html.escape(subject.name)}" if len(subjects) > 1 else title
        below = keys if subject is subjects[-1] else ""
        rows += f"<div><p><em>{head}</em><b>{html.escape(value)}</b><span>{html.escape(what)}</span></p><div>{picture}{below}</div></div>"
    return f"<section>{rows}</section>"


def _told_size(words: Words, subject: Subject) -> tuple[str, str]:
    return words.count(subject.parameters), words("paper.first.parameters")


def _told_memory(words: Words, subject: Subject, load: Load) -> tuple[str, str]:
    count = words.number(load.machines(subject.assumed.hardware), 0)
    return words.bytes(load.total), words("paper.first.machines", count=count, machine=machine(words, subject.assumed))


def _told_time(words: Words, subject: Subject) -> tuple[str, str]:
    count = words.number(subject.assumed.training.count, 0)
    return sheet.span(words, subject.run.seconds), words("paper.first.machines", count=count, machine=machine(words, subject.assumed))


def pile(words: Words, load: Load, assumed: Assumptions) -> Pile:
    """A load as it is laid into machines."""
    slices = (Slice(words(f"paper.load.{name}"), COLOURS[name], size) for name, size in load.bytes.items())
    return Pile(tuple(slices), assumed.hardware.accelerator.memory, assumed.hardware.room)


def filled(words: Words, piles: Sequence[Pile]) -> list[str]:
    """The machines each pile fills, all boxes of one size; what a box stands for is said where it is more than one machine."""
    each = max(sheet.grouped(pile.machines) for pile in piles)
    most = max(math.ceil(pile.machines / each) for pile in piles)
    note = f'<p class="v-scale">{html.escape(words("paper.first.each", each=words.number(each, 0)))}</p>' if each > 1 else ""
    return [sheet.boxes(words, pile, each, most) + note for pile in piles]


def stretches(words: Words, subject: Subject, measured: Measured | None) -> list[Stretch]:
    """The run on the machines assumed, on one of them, on a laptop, and at the speed this machine was measured at."""
    assumed, name = subject.assumed, machine(words, subject.assumed)
    found = [_taken(words, words("paper.time.on", count=words.number(assumed.training.count, 0), machine=name), subject.run.seconds, PAIR[0])]
    if assumed.training.count > 1:
        found.append(_taken(words, words("paper.time.on_one", machine=name), subject.run.accelerator_seconds, colour(SEQUENTIAL, 0.6)))
    if assumed.hardware.machine != Listed(model="laptop"):
        found.append(_taken(words, words("paper.time.laptop"), subject.seconds_on(ACCELERATORS["laptop"]), colour(SEQUENTIAL, 0.45)))
    if measured is not None:
        here = _taken(words, words("paper.time.here"), subject.run.flops / measured.flops_per_second, PAIR[1])
        found.append(replace(here, known=("computed", "measured")))
    return found


def _taken(words: Words, name: str, seconds: float, colour: str) -> Stretch:
    return Stretch(name, seconds, sheet.span(words, seconds), colour)


def first_reading(words: Words, subjects: Sequence[Subject]) -> str:
    """The first picture in a sentence for each size."""
    return " ".join(_first(words, subjects, subject) for subject in subjects)


def _first(words: Words, subjects: Sequence[Subject], subject: Subject) -> str:
    serving, cached = subject.assumed.serving, subject.serving.bytes["cache"] > 0
    return _named(subjects, subject) + words(
        "paper.first.reading" if cached else "paper.first.reading_uncached",
        parameters=words.count(subject.parameters),
        precision=words(f"paper.assume.serving.options.{serving.weights}.name"),
        weights=words.bytes(subject.serving.bytes["weights"]),
        cache=words.bytes(subject.serving.bytes["cache"]),
        count=words.number(subject.serving.machines(subject.assumed.hardware), 0),
        machine=machine(words, subject.assumed),
        trained=words.number(subject.assumed.training.count, 0),
        tokens=words.count(subject.run.tokens),
        time=sheet.span(words, subject.run.seconds),
    )


# ---------------------------------------------------------------- at work


def pace_figures(words: Words, subject: Subject) -> list[Figure]:
    """How fast the model writes at best, and what holds it back."""
    config, serving, found = subject.config, subject.assumed.serving, subject.pace
    growth = cache_bytes_per_token(config, serving.cache)
    if found is None:
        return [Figure(words.bytes(growth), words("paper.serve.growth"), words("paper.serve.encoder"))]
    bound = words(f"paper.serve.{found.bound}")
    return [
        Figure(words.number(found.tokens_per_second, 0 if found.tokens_per_second >= 10 else 1), words("paper.serve.speed"), bound),
        Figure(sheet.span(words, found.first), words("paper.serve.wait"), words("paper.serve.prompt", count=words.number(serving.context, 0))),
        Figure(words.bytes(growth), words("paper.serve.growth"), words("paper.serve.heads", count=config.attention.kv_heads)),
        Figure(_part(words, subject.serving, "cache"), words("paper.serve.share")),
    ]


def _part(words: Words, load: Load, name: str) -> str:
    return words.percent(load.bytes[name] / load.total)


def serve_reading(words: Words, subjects: Sequence[Subject]) -> str:
    """What the cache is beside the weights, in a sentence for each size; and a warning for a text longer than a model's context."""
    told = [_named(subjects, subject) + _served(words, subject) for subject in subjects]
    return " ".join(told)


def _served(words: Words, subject: Subject) -> str:
    serving, config = subject.assumed.serving, subject.config
    if config.main == "encoder":
        return words("paper.serve.reading_uncached")
    sentence = words(
        "paper.serve.reading",
        batch=words.number(serving.batch, 0),
        context=words.number(serving.context, 0),
        cache=words.bytes(subject.serving.bytes["cache"]),
        share=words.percent(subject.serving.bytes["cache"] / subject.serving.bytes["weights"]),
    )
    if serving.context <= config.context:
        return sentence
    return f"{sentence} {words('paper.serve.beyond', context=words.number(config.context, 0))}"


# ---------------------------------------------------------------- training


def training_picture(words: Words, subjects: Sequence[Subject]) -> str:
    """What must be held while training, laid into the same machines."""
    piles = [pile(words, subject.states, subject.assumed) for subject in subjects]
    told = [_told_memory(words, subject, subject.states) for subject in subjects]
    return f'<div class="v-plate v-paper">{_section(words, "states", subjects, told, filled(words, piles), sheet.slices(words, piles))}</div>'


def training_figures(words: Words, subject: Subject) -> list[Figure]:
    """Tokens, FLOPs, time; and how well the compute is spent."""
    run, assumed = subject.run, subject.assumed.training
    ratio = run.tokens / subject.parameters
    return [
        Figure(words.count(run.tokens), words("paper.train.tokens"), words("paper.train.ratio", ratio=words.number(ratio, 1))),
        Figure(
            sheet.scientific(words, run.flops),
            words("paper.train.flops"),
            words(f"paper.train.rule_{len(subject.config.depths)}", rule=sheet.scientific(words, run.rule)),
        ),
        Figure(words.count(run.accelerator_hours), words("paper.train.hours"), words("paper.train.mfu", mfu=words.percent(assumed.mfu, 0))),
        Figure(words.count(best_size(run.rule)), words("paper.train.best"), words("paper.train.best_why")),
    ]


def training_reading(words: Words, subjects: Sequence[Subject]) -> str:
    """A sentence for each size."""
    return " ".join(
        _named(subjects, subject)
        + words(
            "paper.train.reading",
            each=words.number(subject.states.total / subject.parameters, 1),
            total=words.bytes(subject.states.total),
            times=words.number(subject.states.total / subject.serving.bytes["weights"], 1),
            time=sheet.span(words, subject.run.seconds),
            count=words.number(subject.assumed.training.count, 0),
            machine=machine(words, subject.assumed),
        )
        for subject in subjects
    )


# ---------------------------------------------------------------- energy and scale


def energy_figures(words: Words, subject: Subject) -> list[Figure]:
    """What the run draws, and what else would."""
    found = subject.energy
    round_the_world = words("paper.energy.earth", times=sheet.amount(words, found.electric_kilometres / EARTH))
    return [
        Figure(sheet.kilowatt_hours(words, found.kilowatt_hours), words("paper.energy.drawn")),
        Figure(sheet.amount(words, found.household_years), words("paper.energy.households")),
        Figure(f"{sheet.amount(words, found.electric_kilometres)}\u00a0km", words("paper.energy.electric"), round_the_world),
        Figure(sheet.tonnes(words, found.kilograms), words("paper.energy.carbon")),
        Figure(f"{sheet.amount(words, found.petrol_kilometres)}\u00a0km", words("paper.energy.petrol")),
    ]


def energy_reading(words: Words, subjects: Sequence[Subject]) -> str:
    """A sentence for each size."""
    return " ".join(
        _named(subjects, subject)
        + words(
            "paper.energy.reading",
            energy=sheet.kilowatt_hours(words, subject.energy.kilowatt_hours),
            homes=sheet.amount(words, subject.energy.household_years),
            carbon=sheet.tonnes(words, subject.energy.kilograms),
        )
        for subject in subjects
    )


def scale_figures(words: Words, subject: Subject) -> list[Figure]:
    """The size as things a person can picture."""
    seen, scale = subject.pictured, subject.assumed.scale
    shelf = words("paper.scale.shelf", metres=sheet.amount(words, seen.shelf_metres))
    reading = words("paper.scale.reading_time", time=sheet.span(words, seen.reading_years * YEAR), speed=scale.reading)
    precision = words(f"paper.assume.serving.options.{subject.assumed.serving.weights}.name")
    return [
        Figure(sheet.span(words, seen.counting_years * YEAR), words("paper.scale.counting")),
        Figure(sheet.amount(words, seen.books), words("paper.scale.books"), shelf),
        Figure(words.count(math.ceil(seen.discs)), words("paper.scale.discs", size=words.number(scale.disc, 1)), precision),
        Figure(sheet.amount(words, seen.novels), words("paper.scale.novels"), reading),
    ]


def synapses(words: Words, subjects: Sequence[Subject]) -> str:
    """Parameters beside synapses, on one logarithmic rule."""
    bars = [Stretch(words("paper.scale.of", name=s.name), s.parameters, words.count(s.parameters), PAIR[i]) for i, s in enumerate(subjects)]
    for whose, count in SYNAPSES.items():
        said = words("paper.scale.synapses", count=words.count(count))
        bars.append(Stretch(words(f"paper.scale.{whose}"), count, said, colour(SEQUENTIAL, 0.5), ("published",)))
    bars.sort(key=lambda bar: bar.value)
    return f'<div class="v-plate v-paper">{sheet.rule(words, bars, sheet.COUNTS, sheet.reach(bars, sheet.COUNTS))}</div>'


def scale_reading(words: Words, subjects: Sequence[Subject]) -> str:
    """A sentence for each size."""
    return " ".join(
        _named(subjects, subject)
        + words(
            "paper.scale.reading", time=sheet.span(words, subject.pictured.counting_years * YEAR), books=sheet.amount(words, subject.pictured.books)
        )
        for subject in subjects
    )


def figures(words: Words, subjects: Sequence[Subject], listed: Sequence[Sequence[Figure]]) -> str:
    """Cards of each size, under its name where there are two."""
    if len(subjects) == 1:
        return sheet.cards(words, listed[0])
    return "".join(
        f'<p class="v-plan"><b>{html.escape(subject.name)}</b></p>{sheet.cards(words, cards)}'
        for subject, cards in zip(subjects, listed, strict=True)
    )


# ---------------------------------------------------------------- tables


def table(words: Words, subjects: Sequence[Subject], rows: Sequence[tuple[str, str, Sequence[float]]]) -> pd.DataFrame:
    """Rows of (what, unit, a value for each size) as a table of exact numbers."""
    columns = {words("paper.table.figure"): [row[0] for row in rows], words("paper.table.unit"): [row[1] for row in rows]}
    return pd.DataFrame(columns | {subject.name: [float(row[2][number]) for row in rows] for number, subject in enumerate(subjects)})


def first_table(words: Words, subjects: Sequence[Subject]) -> pd.DataFrame:
    """Parameters part by part, bytes to serve, machines, seconds to train."""
    held = [{part.name: part.total for part in parts(subject.config)} for subject in subjects]
    rows: list[tuple[str, str, Sequence[float]]] = [(words("paper.first.parameters"), "", [subject.parameters for subject in subjects])]
    names = dict.fromkeys(name for each in held for name in each)
    rows += [(name, words("paper.first.parameters"), [each.get(name, 0) for each in held]) for name in names]
    rows += _load_rows(words, [subject.serving for subject in subjects])
    rows += [(words("paper.table.machines"), "", [subject.serving.machines(subject.assumed.hardware) for subject in subjects])]
    return table(words, subjects, [*rows, (words("paper.first.time"), "s", [subject.run.seconds for subject in subjects])])


def serve_table(words: Words, subjects: Sequence[Subject]) -> pd.DataFrame:
    """The weights in every precision, the cache, and the pace."""
    stored = [bytes_by_precision(subject.config) for subject in subjects]
    rows = [(words("paper.table.weights", precision=precision), "B", [sizes[precision] for sizes in stored]) for precision in stored[0]]
    rows += [(words("paper.load.cache"), "B", [subject.serving.bytes["cache"] for subject in subjects])]
    rows += [(words("paper.serve.speed"), "1/s", [subject.pace.tokens_per_second if subject.pace else math.nan for subject in subjects])]
    rows += [(words("paper.serve.wait"), "s", [subject.pace.first if subject.pace else math.nan for subject in subjects])]
    return table(words, subjects, rows)


def training_table(words: Words, subjects: Sequence[Subject]) -> pd.DataFrame:
    """Bytes to train, tokens, FLOPs, hours."""
    rows = _load_rows(words, [subject.states for subject in subjects])
    runs = [subject.run for subject in subjects]
    rows += [(words("paper.train.tokens"), "", [run.tokens for run in runs])]
    rows += [(words("paper.train.flops"), "FLOP", [run.flops for run in runs]), ("6ND", "FLOP", [run.rule for run in runs])]
    rows += [(words("paper.train.hours"), "h", [run.accelerator_hours for run in runs])]
    return table(words, subjects, rows)


def _load_rows(words: Words, loads: Sequence[Load]) -> list[tuple[str, str, Sequence[float]]]:
    names = dict.fromkeys(name for load in loads for name in load.bytes)
    return [(words(f"paper.load.{name}"), "B", [load.bytes.get(name, 0) for load in loads]) for name in names]


def energy_table(words: Words, subjects: Sequence[Subject]) -> pd.DataFrame:
    """Kilowatt-hours, kilograms and what they are like."""
    found = [subject.energy for subject in subjects]
    return table(
        words,
        subjects,
        [
            (words("paper.energy.drawn"), "kWh", [each.kilowatt_hours for each in found]),
            (words("paper.energy.households"), "", [each.household_years for each in found]),
            (words("paper.energy.electric"), "km", [each.electric_kilometres for each in found]),
            (words("paper.energy.carbon"), "kg", [each.kilograms for each in found]),
            (words("paper.energy.petrol"), "km", [each.petrol_kilometres for each in found]),
        ],
    )


def scale_table(words: Words, subjects: Sequence[Subject]) -> pd.DataFrame:
    """The size at human scale."""
    seen = [subject.pictured for subject in subjects]
    disc = words("paper.scale.discs", size=words.number(subjects[0].assumed.scale.disc, 1))
    rows: list[tuple[str, str, Sequence[float]]] = [
        (words("paper.scale.counting"), words("paper.table.years"), [each.counting_years for each in seen]),
        (words("paper.scale.books"), "", [each.books for each in seen]),
        (disc, "", [each.discs for each in seen]),
        (words("paper.scale.novels"), "", [each.novels for each in seen]),
    ]
    return table(words, subjects, rows + [(words(f"paper.scale.{whose}"), "", [each.per_synapse[whose] for each in seen]) for whose in SYNAPSES])


# ---------------------------------------------------------------- measured here, published elsewhere


def measured_rows(words: Words, config: Config, found: Measured) -> list[tuple[str, str, str]]:
    """What was measured beside what the arithmetic says: FLOPs, weights, cache."""
    pairs = (
        ("flops", found.flops, forward_flops(config, found.tokens)),
        ("weights", found.weight_bytes, bytes_by_precision(config)["fp32"]),
        ("cache", found.cache_bytes, cache_bytes(config, found.tokens)),
    )
    return [(words(f"paper.here.{name}", tokens=found.tokens), words.number(real, 0), words.number(counted, 0)) for name, real, counted in pairs]


def measured_table(words: Words, config: Config, found: Measured) -> str:
    """The same as markup, under the two signs; then the speed, which only measuring tells."""
    heads = "".join(f'<th scope="col">{sheet.mark(words, known)}</th>' for known in ("measured", "computed"))
    body = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(real)}</td><td>{html.escape(counted)}</td></tr>'
        for name, real, counted in measured_rows(words, config, found)
    )
    speed = f"{sheet.flops(words, found.flops_per_second)}FLOP/s"
    body += f'<tr><th scope="row">{html.escape(words("paper.here.speed"))}</th><td>{html.escape(speed)}</td><td>–</td></tr>'
    return f'<table class="v-figures"><thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table>'


def said(words: Words, claim: Claim, value: float) -> str:
    """A claim's figure in its unit."""
    match claim.unit:
        case "flops":
            return f"{sheet.scientific(words, value)}\u00a0FLOPs"
        case "hours":
            return words("paper.check.hours", count=words.number(value, 0))
        case "days":
            return words("paper.time.days", count=words.number(value, 1))
        case "kwh":
            return f"{words.number(value / 1_000, 0)}\u00a0MWh"
        case "tonnes":
            return f"{words.number(value, 0)}\u00a0t"
        case "bytes":
            return words.bytes(value)


def checks(words: Words) -> str:
    """Every claim beside this project's arithmetic, and how far they lie apart."""
    heads = "".join(f'<th scope="col">{sheet.mark(words, known)}</th>' for known in ("published", "computed"))
    body = "".join(_check(words, claim) for claim in CLAIMS)
    apart = html.escape(words("paper.check.apart"))
    return f'<table class="v-figures v-checks"><thead><tr><td></td>{heads}<th scope="col">{apart}</th></tr></thead><tbody>{body}</tbody></table>'


def _check(words: Words, claim: Claim) -> str:
    reckoned = claim.reckon(find(claim.size).config)
    apart = round(100 * (reckoned / claim.published - 1), 1) + 0.0
    name = f"{html.escape(words(f'paper.check.{claim.name}'))}<small>{html.escape(claim.source)}</small>"
    told = "".join(f"<td>{html.escape(said(words, claim, value))}</td>" for value in (claim.published, reckoned))
    return f'<tr><th scope="row">{name}</th>{told}<td>{words.number(apart, 1)}\u202f%</td></tr>'


def checks_table(words: Words) -> pd.DataFrame:
    """The claims as exact numbers."""
    rows = [
        (words(f"paper.check.{claim.name}"), claim.unit, claim.published, claim.reckon(find(claim.size).config), claim.source) for claim in CLAIMS
    ]
    names = ("figure", "unit", "published", "computed", "source")
    return pd.DataFrame(rows, columns=pd.Index([words(f"paper.table.{name}") for name in names]))


def rumour(words: Words, told: Rumour) -> str:
    """A size that is not published: the silence and the rumour, each with its source; nothing is computed from it."""
    known: Known = "rumoured"
    return (
        f'<aside class="v-rumour"><h2>{html.escape(told.name)}: {html.escape(words("paper.rumour.title"))}</h2>'
        f"<p>{html.escape(words('paper.rumour.silence'))} <small>{html.escape(told.silence)}</small></p>"
        f"<p>{sheet.mark(words, known)} {html.escape(words('paper.rumour.said', count=words.count(told.rumoured)))} "
        f"<small>{html.escape(told.source)}</small></p><p>{html.escape(words('paper.rumour.use'))}</p></aside>"
    )
