"""Canvases: a layout in Python, drawn by a small view in the browser."""
