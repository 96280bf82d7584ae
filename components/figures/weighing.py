"""What one or two configurations weigh, as bars on one scale and as a table. Everything here is arithmetic on the configuration;
what was measured comes from a run and says so. The picture is plain markup: it follows a slider without any script."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from components.i18n import Words
from components.runs import Plan
from components.theme import DIVERGING, SEQUENTIAL, colour
from model.config import Config
from model.cost import bytes_by_precision, cache_bytes_per_token, flops_per_token, parameters, parts

GROUPS = {"embed": "embedding", "relative": "embedding", "attn": "attention", "cross": "cross", "mlp": "mlp", "head": "output"}
COLOURS = {
    "embedding": colour(DIVERGING, 0.18),
    "attention": colour(SEQUENTIAL, 0.80),
    "cross": colour(SEQUENTIAL, 0.92),
    "mlp": colour(SEQUENTIAL, 0.55),
    "output": colour(DIVERGING, 0.08),
    "norm": "#A9A4B4",
}
NARROWEST_LABEL = 0.09


@dataclass(frozen=True, slots=True)
class Row:
    """A figure: what it is, whether it was computed or measured, and its value for each plan as written on the screen."""

    name: str
    known: str
    values: tuple[str, ...]


def by_group(config: Config) -> dict[str, int]:
    """Parameters by what they do."""
    sums = dict.fromkeys(COLOURS, 0)
    for part in parts(config):
        sums[group(part.name)] += part.total
    return sums


def group(name: str) -> str:
    """What a part (`attn.qkv`, `decoder.cross.out`, `embed.norm`) does; what is named after a norm is one, wherever it stands."""
    words = name.split(".")
    return "norm" if "norm" in words[-1] else next((GROUPS[word] for word in words if word in GROUPS), "norm")


def figures(words: Words, plans: Sequence[Plan]) -> list[Row]:
    """The computed figures, a row each."""

    def row(name: str, values: Sequence[str]) -> Row:
        return Row(words(f"size.figures.{name}"), words("size.figures.computed"), tuple(values))

    weights = [bytes_by_precision(plan.config) for plan in plans]
    return [
        row("parameters", [words.count(parameters(plan.config)) for plan in plans]),
        row("fp32", [words.bytes(sizes["fp32"]) for sizes in weights]),
        row("fp16", [words.bytes(sizes["fp16"]) for sizes in weights]),
        row("training", [words.bytes(plan.bytes) for plan in plans]),
        row("cache", [words.bytes(cache_bytes_per_token(plan.config)) for plan in plans]),
        row("token_flops", [words.count(flops_per_token(plan.config)) for plan in plans]),
        row("step_flops", [words.count(plan.step_flops) for plan in plans]),
    ]


def reading(words: Words, plans: Sequence[Plan], names: Sequence[str]) -> str:
    """The bars in a sentence each: which part is the largest."""
    return " ".join(_largest(words, by_group(plan.config), name) for plan, name in zip(plans, names, strict=True))


def _largest(words: Words, groups: dict[str, int], name: str) -> str:
    total, largest = sum(groups.values()), max(groups, key=lambda group: groups[group])
    share = words.percent(groups[largest] / total, 0)
    group = words(f"size.groups.{largest}")
    return words("size.figures.reading" if name else "size.figures.reading_one", name=name, total=words.count(total), group=group, share=share)


def frame(words: Words, plans: Sequence[Plan], names: Sequence[str]) -> pd.DataFrame:
    """Every part of every plan with its parameters: in one, how many of it, together."""
    rows = [(name, part.name, part.each, part.times, part.total) for name, plan in zip(names, plans, strict=True) for part in parts(plan.config)]
    return pd.DataFrame(rows, columns=pd.Index([words(f"size.table.{name}") for name in ("run", "part", "each", "times_over", "parameters")]))


# ---------------------------------------------------------------- markup


def bars(words: Words, plans: Sequence[Plan], names: Sequence[str]) -> str:
    """A bar per plan on a scale that both share, cut into what the parameters do, with the legend below."""
    sums = [by_group(plan.config) for plan in plans]
    widest = max(sum(groups.values()) for groups in sums)
    rows = "".join(_bar(words, groups, name, widest) for groups, name in zip(sums, names, strict=True))
    scale = words("size.figures.scale", most=words.count(widest))
    return f'<div class="v-plate v-bars">{rows}{keys(words, sums)}<p class="v-scale">{html.escape(scale)}</p></div>'


def _bar(words: Words, groups: dict[str, int], name: str, widest: int) -> str:
    label = html.escape(f"{name} {words.count(sum(groups.values()))}".strip())
    return f'<div class="v-bar"><b>{label}</b>{strip(words, groups, widest)}</div>'


def strip(words: Words, groups: dict[str, int], widest: int) -> str:
    """One bar, as long as its share of `widest`, cut into what the parameters do."""
    total = sum(groups.values())
    pieces = "".join(_piece(words, group, count, widest, total) for group, count in groups.items() if count)
    return f'<span role="img" aria-label="{words.count(total)}: {html.escape(_told(words, groups))}">{pieces}</span>'


def keys(words: Words, sums: Sequence[dict[str, int]]) -> str:
    """Which colour is which part."""
    shown = (_key(words, group) for group in COLOURS if any(groups[group] for groups in sums))
    return f'<p class="v-keys">{"".join(shown)}</p>'


def _piece(words: Words, group: str, count: int, widest: int, total: int) -> str:
    share = count / widest
    label = words.percent(count / total, 0) if share >= NARROWEST_LABEL else ""
    title = html.escape(f"{words(f'size.groups.{group}')}: {words.number(count, 0)} ({words.percent(count / total)})")
    return f'<i title="{title}" style="width:{share:.3%};background:{COLOURS[group]}">{label}</i>'


def _told(words: Words, groups: dict[str, int]) -> str:
    return ", ".join(f"{words(f'size.groups.{group}')} {words.count(count)}" for group, count in groups.items() if count)


def _key(words: Words, group: str) -> str:
    return f'<span><i style="background:{COLOURS[group]}"></i>{html.escape(words(f"size.groups.{group}"))}</span>'


def table(words: Words, rows: Sequence[Row], names: Sequence[str]) -> str:
    """The figures as a table, one column a plan, each row marked as computed or measured."""
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names) if any(names) else "<td></td>"
    body = "".join(
        f'<tr><th scope="row">{html.escape(row.name)}<small>{html.escape(row.known)}</small></th>'
        + "".join(f"<td>{html.escape(value)}</td>" for value in row.values)
        + "</tr>"
        for row in rows
    )
    return f'<table class="v-figures"><thead><tr><td></td>{heads}</tr></thead><tbody>{body}</tbody></table>'
