"""The drawing of a model is its configuration: every setting drawn, every weight in one part, every difference lit, nothing overlapping."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from typing import Any

import pytest
import torch

from components.canvas.blueprint import Subject, glyphs, layout, received, telling
from components.canvas.blueprint.anatomy import anatomy, at, compared, differences, drawer
from components.canvas.blueprint.drawing import Drawing, draw
from components.canvas.blueprint.pen import Box, Label, Stroke
from components.canvas.blueprint.sheet import sheet
from components.i18n import LANGUAGES, Words
from model.config import Config, EncoderDecoder, Parallel
from model.cost import parameters
from model.families import FAMILIES, Family
from model.layers.positions import bucket
from tests.configs import EVERY, told

EN = Words("en")
PUBLISHED = {name: size.config for family in FAMILIES for name, size in family.sizes.items()}
ONE_EACH = {family.name: next(iter(family.sizes.values())).config for family in FAMILIES}
PAIRS = [*pairwise([*ONE_EACH.values(), next(iter(ONE_EACH.values()))]), (PUBLISHED["gpt2"], PUBLISHED["gpt2-xl"])]


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Every setting of a configuration by its dotted path."""
    for field in dataclasses.fields(value):
        here, inside = f"{path}.{field.name}" if path else field.name, getattr(value, field.name)
        if dataclasses.is_dataclass(inside) and dataclasses.fields(inside):
            yield from leaves(inside, here)
        else:
            yield here


def changed(value: Any, changes: Mapping[str, Any]) -> Any:
    """The value with settings changed, all at once: one by one they may not go together."""
    within: dict[str, dict[str, Any]] = {}
    for path, new in changes.items():
        name, _, rest = path.partition(".")
        within.setdefault(name, {})[rest] = new
    new = {name: inside[""] if "" in inside else changed(getattr(value, name), inside) for name, inside in within.items()}
    return dataclasses.replace(value, **new)


def drawn(config: Config, other: Config | None = None, *, narrow: bool = False) -> Drawing:
    return draw(config, EN, compared(config, other), glyphs.unit(config, sheet(config, narrow=narrow).mlp), narrow=narrow)


# ---------------------------------------------------------------- the parts


@pytest.mark.parametrize("config", [*ONE_EACH.values(), *EVERY[::5]], ids=[*ONE_EACH, *map(told, EVERY[::5])])
def test_every_setting_is_drawn_and_by_one_kind_of_part_only(config: Config) -> None:
    drawers: dict[str, set[str]] = {}
    for part in anatomy(config):
        for path, _ in part.settings:
            drawers.setdefault(path, set()).add(part.kind)
    assert all(len(kinds) == 1 for kinds in drawers.values())
    for leaf in leaves(config):
        assert any(leaf == path or leaf.startswith(f"{path}.") for path in drawers), leaf
        assert drawer(leaf) in {part.kind for part in anatomy(config)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_parameter_belongs_to_one_part(name: str) -> None:
    parts = anatomy(PUBLISHED[name])
    assert sum(part.total for part in parts) == parameters(PUBLISHED[name])
    held = Counter(weight.name for part in parts for weight in part.weights)
    assert set(held.values()) <= {1}
    assert len({part.name for part in parts}) == len(parts)


def test_a_part_that_is_missing_has_no_weights() -> None:
    assert not [part.name for config in PUBLISHED.values() for part in anatomy(config) if part.weights and not part.present]


# ---------------------------------------------------------------- two configurations


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_differences_are_what_turns_one_configuration_into_the_other(first: Config, second: Config) -> None:
    found = differences(first, second)
    for each in found:
        assert (at(first, each.path), at(second, each.path)) == (each.first, each.second)
    assert changed(first, {each.path: each.second for each in found}) == second
    assert differences(second, second) == ()


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_part_is_lit_in_both_drawings_where_a_setting_that_it_draws_differs_and_nowhere_else(first: Config, second: Config) -> None:
    for mine, theirs in ((first, second), (second, first)):
        states, shared = compared(mine, theirs), {part.name: part for part in anatomy(theirs)}
        different = {drawer(each.path) for each in differences(mine, theirs)}
        for part in anatomy(mine):
            if part.name not in states or part.name not in shared:
                continue
            if states[part.name] in ("lit", "size") and part.drawn == shared[part.name].drawn and part.present == shared[part.name].present:
                assert part.kind in different
        for each in differences(mine, theirs):
            kinds = {part.kind for part in anatomy(mine) if states.get(part.name, "same") != "same"}
            assert drawer(each.path) in kinds, each.path
            assert each.part in {part.name for one in (mine, theirs) for part in anatomy(one)}


def test_two_sizes_of_one_design_differ_in_size_only() -> None:
    states = compared(PUBLISHED["gpt2"], PUBLISHED["gpt2-xl"])
    assert set(states.values()) == {"same", "size"}
    assert {name for name, state in states.items() if state == "size"} == {"stream", "heads", "mlp", "stack"}


def test_sharing_keys_and_values_is_a_difference_of_design() -> None:
    assert compared(PUBLISHED["llama2-7b"], PUBLISHED["llama2-70b"])["heads"] == "lit"
    assert compared(PUBLISHED["llama2-7b"], PUBLISHED["llama2-13b"])["heads"] == "size"


def test_what_only_the_other_has_is_shown_missing() -> None:
    states = compared(PUBLISHED["gpt2"], PUBLISHED["bert-base-uncased"])
    assert {name for name, state in states.items() if state == "absent"} == {"segments", "embed_norm", "readout"}
    assert "widen" not in states
    assert compared(PUBLISHED["bert-base-uncased"], PUBLISHED["gpt2"])["segments"] == "lit"


# ---------------------------------------------------------------- where everything stands


@pytest.mark.parametrize(("name", "narrow"), [*product(ONE_EACH, (False, True))])
def test_every_part_is_drawn_once_inside_the_picture(name: str, narrow: bool) -> None:
    picture, config = drawn(ONE_EACH[name], narrow=narrow), ONE_EACH[name]
    assert Counter(placed.part.name for placed in picture.placed) == Counter(part.name for part in anatomy(config) if part.present)
    for placed in picture.placed:
        assert placed.box.inside(picture.box), placed.part.name
        assert placed.marks or placed.part.kind == "stream"


@pytest.mark.parametrize("name", [*PUBLISHED])
def test_parts_do_not_cover_one_another(name: str) -> None:
    for narrow in (False, True):
        solid = [placed for placed in drawn(PUBLISHED[name], narrow=narrow).placed if placed.part.kind not in ("block", "stream", "memory")]
        for at_, one in enumerate(solid):
            for other in solid[at_ + 1 :]:
                assert not _overlap(one.box, other.box), (one.part.name, other.part.name)


def _overlap(one: Box, other: Box, slack: float = 1.5) -> bool:
    across = min(one.right, other.right) - max(one.x, other.x)
    return across > slack and min(one.bottom, other.bottom) - max(one.y, other.y) > slack


@pytest.mark.parametrize("name", ONE_EACH)
def test_every_branch_returns_to_the_stream_at_a_plus(name: str) -> None:
    config = ONE_EACH[name]
    branches = sum(each.branches for each in drawn(config).sums)
    assert branches == (5 if isinstance(config.form, EncoderDecoder) else 2)
    pluses = [each for each in drawn(config).sums if each.branches]
    assert len(pluses) == branches - isinstance(config.arrangement, Parallel)


def test_branches_stand_side_by_side_only_where_they_are_computed_so() -> None:
    def panels(name: str) -> tuple[Box, Box]:
        placed = {each.part.name: each.box for each in drawn(PUBLISHED[name]).placed}
        return placed["heads"], placed["mlp"]

    heads, mlp = panels("gptj-6b")
    assert mlp.right < heads.x
    assert mlp.y < heads.bottom
    heads, mlp = panels("llama-7b")
    assert mlp.y > heads.bottom


def test_a_norm_stands_on_the_branch_or_on_the_stream() -> None:
    def norm_and_stream(name: str) -> tuple[Box, float]:
        placed = {each.part.name: each.box for each in drawn(PUBLISHED[name]).placed}
        return placed["norm1"], placed["stream"].centre

    norm, stream = norm_and_stream("gpt2")
    assert norm.x > stream
    norm, stream = norm_and_stream("bert-base-uncased")
    assert norm.x < stream < norm.right


@pytest.mark.parametrize("name", ONE_EACH)
def test_only_a_tied_output_is_linked_back_to_the_table(name: str) -> None:
    ties = [wire for wire in drawn(ONE_EACH[name]).wires if wire.flow == "tie"]
    assert len(ties) == (type(ONE_EACH[name].output).__name__ == "Tied")


# ---------------------------------------------------------------- small pictures that are true


def _bars(d: str) -> list[Box]:
    return [Box(*map(float, found)) for found in re.findall(r"M(\S+) (\S+)h(\S+)v(\S+)h", d)]


@pytest.mark.parametrize("name", PUBLISHED)
def test_heads_are_counted(name: str) -> None:
    attention = PUBLISHED[name].attention
    asking, answering = (_bars(mark.d) for mark in glyphs.heads(Box(0, 0, 276, 44), attention.heads, attention.kv_heads) if isinstance(mark, Stroke))
    assert len(asking) == attention.heads
    assert len(answering) == 2 * attention.kv_heads


def test_the_mask_is_the_machines_own() -> None:
    def share(name: str, kind: str) -> float:
        *_, mark = glyphs.mask(Box(0, 0, 40, 40), PUBLISHED[name], kind)
        assert isinstance(mark, Stroke)
        return len(_bars(mark.d)) / glyphs.CELLS**2

    assert share("bert-base-uncased", "all") == 1
    assert share("gpt2", "causal") == 0.55
    assert share("mistral-7b", "causal") < 0.55
    assert share("t5-small", "cross") == 1


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_mlp_is_as_wide_as_its_numbers_say(name: str) -> None:
    config = PUBLISHED[name]
    room = sheet(config, narrow=False).mlp
    wide = glyphs.unit(config, room)
    (bend,) = [mark for mark in glyphs.mlp(Box(0, 0, room, 66), config, wide) if isinstance(mark, Stroke) and mark.tone == "solid"]
    (bar,) = _bars(bend.d)
    assert bar.w / wide == pytest.approx(config.mlp.hidden / config.width, rel=1e-3)
    assert bar.x >= 0
    assert bar.right <= room


def test_buckets_end_where_the_machine_ends_them() -> None:
    config = PUBLISHED["t5-small"]
    ticks, _ = glyphs.position(Box(0, 0, 100, 20), config, both_ways=True)
    assert isinstance(ticks, Stroke)
    reach = range(-128, 129)
    numbers = bucket(torch.tensor(reach), config.positions, True)  # pyright: ignore[reportArgumentType]
    assert len(_bars(ticks.d)) == len(set(numbers.tolist())) - 1


# ---------------------------------------------------------------- words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_part_of_every_family_says_what_it_does_and_how_many_numbers_it_holds(language: str) -> None:
    words = Words(language)
    for config in PUBLISHED.values():
        for part in anatomy(config):
            card = telling.card(words, config, part, "plain" if part.present else "absent")
            assert card.title
            assert card.about.endswith((".", ")"))
            if part.weights and part.present:
                assert words.number(part.total, 0) in card.told


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_setting_has_a_name_and_a_value_in_words(language: str) -> None:
    words = Words(language)
    for config in [*ONE_EACH.values(), *EVERY]:
        for path in leaves(config):
            assert telling.named(words, path)
            assert telling.said(words, at(config, path), path)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_layout_can_travel_and_its_words_are_numbers_true_minus_and_all(language: str, first: Config, second: Config) -> None:
    sent = layout(Words(language), [Subject("<b>one</b>", first), Subject("two", second)], "")
    assert json.loads(json.dumps(sent))["figures"][0]["title"] == "<b>one</b>"
    assert len(sent["differences"]) == len(differences(first, second))
    assert [line["size"] for line in sent["differences"]] == sorted(line["size"] for line in sent["differences"])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_words_stay_inside_the_picture(family: Family) -> None:
    """About six units a letter, so that nothing is cut at the edge."""
    for config in (size.config for size in family.sizes.values()):
        for narrow in (False, True):
            picture = drawn(config, narrow=narrow)
            for mark in (mark for placed in picture.placed for mark in placed.marks if isinstance(mark, Label) and not mark.turned):
                long = 6.0 * len(mark.text)
                left = mark.x - {"start": 0, "middle": long / 2, "end": long}[mark.anchor]
                assert left >= picture.box.x - 12, mark
                assert left + long <= picture.box.right + 12, mark


def test_only_the_name_of_a_part_comes_back() -> None:
    subjects = [Subject("one", PUBLISHED["gpt2"])]
    assert received("mlp", subjects) == "mlp"
    assert received("", subjects) == ""
    assert [received(given, subjects) for given in ("cross.heads", None, 3, ["mlp"], {"part": "mlp"})] == [None] * 5
