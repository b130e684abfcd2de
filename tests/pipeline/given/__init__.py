"""Clips that tables state."""
