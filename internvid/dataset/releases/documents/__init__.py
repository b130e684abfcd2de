"""Exports whose rows are documents of several clips: what they hold, and how clips are taken out."""
