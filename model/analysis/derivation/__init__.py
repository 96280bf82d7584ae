"""The arithmetic of any number of a pass: what it was made from, the code that made it, and the same once more in plain torch."""

from model.analysis.derivation.code import code_of, shown
from model.analysis.derivation.layout import Axis, layout
from model.analysis.derivation.number import Number, Place
from model.analysis.derivation.reading import Activated, Constant, Derivation, Factor, Share, Statistics, Term, Total, Weight
from model.analysis.derivation.recompute import Recomputed, lines, recipe, recompute
from model.analysis.derivation.rules import RULES, derive
from model.analysis.derivation.standing import shape_of, standing, value, vector
from model.analysis.derivation.wiring import BETWEEN, Wiring

__all__ = [
    "BETWEEN",
    "RULES",
    "Activated",
    "Axis",
    "Constant",
    "Derivation",
    "Factor",
    "Number",
    "Place",
    "Recomputed",
    "Share",
    "Statistics",
    "Term",
    "Total",
    "Weight",
    "Wiring",
    "code_of",
    "derive",
    "layout",
    "lines",
    "recipe",
    "recompute",
    "shape_of",
    "shown",
    "standing",
    "value",
    "vector",
]
