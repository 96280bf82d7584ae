"""A configuration is a value: it says what it is, reads back as written, and refuses what cannot work."""

from __future__ import annotations

import json

import pytest

from model.config import Alibi, Attention, Config, Fixed, GatedMlp, LayerNorm, Parallel, RMSNorm, Rotary, from_dict, to_dict
from model.errors import Refusal
from model.space import Choice, Interval, Parts, settings
from tests.configs import EVERY, told


@pytest.mark.parametrize("config", EVERY[::3], ids=told)
def test_what_is_written_reads_back(config: Config) -> None:
    assert from_dict(Config, json.loads(json.dumps(to_dict(config)))) == config


def test_equal_values_are_one_key() -> None:
    assert len({Config(), Config(), Config(layers=3)}) == 2


REFUSED = [
    (lambda: Attention(heads=6, kv_heads=4), "6 query heads cannot share 4.*choose kv_heads from 1, 2, 3, 6"),
    (lambda: Config(attention=Attention(size=7)), "is 7; make it even"),
    (lambda: Config(positions=Rotary(fraction=0.0)), "above 0 and up to 1; got 0.0"),
    (lambda: Config(dropout=1.0), "got 1.0"),
    (lambda: Config(layers=0), "layers is a whole number, 1 or more; got 0"),
    (lambda: from_dict(Config, {"depth": 3}), "Config has no setting depth; it has"),
    (lambda: from_dict(Config, {"positions": {"kind": "Absolute"}}), "one of Learned, Sinusoidal.*got 'Absolute'"),
    (lambda: from_dict(Config, {"width": "wide"}), "width is a number, got 'wide'"),
    (lambda: from_dict(Config, {"width": 6.5}), "width is a number, got 6.5"),
    (lambda: from_dict(Config, {"attention": {"bias": 1}}), "bias is one of False, True, got 1"),
    (lambda: from_dict(Config, []), "written as an object"),
    (lambda: Interval(3, 2), "got low=3, high=2"),
]


@pytest.mark.parametrize(("make", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_what_cannot_work_is_refused_with_its_operands(make, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        make()


def test_every_part_declares_the_space_it_is_offered_in() -> None:
    spaces = {setting.name: setting.space for setting in settings(Config)}
    assert spaces["layers"] == Interval(1, 12, step=1)
    assert isinstance(spaces["positions"], Parts)
    assert spaces["final_norm"] == Choice((False, True))
    assert {setting.name for setting in settings(Rotary)} == {"base", "fraction", "pairing", "stretch"}
    assert not list(settings(Alibi))


def test_the_defaults_lie_inside_their_spaces() -> None:
    for part in (Config(), Attention(), Rotary(), GatedMlp(), Fixed(), LayerNorm(), RMSNorm(), Parallel()):
        for setting in settings(type(part)):
            value = getattr(part, setting.name)
            assert type(value) in setting.space.options if isinstance(setting.space, Parts) else value in setting.space


def test_worth_trying_is_not_the_same_as_legal() -> None:
    assert Config(layers=96, width=12_288).layers == 96
