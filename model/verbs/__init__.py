"""The machine without the screen: one module a verb, each with `arguments(parser)`, `run(options)` and `table(result)`.

`run` returns what `--json` prints; `table` says the same for people. A verb's module is imported when it is called for.
"""

VERBS = {
    "families": "every family and published size",
    "size": "what a configuration weighs and costs",
    "sites": "every place a tap can see",
    "corpus": "documents of the micro-world, with their exact log-probability",
    "trace": "run a text and keep what happened at each site, as arrays in a file",
    "mask": "a mask from its specification",
    "generate": "continue a text, translate one or fill its blanks, one token at a time",
    "tree": "the most probable continuations of a text, or fillings of its blanks, as a tree",
    "cache": "what the KV cache stores and saves while a text is continued",
    "train": "train a model and save it",
    "evaluate": "the figures of a model's card, measured again",
    "heads": "where each head looks, and what it costs to silence it",
    "check": "what loads from a checkpoint, and whether transformers agrees",
}
