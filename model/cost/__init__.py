"""What a configuration weighs and costs, counted from the configuration alone: nothing here imports torch or builds a model.

Tests hold every figure equal to what a built model and PyTorch's own counters say.
"""

from model.cost.flops import Operation, decoding_flops, flops_per_token, forward_flops, operations, training_flops
from model.cost.memory import (
    PRECISIONS,
    Kept,
    Precision,
    activation_bytes,
    bytes_by_precision,
    cache_bytes,
    cache_bytes_per_token,
    gradient_bytes,
    optimiser_bytes,
)
from model.cost.weights import Part, Weight, parameters, parts, weights

__all__ = [
    "PRECISIONS",
    "Kept",
    "Operation",
    "Part",
    "Precision",
    "Weight",
    "activation_bytes",
    "bytes_by_precision",
    "cache_bytes",
    "cache_bytes_per_token",
    "decoding_flops",
    "flops_per_token",
    "forward_flops",
    "gradient_bytes",
    "operations",
    "optimiser_bytes",
    "parameters",
    "parts",
    "training_flops",
    "weights",
]
