"""Heads beside the towers: a classifier over actions, and a scorer of pairs."""
