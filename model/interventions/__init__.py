"""Interventions: change any number inside a forward pass, by an edit that is a value, and compare with the pass left alone."""

from model.interventions.comparing import Comparison, Pair, compare
from model.interventions.edits import (
    Another,
    By,
    Edit,
    Mean,
    PaintPattern,
    Patch,
    Replace,
    Scale,
    Silence,
    Steer,
    Zeros,
    direction,
    refuse_unfit,
    tap_of,
)
from model.interventions.parts import Cell, Head, Layer, Output, Part, Residual
from model.interventions.passes import Prompt, logits
from model.interventions.patching import logit_difference, patching_grid
from model.interventions.spelling import parse, parse_all, spell

__all__ = [
    "Another",
    "By",
    "Cell",
    "Comparison",
    "Edit",
    "Head",
    "Layer",
    "Mean",
    "Output",
    "PaintPattern",
    "Pair",
    "Part",
    "Patch",
    "Prompt",
    "Replace",
    "Residual",
    "Scale",
    "Silence",
    "Steer",
    "Zeros",
    "compare",
    "direction",
    "logit_difference",
    "logits",
    "parse",
    "parse_all",
    "patching_grid",
    "refuse_unfit",
    "spell",
    "tap_of",
]
