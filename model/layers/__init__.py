"""The parts of a transformer, each in a file of its own."""
