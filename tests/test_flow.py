"""The flow: nothing overlaps, every number is the trace's, and every place has an address."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from components.canvas.flow.layout import Box, Picture, pictures
from model.config import Attention, Config, EncoderDecoder
from tests.configs import EVERY, told

DEEP = [
    Config(layers=layers, width=8, attention=Attention(heads=heads, kv_heads=heads, size=4), context=16)
    for layers, heads in ((1, 1), (12, 12), (40, 40), (96, 96), (2, 16))
]
DEEP.append(replace(DEEP[1], form=EncoderDecoder(encoder_layers=12)))


def inside(box: Box, width: float, height: float, x: float = 0, y: float = 0) -> bool:
    slack = 0.01
    return box.x >= x - slack and box.y >= y - slack and box.x + box.width <= x + width + slack and box.y + box.height <= y + height + slack


def apart(one: Box, other: Box) -> bool:
    slack = 0.01
    across = one.x + one.width <= other.x + slack or other.x + other.width <= one.x + slack
    return across or one.y + one.height <= other.y + slack or other.y + other.height <= one.y + slack


def sound(picture: Picture) -> None:
    by_name = {box.name: box for box in picture.boxes}
    assert len(by_name) == len(picture.boxes)
    families: dict[str, list[Box]] = {}
    for box in picture.boxes:
        assert box.width > 0 < box.height
        families.setdefault(box.inside, []).append(box)
        parent = by_name.get(box.inside)
        if parent is None:
            assert inside(box, picture.width, picture.height), box
        else:
            assert inside(box, parent.width, parent.height, parent.x, parent.y), (box, parent)
    for siblings in families.values():
        for one, other in combinations(siblings[:140], 2):
            assert apart(one, other), (one, other)


@pytest.mark.parametrize("config", EVERY[::7] + EVERY[-12:] + DEEP, ids=told)
def test_boxes_lie_inside_the_picture_and_never_overlap(config: Config) -> None:
    for picture in pictures(config, 9, 5).values():
        sound(picture)
