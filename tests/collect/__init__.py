"""Fetching, against real servers on loopback."""
