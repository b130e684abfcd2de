"""Clips that a table states: their rows read, brought to the frames of videos, and made a cut."""
