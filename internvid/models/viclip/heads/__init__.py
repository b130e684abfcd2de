"""Heads beside the towers: a classifier over actions, and a judge of pairs."""
