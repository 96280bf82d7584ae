"""Readings as Plotly figures: pure, one function a picture."""
