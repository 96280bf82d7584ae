"""Generation: choose the next token; yield one step at a time, from a KV cache."""

from model.generation.choose import Choose, Greedy, Picked, Sample, Stage, die, draw, pick, softmax, stages
from model.generation.decoder import Decoder, Reading
from model.generation.steps import Step, Writer, generate, held, rows

__all__ = [
    "Choose",
    "Decoder",
    "Greedy",
    "Picked",
    "Reading",
    "Sample",
    "Stage",
    "Step",
    "Writer",
    "die",
    "draw",
    "generate",
    "held",
    "pick",
    "rows",
    "softmax",
    "stages",
]
