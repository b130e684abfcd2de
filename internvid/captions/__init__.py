"""Puts clips into words."""
