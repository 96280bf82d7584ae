"""The micro-world that writes the training text, and the tokenizer that reads any."""
