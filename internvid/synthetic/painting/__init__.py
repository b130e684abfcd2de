"""Draws single pictures of the synthetic world."""
