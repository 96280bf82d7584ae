"""The arithmetic of any number of a pass: what it was made from, the code that made it, and the same once more in plain torch."""

from model.analysis.derivation.number import Number, Place
from model.analysis.derivation.reading import Activated, Constant, Derivation, Factor, Share, Statistics, Term, Total, Weight
from model.analysis.derivation.rules import derive
from model.analysis.derivation.standing import shape_of, shapes, standing, value, vector
from model.analysis.derivation.wiring import BETWEEN, Wiring

__all__ = [
    "BETWEEN",
    "Activated",
    "Constant",
    "Derivation",
    "Factor",
    "Number",
    "Place",
    "Share",
    "Statistics",
    "Term",
    "Total",
    "Weight",
    "Wiring",
    "derive",
    "shape_of",
    "shapes",
    "standing",
    "value",
    "vector",
]
