"""Frames as a player shows them: orientation, aspect, tone, upright pictures."""
