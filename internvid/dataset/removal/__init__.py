"""Removed videos: what every reader passes over, what later builds refuse, how data is purged."""
