"""The arithmetic of any number of a pass: what it was made from, the code that made it, and the same once more in plain torch."""

from model.analysis.derivation.number import Number, value

__all__ = ["Number", "value"]
