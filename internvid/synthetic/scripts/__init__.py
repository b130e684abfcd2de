"""Decides what a synthetic video shows, before any pixel exists."""
