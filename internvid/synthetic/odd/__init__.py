"""Odd and broken media files, each with what a careful reader makes of it."""
