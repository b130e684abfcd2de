"""Releases: an export is checked against its manifest, and clips are taken back from it."""
