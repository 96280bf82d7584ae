"""Training: a recipe, a source of rows, and a run that yields one step at a time."""

from model.training.checkpoint import Checkpoint, load_run, save_run
from model.training.divergence import usual_rate
from model.training.objective import Answering, Masked, NextToken, Objective, Translation, Unmasked
from model.training.precision import bfloat16_pays
from model.training.recipe import (
    SGD,
    AdamW,
    Budget,
    Clip,
    Clipping,
    Constant,
    Cosine,
    NoClipping,
    Optimiser,
    Recipe,
    Schedule,
    Seconds,
    Steps,
    Tokens,
    Trapezoid,
)
from model.training.run import Run, Step, train
from model.training.source import Batch, Packed, Source

__all__ = [
    "SGD",
    "AdamW",
    "Answering",
    "Batch",
    "Budget",
    "Checkpoint",
    "Clip",
    "Clipping",
    "Constant",
    "Cosine",
    "Masked",
    "NextToken",
    "NoClipping",
    "Objective",
    "Optimiser",
    "Packed",
    "Recipe",
    "Run",
    "Schedule",
    "Seconds",
    "Source",
    "Step",
    "Steps",
    "Tokens",
    "Translation",
    "Trapezoid",
    "Unmasked",
    "bfloat16_pays",
    "load_run",
    "save_run",
    "train",
    "usual_rate",
]
