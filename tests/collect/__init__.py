"""Collecting: lists of what to look for, and fetching it from real servers on loopback."""
