"""Generation: choose a token; continue a text, write about a source, or fill blanks, one step at a time."""

from model.generation.beam import HALTS, Beams, BeamStep, Candidate, Fate, Finished, Halt, Text, beam_search
from model.generation.blanks import ORDERS, Fill, Filler, Guesses, Order, fill_blanks, otherwise
from model.generation.choose import Choose, Chosen, Greedy, Picked, Sample, Stage, die, draw, pick, softmax, stages
from model.generation.contrastive import Contrast, ContrastStep, Trial, contrastive_search, distinct, variety
from model.generation.decoder import Decoder, Reading
from model.generation.steps import Step, Writer, generate, held, rows

__all__ = [
    "HALTS",
    "ORDERS",
    "BeamStep",
    "Beams",
    "Candidate",
    "Choose",
    "Chosen",
    "Contrast",
    "ContrastStep",
    "Decoder",
    "Fate",
    "Fill",
    "Filler",
    "Finished",
    "Greedy",
    "Guesses",
    "Halt",
    "Order",
    "Picked",
    "Reading",
    "Sample",
    "Stage",
    "Step",
    "Text",
    "Trial",
    "Writer",
    "beam_search",
    "contrastive_search",
    "die",
    "distinct",
    "draw",
    "fill_blanks",
    "generate",
    "held",
    "otherwise",
    "pick",
    "rows",
    "softmax",
    "stages",
    "variety",
]
