"""Controls: what the reader moves."""
