"""Exports whose rows are documents of several clips: what they hold, how clips go."""
