"""Edits in a link: `str(edit)` writes them, `parse` reads them back and says what would work when it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from inspect import signature
from typing import NoReturn, cast

from model.config import Kind
from model.errors import Refusal
from model.interventions.edits import (
    Another,
    By,
    Edit,
    First,
    Mean,
    PaintPattern,
    PaintRule,
    Patch,
    Previous,
    Replace,
    Rule,
    Scale,
    Silence,
    Steer,
    Uniform,
    Zeros,
)
from model.interventions.parts import Cell, Head, Layer, Output, Part, Point, Residual, Writer
from model.interventions.passes import Prompt
from model.trace import Branch

LONGEST = 20_000
WIDEST = 4_096
"""Keys that a painted row reaches, at most."""
_PART = re.compile(
    r"(?:(?P<stack>encoder|decoder)\.)?L(?P<layer>\d{1,6})"
    r"(?:\.(?P<writer>attn|cross|mlp)|\.(?P<point>before|middle|crossed|after)"
    r"|(?P<cross>\.cross)?\.H(?P<head>\d{1,6})(?:\[(?P<query>\d{1,6}),\s*(?P<key>\d{1,6})\](?P<renormalised>\.renormalised)?)?)?"
    r"(?:@(?P<positions>[0-9+-]+))?"
)
_PARTS = "L2.H3, L2.cross.H3, L2.H3@4-6, L2.attn, L2.mlp, L2, L2.after@5, L2.H3[5,2], encoder.L2.H3"


def spell(edits: Iterable[Edit]) -> str:
    """Several edits in their order, as `parse_all` reads them."""
    return "; ".join(map(str, edits))


def parse_all(specification: str) -> tuple[Edit, ...]:
    """The edits that `spell` wrote; none for an empty specification. Raises `Refusal` as `parse` does."""
    _refuse_long(specification)
    return tuple(parse(one) for one in specification.split(";")) if specification.strip() else ()


def parse(specification: str) -> Edit:
    """The edit a specification describes: a verb and its arguments in brackets. Raises `Refusal` with what was given and what would work."""
    _refuse_long(specification)
    verb, bracket, inside = specification.strip().partition("(")
    if verb.strip() not in _VERBS:
        raise Refusal("edit.verb", "an edit is one of {verbs}; got {given!r}", verbs=", ".join(_EXAMPLES.values()), given=verb[:40])
    read, example = _VERBS[verb.strip()], _EXAMPLES[verb.strip()]
    arguments = [argument.strip() for argument in re.split(r",(?![^\[]*\])", inside.removesuffix(")"))]
    if not bracket or not inside.endswith(")") or len(arguments) != len(signature(read).parameters):
        raise Refusal("edit.arguments", "{verb} is written like {example}; got {given!r}", verb=verb, example=example, given=specification[:40])
    return read(*arguments)


def part(text: str) -> Part:
    """The part a name stands for. Raises `Refusal` for a name that is none."""
    found = _PART.fullmatch(text)
    if found is None or (found["query"] and found["positions"]):
        raise Refusal("edit.part", "a part is written like {parts}; got {given!r}", parts=_PARTS, given=text[:40])
    stack, layer, positions = cast(Kind, found["stack"] or "decoder"), int(found["layer"]), _positions(found["positions"])
    branch: Branch = "cross" if found["cross"] else "attn"
    if found["query"]:
        return Cell(layer, int(found["head"]), int(found["query"]), int(found["key"]), branch, stack, bool(found["renormalised"]))
    if found["head"]:
        return Head(layer, int(found["head"]), branch, stack, positions)
    if found["writer"]:
        return Output(layer, cast(Writer, found["writer"]), stack, positions)
    if found["point"]:
        return Residual(layer, cast(Point, found["point"]), stack, positions)
    return Layer(layer, stack, positions)


def _positions(text: str | None) -> tuple[int, ...]:
    found: list[int] = []
    for stretch in (text or "").split("+") if text else ():
        ends = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", stretch)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if not first <= last < first + LONGEST - len(found):
            raise Refusal("edit.positions", "positions are written like @5 or @4-6+9; got {given!r}", given=f"@{text}"[:40])
        found.extend(range(first, last + 1))
    return tuple(found)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refusal("edit.number", "a number is written like 0.5, -2 or 1e-3; got {given!r}", given=text[:40]) from None


def _ids(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,7}(\s+\d{1,7})*", text.strip()):
        raise Refusal("edit.ids", "a prompt is written as its tokens' numbers, like 17 4 9 or 7 8 -> 17 4 9; got {given!r}", given=text.strip()[:40])
    return tuple(map(int, text.split()))


def _prompt(text: str) -> Prompt:
    source, arrow, target = text.rpartition("->")
    return Prompt(_ids(target), _ids(source) if arrow else None)


def _by(text: str) -> By:
    other = _other(text)
    if other:
        return other
    if text not in ("zeros", "mean"):
        raise Refusal("edit.by", "a part is replaced by zeros, by mean or by a head such as H1; got {given!r}", given=text[:40])
    return Zeros() if text == "zeros" else Mean()


def _other(text: str) -> Another | None:
    found = re.fullmatch(r"H(\d{1,6})", text)
    return Another(int(found[1])) if found else None


def _row(text: str) -> tuple[int, tuple[float, ...]]:
    query, colon, weights = text.strip().partition(":")
    if not colon or not re.fullmatch(r"\d{1,6}", query.strip()):
        _unlike("paint", text)
    return int(query), _weights(weights)


def _weights(text: str) -> tuple[float, ...]:
    """Weights one by one, or several alike as "0*4"."""
    found: list[float] = []
    for run in text.split():
        weight, star, count = run.partition("*")
        if (star and not re.fullmatch(r"\d{1,4}", count, re.ASCII)) or len(found) + int(count or 1) > WIDEST:
            sentence = "a row has up to {widest} weights, written like 0.2 0.3 or 0*4 1; got {given!r}"
            raise Refusal("edit.runs", sentence, widest=WIDEST, given=run[:40])
        found.extend([_number(weight)] * int(count or 1))
    return tuple(found)


def _silence(place: str) -> Silence:
    return Silence(part(place))


def _scale(place: str, factor: str) -> Scale:
    return Scale(part(place), _number(factor))


def _replace(place: str, by: str) -> Replace:
    return Replace(part(place), _by(by))


def _paint(place: str, rows: str) -> PaintPattern | PaintRule:
    head = part(place)
    if not isinstance(head, Head):
        _unlike("paint", place)
    rule = _RULES.get(rows) or _other(rows)
    return PaintPattern(head, tuple(map(_row, rows.split("/")))) if rule is None else PaintRule(head, rule)


def _patch(place: str, prompt: str) -> Patch:
    return Patch(part(place), _prompt(prompt))


def _steer(place: str, strength: str, toward: str, away: str) -> Steer:
    residual = part(place)
    if not isinstance(residual, Residual):
        _unlike("steer", place)
    return Steer(residual, _number(strength), tuple(map(_prompt, toward.split("|"))), tuple(map(_prompt, away.split("|"))))


def _unlike(verb: str, given: str) -> NoReturn:
    raise Refusal("edit.arguments", "{verb} is written like {example}; got {given!r}", verb=verb, example=_EXAMPLES[verb], given=given[:40])


def _refuse_long(specification: str) -> None:
    if len(specification) > LONGEST:
        raise Refusal("edit.long", "edits are up to {longest} characters; got {length}", longest=LONGEST, length=len(specification))


_VERBS: dict[str, Callable[..., Edit]] = {
    "silence": _silence,
    "scale": _scale,
    "replace": _replace,
    "paint": _paint,
    "patch": _patch,
    "steer": _steer,
}
_RULES: dict[str, Rule] = {"previous": Previous(), "first": First(), "uniform": Uniform()}
_EXAMPLES = {
    "silence": "silence(L2.H3)",
    "scale": "scale(L2.mlp, 0.5)",
    "replace": "replace(L2.attn, mean)",
    "paint": "paint(L2.H3, 0: 1 / 1: 0.2 0.8)",
    "patch": "patch(L2.after@5, 17 4 9)",
    "steer": "steer(L2.after, 4, 1 2 | 3 4, 5 6)",
}
