"""Generation: choose a token; continue a text, write about a source, or fill blanks, one step at a time."""

from model.generation.beam import HALTS, Beams, BeamStep, Candidate, Fate, Finished, Halt, Text, beam_search
from model.generation.blanks import ORDERS, Fill, Filler, Guesses, Order, fill_blanks, otherwise
from model.generation.choose import Choose, Chosen, Greedy, Picked, Sample, Stage, die, draw, pick, softmax, stages
from model.generation.contrastive import Contrast, ContrastStep, Trial, contrastive_search, distinct, variety
from model.generation.decoder import Decoder, Passage, Reading
from model.generation.rounds import WAYS, Filling, Put, Way, filled, mask_predict, pseudo
from model.generation.scoring import Continuation, continuation
from model.generation.speculative import Added, Draft, Round, Speculator, Tally, Verdict, speculate, tally
from model.generation.steps import Step, Writer, generate, held, rows

__all__ = [
    "HALTS",
    "ORDERS",
    "WAYS",
    "Added",
    "BeamStep",
    "Beams",
    "Candidate",
    "Choose",
    "Chosen",
    "Continuation",
    "Contrast",
    "ContrastStep",
    "Decoder",
    "Draft",
    "Fate",
    "Fill",
    "Filler",
    "Filling",
    "Finished",
    "Greedy",
    "Guesses",
    "Halt",
    "Order",
    "Passage",
    "Picked",
    "Put",
    "Reading",
    "Round",
    "Sample",
    "Speculator",
    "Stage",
    "Step",
    "Tally",
    "Text",
    "Trial",
    "Verdict",
    "Way",
    "Writer",
    "beam_search",
    "continuation",
    "contrastive_search",
    "die",
    "distinct",
    "draw",
    "fill_blanks",
    "filled",
    "generate",
    "held",
    "mask_predict",
    "otherwise",
    "pick",
    "pseudo",
    "rows",
    "softmax",
    "speculate",
    "stages",
    "tally",
    "variety",
]
