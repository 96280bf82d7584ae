"""The machine: configurations, the transformer, what it reads, learns and writes. It knows nothing of the screen."""
