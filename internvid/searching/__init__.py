"""Vectors of a dataset: exact and indexed search."""
