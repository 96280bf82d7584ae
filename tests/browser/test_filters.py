"""The filters twice: what the browser computes from stored logits is what Python would have chosen from."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from components.canvas import distribution
from components.canvas.distribution import STOPS, Dials
from model.generation import die, draw, pick, stages

SCRIPT = (Path(distribution.__file__).parent / "filters.js").read_text(encoding="utf-8")
SETTINGS = [
    Dials(temperature=1.0),
    Dials(temperature=0.3, seed=5),
    Dials(temperature=0.0),
    Dials(temperature=0.0, repetition_penalty=1.7),
    Dials(temperature=1.6, repetition_penalty=1.25),
    Dials(temperature=1.0, top_k=1),
    Dials(temperature=0.8, top_k=40, top_p=0.9, min_p=0.02),
    Dials(temperature=2.0, top_p=0.05),
    Dials(temperature=1.0, min_p=0.5, seed=77),
    Dials(temperature=1.2, repetition_penalty=2.0, top_k=7, top_p=0.6, min_p=0.1, seed=123),
    Dials(temperature=0.0, frequency_penalty=1.1, presence_penalty=0.4),
    Dials(temperature=1.0, typical=0.05, seed=9),
    Dials(temperature=1.0, typical=0.5, frequency_penalty=0.35),
    Dials(temperature=0.9, presence_penalty=2.0, top_k=30, typical=0.95, seed=2),
]


def cases() -> list[dict[str, Any]]:
    """Every setting on peaked, flat and tied logits, with some tokens seen before."""
    dice = np.random.default_rng(3)
    out = []
    for number, dials in enumerate(SETTINGS):
        for scale in (0.3, 2.0, 8.0):
            logits = (dice.normal(size=150) * scale).astype(np.float32)
            logits[10:20] = logits[10]
            history = [int(id) for id in dice.integers(0, 150, 30)]
            out.append({"dials": asdict(dials), "logits": logits.tolist(), "seen": sorted(Counter(history).items()), "u": die(dials.seed, number)})
    return out


def test_the_browser_filters_and_draws_as_python_does(chromium: Browser) -> None:
    page = chromium.new_page()
    page.add_script_tag(content=SCRIPT)
    computed = page.evaluate(
        """cases => cases.map(({dials, logits, seen, u}) => {
            const line = stages(logits, dials, new Map(seen));
            const after = line.map(stage => [stage.name, Array.from(softmax(stage.left))]);
            return {after, drawn: draw(softmax(line.at(-1).left), u)};
        })""",
        cases(),
    )
    page.close()
    for case, found in zip(cases(), computed, strict=True):
        logits, choose = np.array(case["logits"]), Dials(**case["dials"]).choose()
        expected = stages(logits, choose, [id for id, count in case["seen"] for _ in range(count)])
        assert [name for name, _ in found["after"]] == [stage.name for stage in expected], case["dials"]
        for (name, after), stage in zip(found["after"], expected, strict=True):
            np.testing.assert_allclose(after, stage.after, atol=1e-12, err_msg=f"{name} {case['dials']}")
        assert found["drawn"] == draw(expected[-1].after, case["u"])


@pytest.mark.parametrize("name", STOPS)
def test_a_dials_stops_are_numbers_that_python_accepts(name: str) -> None:
    for stop in json.loads(json.dumps(STOPS[name])):
        dials, _ = distribution.parse({**{other: values[0] for other, values in STOPS.items()}, name: stop, "seed": 0, "number": 1})
        assert getattr(dials, name) == stop
        assert pick(np.arange(5.0), dials.choose(), [1, 2]) in range(5)
