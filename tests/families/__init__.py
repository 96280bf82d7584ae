"""Families against the library that published them."""
